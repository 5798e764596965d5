"""The operator's guide says what the code does: settings with their defaults, metrics, scopes, codes of faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.auth.keys import SCOPES
from serving.http.problems import TITLES
from serving.settings import MULTIPROCESS, WORKER, Settings

ROW = re.compile(r"^\| `([a-zA-Z_]+)` \|(?: `?([^`|]*)`? \|)?", re.MULTILINE)


class Asked(Mapping[str, str]):
    """An environment in which nothing is set, and that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    """Return the guide."""
    return (root / "docs" / "operating.md").read_text(encoding="utf-8")


def section(guide: str, title: str) -> dict[str, str]:
    """Return the first two cells of the rows of a section's tables."""
    text = guide.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]
    return {name: (cell or "").strip() for name, cell in ROW.findall(text)}


def test_every_setting_stands_in_the_guide_with_its_default(guide: str) -> None:
    """The table names what the service reads and nothing else, and setting every default changes nothing."""
    documented, asked = section(guide, "Settings"), Asked()
    defaults = Settings.from_environment(asked)

    assert set(documented) == asked.names - {WORKER, MULTIPROCESS}, "a worker is told those by whoever starts it"
    assert Settings.from_environment({name: value for name, value in documented.items() if value}) == defaults


def test_every_metric_stands_in_the_guide(guide: str, tmp_path: Path) -> None:
    """The table names what `/metrics` gives and nothing else."""
    with TestClient(create_app(Settings(), FolderStore(tmp_path / "store"))) as client:
        lines = client.get("/metrics").text.splitlines()
    named = {line.split()[2].removesuffix("_total") for line in lines if line.startswith("# TYPE aidrug_")}

    assert set(section(guide, "What to watch")) == {name for name in named if not name.endswith("_created")}


def test_every_rule_of_prometheus_has_an_alarm_or_a_reason(guide: str, root: Path) -> None:
    """On the AWS host, whose probe reads the same metrics; the alarms that the table names exist."""
    rules = set(re.findall(r"alert: (\w+)", (root / "infra" / "alerts.yaml").read_text(encoding="utf-8")))
    rows = dict(re.findall(r"^\| (Aidrug[\w, ]+) \| (.+) \|$", guide, re.MULTILINE))
    monitoring = (root / "infra/terraform/modules/monitoring/main.tf").read_text(encoding="utf-8")
    alarms = set(re.findall(r"^    ([a-z-]+) = \{$", monitoring, re.MULTILINE))

    assert {rule for row in rows for rule in row.split(", ")} == rules
    assert {name for text in rows.values() for name in re.findall(r"`([a-z]+-[a-z-]+)`", text)} <= alarms


def test_the_probe_of_the_host_reads_metrics_that_there_are(guide: str, root: Path) -> None:
    """A metric by another name would be no data, and no data raises no alarm."""
    read = re.findall(r"gauge (aidrug_\w+)", (root / "infra/host/probe.sh").read_text(encoding="utf-8"))

    assert {"aidrug_store_unreachable", "aidrug_not_served"} < set(read)
    assert {name for name in read if not name.startswith("aidrug_automation_")} <= set(section(guide, "What to watch"))


def test_scopes_and_codes_exist(guide: str) -> None:
    """Scopes are those of keys, and a status in the guide is beside a code that has it."""
    named = re.findall(r"\b(\d{3}) `([a-z-]+)`", guide)

    assert set(section(guide, "Keys and the audit log")) == set(SCOPES)
    assert named
    assert {(status, code) for status, code in named} <= {(str(TITLES[code][0]), code) for code in TITLES}
