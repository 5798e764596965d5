"""Two commands at once on the same state."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import ExitStack, nullcontext
from pathlib import Path

import dagster as dg
import pytest

from ai_drug_assets import keys
from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.execution.runner import run_stale
from ai_drug_assets.processes import one_at_a_time
from tests.command_factory import make_installation
from tests.project_factory import Project


def test_a_run_that_begins_during_another_waits_and_finds_nothing_left(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that begins while another is at work says so, waits for its end, and then finds nothing left to do."""
    monkeypatch.setattr(dg.DagsterInstance, "get", staticmethod(lambda: nullcontext(made.instance)))
    messages = []
    with ExitStack() as other:
        other.enter_context(one_at_a_time(made.settings.folder("locks") / "run"))

        def say(line: str) -> None:
            messages.append(line)
            other.close()  # the other run ends

        report = run_stale(made.settings, Lines(say), say=say)

    assert messages == ["another run is at work; waiting for its end"]
    assert (report.made, report.failed) == ([], {})


@pytest.mark.slow(sibling="test_a_run_that_begins_during_another_waits_and_finds_nothing_left")
def test_two_runs_at_once_train_nothing_twice(tmp_path: Path, empty_mlflow: Path) -> None:
    """Of two `aidrug run` at once on a fresh state one trains; the other waits, and finds nothing left to do."""
    here = make_installation(tmp_path)
    shutil.copy(empty_mlflow, here.settings.folder("mlflow") / "mlflow.db")
    commands = [here.start("run"), here.start("run")]
    codes = [command.wait() for command in commands]
    printed = "\n".join(command.printed for command in commands)
    assert codes == [0, 0], printed
    assert sorted("nothing is stale" in command.printed for command in commands) == [False, True], printed
    with here.instance() as instance:
        project = Project(here.settings, instance)
        fits = Counter(run.data.tags[keys.TAG_SIGNATURE] for run in project.runs(None))
        assert len(fits) == 2
        assert set(fits.values()) == {1}
        assert project.all_runs("RUNNING") == []
        assert project.plan() == {}
        assert project.unsynced() == set()
    assert here.unfinished() == []
