"""A screen: made, continued, begun again for a new champion.

On a stand-in for Ray that works in this process; with `AIDRUG_TEST_RAY=1` (`make test-ray`) on a real local Ray, which
takes half a minute to start and gives up on a busy machine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from ai_drug_assets.operations import screens
from ai_drug_assets.settings import Settings
from model_zoo.bundles.store import FolderStore
from model_zoo.config.screen import Screen
from model_zoo.errors import ConfigError, DataError
from model_zoo.inference import screening
from model_zoo.inference.screening import find_shards
from tests.bundle_factory import publish
from tests.project_factory import project_settings
from tests.unit.model_zoo.inference.test_screening import library

SMILES: list[str | None] = ["C" * (1 + number % 12) + "O" for number in range(60)]


_real = partial(screens.ray_cluster, 2)


class InProcess:
    """As much of Ray as a screen uses; work is done when its result is asked for."""

    def remote(self, **_: Any) -> Callable[[Callable[..., Any]], Any]:
        """Decorate a function."""
        return lambda function: SimpleNamespace(remote=lambda *arguments: partial(function, *arguments))

    def wait(self, waiting: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        """Return what is done first."""
        return waiting[-num_returns:], waiting[:-num_returns]  # never in the order of asking

    def get(self, work: Callable[[], Any]) -> Any:
        """Return a result, or raise what the worker raised."""
        return work()

    def cluster_resources(self) -> dict[str, float]:
        """Return the size of the cluster."""
        return {"CPU": 2.0}


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """Start Ray once for all tests, as somebody with a cluster would; or put the stand-in in its place."""
    if os.environ.get("AIDRUG_TEST_RAY"):
        with screens.ray_cluster(workers=2):
            yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screens, "ray_cluster", lambda *_: nullcontext(InProcess()))
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a champion in the store."""
    settings = project_settings(tmp_path)
    publish(FolderStore(Path(settings.store)), tmp_path / "bundle", onnx_bias=0.0)
    return settings


@pytest.mark.parametrize("name", ["solubility_logs_low", "notes"])
def test_no_endpoint_takes_the_column_of_another(settings: Settings, tmp_path: Path, name: str) -> None:
    """The lower ends of one would be replaced by the values of the other."""
    store = FolderStore(Path(settings.store))
    publish(store, tmp_path / "b", endpoint=name, value=7.0)
    wanted = Screen(name="s", description="s", library=str(library(tmp_path / "lib", SMILES)))

    with pytest.raises(ConfigError, match=f"got '{name}', which is another column"):
        screens.run_screen(settings, wanted, lambda line: None)
    alone = wanted.model_copy(update={"endpoints": ("solubility_logs",)})
    report = screens.run_screen(settings, alone, lambda line: None)
    made = {column for file in Path(report.out).glob("*.parquet") for column in pq.read_schema(file).names}
    assert made == {
        *screening.COLUMNS,
        "solubility_logs",
        *(f"solubility_logs_{each}" for each in screening.FIELDS),
    } - {"id"}


def run(settings: Settings, wanted: Screen) -> tuple[screens.ScreenReport, list[str]]:
    """Run a screen with two workers; return what it said."""
    lines: list[str] = []
    return screens.run_screen(settings, wanted, lines.append, workers=2), lines


