"""Two commands at once on the same state."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from ai_drug_assets import keys
from tests.command_factory import make_installation
from tests.project_factory import Project


@pytest.mark.slow
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
