"""The daemon restarts when the clock is set back, and reads definitions when they are others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster._daemon.controller import DagsterDaemonController

from ai_drug_assets.execution import watched_daemon
from ai_drug_assets.execution.clock_watch import ClockWatch


def test_it_ends_when_the_clock_is_set_back_and_not_before(capsys: pytest.CaptureFixture[str]) -> None:
    """Forward, and by a second, it keeps running."""
    times = iter([1e9, 1e9 + 7200.0, 1e9 + 7199.0, 1e9 + 3600.0])
    left = list[int]()
    watched_daemon.end_when_set_back(ClockWatch(lambda: next(times)), lambda: left.append(len(list(times))), 0.0)
    assert left == [0]
    assert "set back by 3599 s: the daemon ends" in capsys.readouterr().err


def test_definitions_are_read_when_long_nobody_said_that_they_are_others() -> None:
    """Dagster's daemon reads them every minute."""

    class Controller(DagsterDaemonController):
        def check_workspace_freshness(self, last_workspace_update_time: float) -> float:
            return -1.0

    watched_daemon.read_rarely(Controller, 600.0)
    made = object.__new__(Controller)
    recent, long_ago = time.time() - 590.0, time.time() - 610.0
    assert made.check_workspace_freshness(recent) == recent
    assert made.check_workspace_freshness(long_ago) == -1.0


def test_it_is_dagsters_daemon(tmp_path: Path) -> None:
    """It takes Dagster's arguments, in an environment such as `aidrug start daemon` makes."""
    environment = {**os.environ, "AIDRUG_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "ai_drug_assets.execution.watched_daemon", "run", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--workspace" in done.stdout
