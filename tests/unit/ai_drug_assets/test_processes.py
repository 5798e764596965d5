"""A process is known by when it began, whatever the clock of the machine says."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from ai_drug_assets import processes
from ai_drug_assets.processes import alive, name_of, this_process


@pytest.mark.parametrize("seconds", [-7200.0, 7200.0])
def test_a_clock_that_is_set_ends_no_process(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system counts a start from when it began itself, in seconds since 1970: these move with the clock."""
    name, real = this_process(), psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + seconds)
    assert alive(name)
    assert name == this_process()


def test_a_number_that_is_used_again_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is gone is not alive, and neither is one of its number that began at another time."""
    gone = subprocess.run(
        [sys.executable, "-c", "from ai_drug_assets.processes import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert not alive(gone)
    host, pid, began = this_process().rsplit(":", 2)
    assert not alive(f"{host}:{pid}:{began}1")
    monkeypatch.setattr(processes, "_boot", lambda: "another")
    assert not alive(f"{host}:{pid}:{began}")


def test_a_name_as_it_was_written_before_is_understood() -> None:
    """Records of earlier versions give the start in seconds since 1970."""
    host, pid, _ = this_process().rsplit(":", 2)
    began = psutil.Process().create_time()
    assert alive(f"{host}:{pid}:{began:.0f}")
    assert not alive(f"{host}:{pid}:{began - 100:.0f}")
    assert name_of(os.getpid()) == this_process()


def test_a_process_ends_when_what_it_works_for_is_over() -> None:
    """Though a library holds it up; not while it reports that it continues, or nothing."""
    code = """
import sys, time
from ai_drug_assets.processes import end_when
answers = [False, True, None, True, False, True, True]
def over():
    answer = answers.pop(0)
    if answer is None:
        raise OSError
    print(answer, flush=True)
    return answer
end_when(over, 0.01)
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1
    assert done.stdout.split() == ["False", "True", "True"]
