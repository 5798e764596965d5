"""What `aidrug up` has in place before it starts a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_drug_assets.execution import local_stack
from ai_drug_assets.execution.supervisor import Supervisor
from ai_drug_assets.planning.selection import Selection
from ai_drug_assets.processes import one_at_a_time
from ai_drug_assets.settings import Settings
from tests.server_process import free_port


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of an empty home."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    ports = {name: str(free_port()) for name in ("AIDRUG_UI_PORT", "AIDRUG_SERVICE_PORT")}  # `make run` may have theirs
    yield Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home"), **ports})
    os.environ.clear()
    os.environ.update(before)


class Reached(Exception):  # noqa: N818 - no error
    """The test has seen enough."""


def test_dagsters_tables_are_there_before_anything_of_dagster_starts(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an empty home webserver, code server and run would make them at once, and one of them would die of it."""
    found: dict[str, list[str]] = {}

    def note(_: Supervisor, name: str, *arguments: str) -> None:
        databases = (settings.home / "dagster").rglob("*.db")
        found[name] = sorted(str(path.relative_to(settings.home / "dagster")) for path in databases)
        if name == "webserver":
            raise Reached

    monkeypatch.setattr(Supervisor, "start", note)
    with pytest.raises(Reached):
        local_stack.bring_up(settings, print, Selection())
    assert list(found) == ["service", "code_server", "webserver"]
    wanted = ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]
    assert found["code_server"] == found["webserver"] == wanted


def test_a_second_up_on_the_same_home_is_refused(settings: Settings) -> None:
    """Two of them would launch every run twice: the second says so, and starts nothing."""
    with (
        one_at_a_time(settings.folder("locks") / "up"),
        pytest.raises(local_stack.StartError, match=r"`aidrug up` runs on .* already"),
    ):
        local_stack.bring_up(settings, print, Selection())


def test_a_daemon_of_somebody_else_is_no_second_one(settings: Settings) -> None:
    """A daemon that a container or a person started on this home is reported, and nothing is started beside it."""
    with (
        one_at_a_time(settings.folder("locks") / "daemon"),
        pytest.raises(local_stack.StartError, match="a daemon that `aidrug up` did not start"),
    ):
        local_stack.bring_up(settings, print, Selection())
