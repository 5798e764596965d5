"""Processes that are kept running: real ones, killed and broken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ai_drug_assets.execution import supervisor as supervising
from ai_drug_assets.execution.supervisor import Supervisor, end_leftovers, read_report
from ai_drug_assets.processes import alive, is_held

STAYS = "import time\ntime.sleep(600)\n"
ENDS = "print('no such table: runs')\nraise SystemExit(3)\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AIDRUG_HOME, with two programs that can be started as modules; nobody waits long."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "stays.py").write_text(STAYS, encoding="utf-8")
    (tmp_path / "ends.py").write_text(ENDS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(supervising, "LOOK_S", 0.05)
    monkeypatch.setattr(supervising, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(supervising, "LAST_WAIT_S", 0.1)
    return tmp_path


@pytest.fixture
def messages() -> list[str]:
    """Collect the messages."""
    return []


@pytest.fixture
def supervisor(home: Path, messages: list[str]) -> Iterator[Supervisor]:
    """A supervisor that ends what it started."""
    made = Supervisor(home, messages.append)
    yield made
    made.stop()


def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_whoever_is_killed_is_started_again_and_no_other(supervisor: Supervisor, messages: list[str]) -> None:
    """Killed in any order, as a seed draws it, each comes back, the others keep their process, and that is reported."""
    names = ["service", "daemon", "webserver"]
    for name in names:
        supervisor.start(name, "stays")
    supervisor.begin()
    draw = random.Random(0)
    for _ in range(4):
        victim = draw.choice(names)
        before = {name: supervisor.pid(name) for name in names}
        os.kill(before[victim] or 0, draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV]))
        until(lambda before=before, victim=victim: supervisor.pid(victim) not in (None, before[victim]))  # type: ignore[misc]
        assert {name: supervisor.pid(name) for name in names if name != victim} == {
            name: pid for name, pid in before.items() if name != victim
        }
        assert messages[-1].startswith(f"the {victim} ended (killed by SIG")


def test_whoever_does_not_stay_up_raises_a_sign_once_and_the_others_go_on(
    supervisor: Supervisor, home: Path, messages: list[str]
) -> None:
    """After some starts in a row it says so, loudly, with the end of the log; the others are left alone."""
    supervisor.start("service", "stays")
    service = supervisor.pid("service")
    supervisor.start("daemon", "ends")
    supervisor.begin()
    until(lambda: any("does not stay up" in line for line in messages))
    time.sleep(0.3)
    signs = [line for line in messages if "does not stay up" in line]
    assert len(signs) == 1
    assert "exit code 3" in signs[0]
    assert "no such table: runs" in signs[0]
    assert supervisor.pid("service") == service
    until(lambda: read_report(home)["processes"]["daemon"]["state"] == "given up")
    assert read_report(home)["processes"]["service"]["state"] == "running"


def test_a_lock_is_held_as_long_as_the_process_lives(supervisor: Supervisor, home: Path) -> None:
    """A lock that is held for a process is held until it is gone, not until its starter is."""
    supervisor.start("daemon", "stays", lock=home / "lock")
    pid = supervisor.pid("daemon")
    assert pid is not None
    assert is_held(home / "lock")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_held(home / "lock"))


def test_the_first_process_ends_last(supervisor: Supervisor, home: Path) -> None:
    """Whatever the others take to end, the service serves meanwhile."""
    supervisor.start("service", "stays")
    (home / "slow.py").write_text(
        "import pathlib, psutil, signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.5)\n"
        f"    pathlib.Path({str(home / 'seen')!r}).write_text(psutil.Process({supervisor.pid('service')}).status())\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(600)\n",
        encoding="utf-8",
    )
    supervisor.start("daemon", "slow")
    until(lambda: "ready" in supervisor.tail("daemon"))
    service = psutil.Process(supervisor.pid("service"))
    supervisor.stop()
    assert (home / "seen").read_text() in (psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
    assert not service.is_running()


def test_what_a_killed_supervisor_left_is_ended_by_the_next(home: Path) -> None:
    """After `kill -9` its processes live on; the next one knows them by what it wrote, and ends them."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom ai_drug_assets.execution.supervisor import Supervisor\n"
        f"made = Supervisor(Path({str(home)!r}), print)\n"
        "made.start('service', 'stays')\nmade.start('daemon', 'stays')\nprint('up', flush=True)\ntime.sleep(600)\n"
    )
    up = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert up.stdout is not None
    assert up.stdout.readline() == b"up\n"
    left = [state["process"] for state in read_report(home)["processes"].values()]
    up.kill()
    up.wait()
    up.stdout.close()
    assert all(alive(process) for process in left)
    assert end_leftovers(home) == ["daemon", "service"]
    assert not any(alive(process) for process in left)
    assert end_leftovers(home) == []


def test_a_watch_that_fails_says_so_once_and_stops_nothing(
    supervisor: Supervisor, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full for minutes fails it every second."""
    monkeypatch.setattr("ai_drug_assets.execution.supervisor.LOOK_S", 0.01)
    looks: list[float] = []

    def watch(at: float) -> None:
        looks.append(at)
        if len(looks) % 2:  # and it does not look each time that it is asked
            raise OSError(28, "No space left on device")

    supervisor.also(watch)
    supervisor.begin()
    until(lambda: len(looks) > 6)
    assert messages == ["watching failed, and is tried again: OSError: [Errno 28] No space left on device"]
