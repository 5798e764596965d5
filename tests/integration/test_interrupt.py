"""Ctrl-C of `aidrug run`, and the end of the process of a run: nothing continues, nothing is judged without all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.command_factory import Command, Installation, make_installation
from tests.project_factory import Project


def until(command: Command, pattern: str, home: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + 200
    while not any(home.glob(pattern)):
        assert command.process.is_alive(), command.printed
        assert time.monotonic() < deadline, command.printed
        time.sleep(0.05)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation whose forest takes minutes."""
    made = make_installation(tmp_path)
    made.set_trees(20_000)
    return made


@pytest.mark.slow(sibling="test_cut_off::test_one_ctrl_c_judges_nothing_and_leaves_no_run_open")
def test_one_ctrl_c_ends_cleanly_and_judges_nothing(installation: Installation) -> None:
    """One Ctrl-C during a training ends the command soon, says what is left, judges nothing without the model that was
    cut off, and leaves no run open.
    """
    command = installation.start("run")
    until(command, "ledger/features/logp/morgan_count.json", installation.settings.home)
    until(command, "scratch/trained_model-*", installation.settings.home)
    pressed = time.monotonic()
    os.kill(command.process.pid or 0, signal.SIGINT)
    assert command.wait(60) == 130, command.printed
    assert time.monotonic() - pressed < 20
    assert re.search(r"stopped: .* [4-6] assets are left\.", command.printed), command.printed
    assert "Traceback" not in command.printed
    ledger = installation.settings.home / "ledger"
    assert {path.name for path in ledger.iterdir() if path.is_dir()} <= {"dataset", "features", "trained_model"}
    assert not (ledger / "trained_model" / "logp" / "rf.json").exists()
    assert installation.unfinished() == []
    with installation.instance() as instance:
        project = Project(installation.settings, instance)
        assert project.all_runs("RUNNING") == []


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    """Who presses it twice does not wait for anything, not even for what is being put in order."""
    program = (
        "import time\nfrom ai_drug_assets.interrupts import interruptible\n"
        "with interruptible():\n    try:\n        print('begun', flush=True)\n        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n        print('putting in order', flush=True)\n        time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        for line in ("begun\n", "putting in order\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130


STEP = """
import multiprocessing, os, time
from ai_drug_assets.processes import end_with_parent

def step():
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.Process(target=step).start()
    time.sleep(600)
"""


def test_a_step_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    """`kill -9` of the process that started a step ends the step, and the process that it was forked from."""
    (tmp_path / "run_with_a_step.py").write_text(STEP, encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, "run_with_a_step.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.stdout is not None
    with run.stdout:
        family = [psutil.Process(int(run.stdout.readline())), *psutil.Process(run.pid).children(recursive=True)]
        run.kill()
        run.wait()
        _, alive = psutil.wait_procs(family, timeout=10)
    for process in alive:
        process.kill()
    assert alive == []