def test_a_screen_is_made_goes_on_and_begins_anew(settings: Settings, tmp_path: Path) -> None:
    """What is there is not made again; a damaged file costs its shards alone; a new champion has its own result."""
    folder = library(tmp_path / "lib", SMILES, group=20)
    wanted = Screen(name="s", description="s", library=str(folder), id_column="id", rows_per_shard=20)
    report, lines = run(settings, wanted)
    assert (report.rows, report.shards, report.made, report.failed) == (60, 3, 3, {})
    assert "60 rows in 3 shards, 3 left" in lines[0]
    rows = pq.read_table(report.out).column("row").to_pylist()
    assert sorted(rows) == list(range(60))
    assert json.loads((Path(report.out) / screens.SUMMARY).read_text())["complete"] is True

    (Path(report.out) / "part-0000001.parquet").unlink()  # as if it had been stopped before that shard
    again, _ = run(settings, wanted)
    assert (again.made, again.out) == (1, report.out)
    assert len(pq.read_table(report.out)) == 60

    publish(FolderStore(Path(settings.store)), tmp_path / "other", onnx_bias=1.0)
    anew, _ = run(settings, wanted)
    assert anew.made == 3
    assert anew.out != report.out
    assert pq.read_table(report.out).column("solubility_logs") != pq.read_table(anew.out).column("solubility_logs")


def test_a_shard_that_fails_is_told_and_the_others_are_kept(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that goes away while the screen runs costs its own shards; the next run makes them."""
    folder = library(tmp_path / "lib", SMILES[:10])
    library(tmp_path / "lib", SMILES[:5], name="b.parquet")
    wanted = Screen(name="s", description="s", library=str(folder), rows_per_shard=10)
    found = find_shards(wanted)
    monkeypatch.setattr(screens, "find_shards", lambda _: found)
    (folder / "b.parquet").rename(tmp_path / "away")
    report, lines = run(settings, wanted)
    assert report.failed
    assert report.made == report.shards - len(report.failed)
    assert any("FAILED" in line for line in lines)
    assert json.loads((Path(report.out) / screens.SUMMARY).read_text())["complete"] is False
    (tmp_path / "away").rename(folder / "b.parquet")
    report, _ = run(settings, wanted)
    assert not report.failed
    assert len(pq.read_table(report.out)) == 15


def test_what_cannot_be_screened_is_refused_at_once(settings: Settings, tmp_path: Path) -> None:
    """An endpoint without a champion, and no champion at all, are said at once."""
    folder = library(tmp_path / "lib", ["CCO"])
    with pytest.raises(ConfigError, match="'herg' has no champion"):
        run(settings, Screen(name="s", description="s", library=str(folder), endpoints=("herg",)))
    (Path(settings.store) / "current.json").unlink()
    (Path(settings.store) / "published.json").unlink()  # as if nothing had ever been published
    with pytest.raises(DataError, match="no endpoint has a champion yet"):
        run(settings, Screen(name="s", description="s", library=str(folder)))


def test_a_result_in_its_own_library_is_refused(settings: Settings, tmp_path: Path) -> None:
    """It has a column of structures too, and would be predicted with the next champion."""
    folder = library(tmp_path / "lib", ["CCO"])
    with pytest.raises(ConfigError, match="expected `out` outside of `library`"):
        run(settings, Screen(name="s", description="s", library=f"{folder}/", out=str(folder / "results")))


def test_a_screen_is_an_asset(settings: Settings, tmp_path: Path) -> None:
    """One YAML makes one asset, which shows where the result is."""
    import dagster as dg

    from ai_drug_assets import keys
    from tests.project_factory import Project, make_project

    made = make_project(tmp_path / "project", ("naive", "rf"))
    publish(FolderStore(Path(made.store)), tmp_path / "bundle2", onnx_bias=0.0)
    folder = library(tmp_path / "lib", SMILES[:6])
    (made.configs / "screens").mkdir()
    content = {"name": "tiny", "description": "Tiny.", "library": str(folder)}
    (made.configs / "screens" / "tiny.yaml").write_text(yaml.safe_dump(content))
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(made, instance)
        result = project.materialise("screen/tiny")
        assert result.success
        (event,) = result.asset_materializations_for_node("screen__tiny")
        assert event.metadata["rows"].value == 6
        assert keys.asset_key("screen/tiny") in {spec.key for spec in project.defs().resolve_all_asset_specs()}
        assert "screen/tiny" not in project.plan()


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="the extra `screening`"), _real():
        pass
