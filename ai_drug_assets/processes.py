"""Which process this is, and whether another one is still alive."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil


def cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def use_cores(numbers: list[int]) -> None:
    """Keep this process, and every thread that a library starts in it, to these cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, numbers)
    from threadpoolctl import threadpool_limits

    threadpool_limits(len(numbers))  # libraries that counted the cores before


OVER_S = 15.0
BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> str:
    """Name this process: host, number, and when it began, since numbers are used again."""
    return name_of(os.getpid())


def name_of(pid: int) -> str:
    """Name a process of this host as `this_process` does; one that is gone has begun at no time.

    Examples
    --------
    >>> name_of(os.getpid()) == this_process()
    True
    """
    try:
        return f"{socket.gethostname()}:{pid}:{_began(pid)}"
    except psutil.NoSuchProcess:
        return f"{socket.gethostname()}:{pid}:0"


def alive(process: str) -> bool:
    """Return whether a named process of this host lives; processes of other hosts count as alive."""
    host, pid, began = process.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        found = psutil.Process(int(pid))
        return found.status() != psutil.STATUS_ZOMBIE and _is_same(began, int(pid))
    except psutil.NoSuchProcess:
        return False


def _began(pid: int) -> str:
    """Say when a process began: in ticks since this machine did, which nobody sets, as people set its clock.

    Where the system does not report it, in seconds since 1970.
    """
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return f"{psutil.Process(pid).create_time():.0f}"
    return f"{_boot()}.{ticks}"


@cache
def _boot() -> str:
    return BOOT.read_text(encoding="ascii")[:8] if BOOT.exists() else "boot"


def _is_same(began: str, pid: int) -> bool:
    if "." not in began and began.isdecimal():  # as it was written before, or on a system that reports only that
        return abs(psutil.Process(pid).create_time() - float(began)) < 2
    return began == _began(pid)


def is_held(lock: Path) -> bool:
    """Return whether some process holds a lock right now."""
    try:
        with lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def hold_for_ever(lock: Path) -> bool:
    """Hold a lock until this process ends, whatever program it becomes; give whether it was free."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        return False
    os.set_inheritable(number, True)  # noqa: FBT003  its own signature
    return True


@cache
def end_with_parent() -> None:
    """End this process when the one that started it through `multiprocessing` is gone, however that ended.

    A training that nobody waits for any more would continue for minutes, and hold its memory and its lock.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="end_with_parent", daemon=True).start()


def end_when(over: Callable[[], bool], every_s: float = OVER_S) -> None:
    """End this process when what it works for is over, and it has not noticed at the look after.

    A cancelled run waits for the library that trains: until its call comes back nothing of Python is interrupted.
    """

    def watch() -> None:
        times = 0
        while times < 2:
            time.sleep(every_s)
            with suppress(Exception):  # a database that is locked, say
                times = times + 1 if over() else 0
        os._exit(1)

    threading.Thread(target=watch, name="end_when", daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    wait([parent.sentinel])
    os._exit(1)


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Hold a lock that dies with its process; another process that asks for it waits."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
