"""What `aidrug up` has in place before it starts a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_drug_assets import up
from ai_drug_assets.progress import Lines
from ai_drug_assets.selection import Selection
from ai_drug_assets.settings import Settings
from model_zoo.progress import Progress

NEWS = Progress(began="", at="", done=1, total=9)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of an empty home."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    yield Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home")})
    os.environ.clear()
    os.environ.update(before)


class Reached(Exception):  # noqa: N818 - no error
    """The test has seen enough."""


def test_dagsters_tables_are_there_before_anything_of_dagster_starts(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an empty home webserver, code server and run would make them at once, and one of them would die of it."""
    found: dict[str, list[str]] = {}

    def note(_: up.Processes, name: str, *arguments: str) -> None:
        databases = (settings.home / "dagster").rglob("*.db")
        found[name] = sorted(str(path.relative_to(settings.home / "dagster")) for path in databases)
        if name == "webserver":
            raise Reached

    monkeypatch.setattr(up.Processes, "start", note)
    with pytest.raises(Reached):
        up.bring_up(settings, print, Selection())
    assert list(found) == ["service", "code_server", "webserver"]
    wanted = ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]
    assert found["code_server"] == found["webserver"] == wanted


def test_a_process_that_ends_during_the_run_is_told_at_once(tmp_path: Path) -> None:
    """Not when everything is trained; once, with the end of its log."""
    processes = up.Processes(tmp_path)
    processes.start("webserver", "no_such_module")
    processes._running["webserver"].wait(30)
    said: list[str] = []
    shown = up.WhileUp(Lines(said.append), processes, "http://127.0.0.1:9", said.append)
    shown.goes_on(NEWS, [])
    shown.goes_on(NEWS, [])
    assert len(said) == 1
    assert said[0].startswith("the webserver ended by itself:")
    assert "no_such_module" in said[0]
