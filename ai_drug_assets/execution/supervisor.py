"""The processes that `aidrug up` needs, kept running.

Each child lives in a session of its own: Ctrl-C reaches this command alone, which ends them in order, the inference
service last. When this command is killed they live on, and the next one ends them: two daemons on one home would both
launch every run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from model_zoo.io.files import atomic_write
from model_zoo.type_aliases import Json

from ai_drug_assets.execution.progress import Say
from ai_drug_assets.processes import alive, name_of, this_process

FILE = "up.json"
STOP_S, LOOK_S, REPORT_S = 15.0, 1.0, 30.0
AGAIN_S = 600.0
"""A fault that stays is reported again after so long."""
WELL_S = 60.0
"""Who ran so long before it ended is restarted as if it had never failed."""
FIRST_WAIT_S, LAST_WAIT_S = 1.0, 30.0
TRIES = 6
"""So many starts in a row that end within a minute, and the sign is raised."""
GAVE_UP_WAIT_S = 600.0
LOG_BYTES, LOG_KEPT = 8_000_000, 1_000_000
"""How large a log grows before it is cut, and how much of its end stays."""


@dataclass
class Child:
    """One process: how it is started, and how it has been."""

    name: str
    arguments: Sequence[str]
    lock: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    failures: int = 0
    restarts: int = 0
    due: float | None = None
    gave_up: bool = False
    healed: list[float] = field(default_factory=list)
    """Seconds that each restart took to be under way."""

    @property
    def ended(self) -> bool:
        """Whether it should run and does not."""
        return self.process is not None and self.process.poll() is not None


class Supervisor:
    """Keeps processes running until it is stopped."""

    def __init__(self, home: Path, say: Say) -> None:
        self._home, self._say = home, say
        self._logs = home / "logs"
        self._children: dict[str, Child] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._reported = 0.0
        self._watches: list[Callable[[float], None]] = []
        self._facts: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def begin(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def also(self, watch: Callable[[float], None]) -> None:
        """Let something else look too, once a second; given the time by a clock that never goes back."""
        self._watches.append(watch)

    def tell(self, **facts: Json) -> None:
        """Put facts into the file that says how things are."""
        with self._lock:
            if {**self._facts, **facts} != self._facts:
                self._facts.update(facts)
                self._report(time.monotonic(), force=True)

    def start(self, name: str, *arguments: str, lock: Path | None = None) -> None:
        """Start `python -m ...`, and keep it running.

        Parameters
        ----------
        name
            What people call it; its log is `logs/<name>.log`.
        arguments
            After `python -m`.
        lock
            A file that it holds locked as long as it lives.
        """
        with self._lock:
            child = self._children[name] = Child(name, arguments, lock)
            self._spawn(child)
            self._report(time.monotonic(), force=True)

    def ended(self) -> list[str]:
        """List the processes that do not run."""
        with self._lock:
            return [child.name for child in self._children.values() if child.ended]

    def pid(self, name: str) -> int | None:
        """Return the number of a process that runs."""
        with self._lock:
            child = self._children.get(name)
            return child.process.pid if child and child.process and not child.ended else None

    def tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        try:
            lines = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-12:])

    def stop(self) -> None:
        """End all, the first one last: ask each, wait, then kill what is left of its group."""
        self._stopping.set()
        with self._lock:
            processes = [child.process for child in self._children.values() if child.process]
            _end(processes[:0:-1])
            _end(processes[:1])
            self._children.clear()
        with contextlib.suppress(OSError):
            (self._home / FILE).unlink(missing_ok=True)

    def kill(self) -> None:
        """End all at once, without asking."""
        self._stopping.set()
        for child in list(self._children.values()):
            if child.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)

    def _watch(self) -> None:
        reported: dict[str, float] = {}
        while not self._stopping.wait(LOOK_S):
            at = time.monotonic()
            with contextlib.suppress(OSError):  # a full disk: the processes matter more than the file about them
                self.look(at)
            for watch in self._watches:
                try:
                    watch(at)
                except Exception as error:  # noqa: BLE001  whatever it is, the processes are watched on
                    if at - reported.get(repr(error), -AGAIN_S) >= AGAIN_S:
                        self._say(f"watching failed, and is tried again: {type(error).__name__}: {error}")
                        reported[repr(error)] = at

    def look(self, at: float) -> None:
        """Look at every process once, and restart what ended and is due."""
        with self._lock:
            if self._stopping.is_set():
                return
            for child in self._children.values():
                if child.ended:
                    self._mend(child, at)
                elif child.gave_up and at - child.began > WELL_S:
                    child.gave_up = False
                    self._say(f"the {child.name} runs again")
            self._report(at)

    def _mend(self, child: Child, at: float) -> None:
        """Restart a process that ended, now or later."""
        if child.due is None:
            child.failures = 1 if at - child.began >= WELL_S else child.failures + 1
            wait = min(FIRST_WAIT_S * 2 ** (child.failures - 1), LAST_WAIT_S)
            if child.failures >= TRIES:
                wait = GAVE_UP_WAIT_S
                if not child.gave_up:
                    child.gave_up = True
                    self._say(_sign(child, self.tail(child.name), self._logs))
            child.due = at + wait
            self._report(at, force=True)
        if at < child.due:
            return
        if not child.gave_up:
            self._say(f"the {child.name} ended ({_how(child)}): it is started again")
        child.due = None
        child.restarts += 1
        try:
            self._spawn(child)
        except OSError as error:
            child.due = at + LAST_WAIT_S
            self._say(f"the {child.name} cannot be started: {error.strerror or error}")
        self._report(at, force=True)

    def _spawn(self, child: Child) -> None:
        held = [os.open(child.lock, os.O_RDWR | os.O_CREAT, 0o644)] if child.lock else []
        try:
            for number in held:
                _lock(number)
            with (self._logs / f"{child.name}.log").open("ab") as log:
                child.process = subprocess.Popen(
                    [sys.executable, "-m", *child.arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=held,
                )
        finally:
            for number in held:  # the child holds it now: a lock belongs to all who share it
                os.close(number)
        child.began = time.monotonic()

    def _report(self, at: float, *, force: bool = False) -> None:
        """Write how the processes are, at once when something happened, else now and then."""
        if not force and at - self._reported < REPORT_S:
            return
        self._reported = at
        for child in self._children.values():
            _cut(self._logs / f"{child.name}.log")
        content = {
            "up": this_process(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "processes": {child.name: _state(child) for child in self._children.values()},
            **self._facts,
        }
        with contextlib.suppress(OSError):
            atomic_write(self._home / FILE, f"{json.dumps(content, indent=1)}\n".encode())


def read_report(home: Path) -> dict[str, Json]:
    """Read how the processes of the last `aidrug up` were; nothing where none ran or it was stopped."""
    try:
        content: dict[str, Any] = json.loads((home / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return content


def end_leftovers(home: Path) -> list[str]:
    """End what a killed `aidrug up` of this home left running; name it. Only when no other one lives."""
    known = {name: state["process"] for name, state in read_report(home).get("processes", {}).items()}
    left = {name: process for name, process in known.items() if process and alive(process)}
    found = list(_found(left.values()))
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=STOP_S)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for process in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # a code server of its session may linger
    psutil.wait_procs(stubborn, timeout=5)
    (home / FILE).unlink(missing_ok=True)
    return sorted(left)


def _found(names: Iterable[str]) -> Iterator[psutil.Process]:
    for name in names:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(int(name.rsplit(":", 2)[1]))


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    deadline = time.monotonic() + STOP_S
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _lock(number: int) -> None:
    import fcntl

    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _state(child: Child) -> dict[str, Json]:
    running = child.process is not None and not child.ended
    name = name_of(child.process.pid) if running and child.process else None
    memory = 0
    if running and child.process:
        with contextlib.suppress(psutil.Error):
            memory = psutil.Process(child.process.pid).memory_info().rss
    state = "running" if running else "given up" if child.gave_up else "restarting"
    return {"process": name, "state": state, "restarts": child.restarts, "memory_mb": round(memory / 1e6)}


def _cut(log: Path) -> None:
    """Cut a log to its end when it is large; its process appends to it, and continues doing so."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            with log.open("rb") as stream:
                stream.seek(-LOG_KEPT, os.SEEK_END)
                end = stream.read()
            os.truncate(log, 0)
            with log.open("ab") as stream:
                stream.write(end)


def _how(child: Child) -> str:
    code = child.process.returncode if child.process else 0
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _sign(child: Child, tail: str, logs: Path) -> str:
    line = "!" * 78
    return (
        f"\n{line}\n! The {child.name} does not stay up: it ended {child.failures} times in a row ({_how(child)}).\n"
        f"! It is tried again every {GAVE_UP_WAIT_S / 60:.0f} minutes; everything else continues. Its log is "
        f"{logs / child.name}.log:\n{line}\n{tail}\n{line}"
    )
