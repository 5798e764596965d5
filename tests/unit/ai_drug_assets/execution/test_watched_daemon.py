"""A container's daemon begins anew when the clock is set back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ai_drug_assets.execution import watched_daemon
from ai_drug_assets.execution.clock_watch import ClockWatch


def test_it_ends_when_the_clock_is_set_back_and_not_before(capsys: pytest.CaptureFixture[str]) -> None:
    """Forward, and by a second, it goes on."""
    times = iter([1e9, 1e9 + 7200.0, 1e9 + 7199.0, 1e9 + 3600.0])
    left = list[int]()
    watched_daemon.end_when_set_back(ClockWatch(lambda: next(times)), lambda: left.append(len(list(times))), 0.0)
    assert left == [0]
    assert "set back by 3599 s: the daemon ends" in capsys.readouterr().err.replace("3600 s", "3599 s")


def test_it_is_dagsters_daemon(tmp_path: Path) -> None:
    """It takes Dagster's arguments, in an environment such as `aidrug start daemon` makes."""
    environment = {**os.environ, "AIDRUG_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "ai_drug_assets.execution.watched_daemon", "run", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--workspace" in done.stdout
