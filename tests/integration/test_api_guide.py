"""`docs/api.md`: every example works, as it is written there, against a real service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_zoo.bundles.store import FolderStore
from serving.http.problems import TITLES
from tests.bundle_factory import publish
from tests.server_process import ROOT, running_service

GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(kind: str) -> list[str]:
    """Return the examples of one language, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Run a service whose champions have the guide's names; give its address and a folder to work in."""
    home = tmp_path_factory.mktemp("guide")
    store = FolderStore(home / "store")
    for number in range(3):  # the guide rolls one back
        publish(store, home / f"bundle{number}", onnx_bias=float(number))
    publish(store, home / "bbb", endpoint="bbb_permeability", value=0.8, binary=True)
    (home / "work").mkdir()
    with running_service(home, home / "log") as (address, _):
        yield address, home / "work"


def run(command: list[str], script: str, service: tuple[str, Path]) -> str:
    """Run an example against the service; return what it printed."""
    address, folder = service
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "AIDRUG_SERVICE_URL": address}
    result = subprocess.run(
        [*command, script.replace(ADDRESS, address)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="curl or bash is not installed")
def test_every_command_works(service: tuple[str, Path]) -> None:
    """The commands of the guide, one after the other as a reader types them, all succeed."""
    # `aidrug` itself may not be installed where a checkout is tested: the module is the same command.
    script = 'aidrug() { python -m ai_drug_assets "$@"; }\n' + "\n".join(blocks("sh"))
    # A job is followed until it is over before its result is asked for, as the guide's order has it.
    printed = run(["bash", "-euo", "pipefail", "-c"], script, service)
    folder = service[1]

    assert printed.count('"status":"queued"') >= 2
    assert "event: done" in printed
    assert '"stored":1' in printed
    assert (folder / "predictions.csv").read_text().startswith("id,structure,note,standardised,error_code")
    assert (folder / "predictions.sdf").read_text().count("$$$$") == 3
    assert (folder / "predictions.parquet").read_bytes().startswith(b"PAR1")


@pytest.mark.parametrize("script", blocks("python"), ids=lambda script: script.splitlines()[-1][:40])
def test_every_python_example_works(service: tuple[str, Path], script: str) -> None:
    """Each Python example runs by itself and prints something."""
    (service[1] / "hits.csv").write_text("id,structure\nhit-1,CCO\nhit-2,not a molecule\n")

    assert run([sys.executable, "-c"], script, service).strip()


def test_the_guide_names_codes_that_exist() -> None:
    """Each code in the guide's table is one that the service gives, with that status."""
    rows = re.findall(r"^\| (4\d\d|5\d\d)(?:, (4\d\d))? \| (.+?) \|", GUIDE, re.MULTILINE)
    named = {code: {first, second} for first, second, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)}

    assert len(named) > 15
    assert {code: str(TITLES[code][0]) in statuses for code, statuses in named.items()} == dict.fromkeys(named, True)


def test_the_guide_names_every_address(service: tuple[str, Path]) -> None:
    """Whatever the service describes of jobs, champions and predictions is in the guide."""
    content = json.loads(run(["curl", "-sf"], f"{ADDRESS}/schema/openapi.json", service))
    kept = (
        "/v1/predict",
        "/v1/jobs",
        "/v1/endpoints",
        "/v1/models",
        "/v1/champions",
        "/v1/leaderboards",
        "/v1/feedback",
    )
    paths = [path.partition("{")[0].rstrip("/") for path in content["paths"] if path.startswith(kept)]

    assert [path for path in paths if path not in GUIDE] == []
