"""Which process this is, and whether another one is still alive.

Belongs here: naming a process so that another one can tell later whether it is gone.
Does not belong here: what is done about its remains (see `upkeep.py`, `tracking.py`).
"""

from __future__ import annotations

import os
import socket

import psutil


def this_process() -> str:
    """Name this process: host, number, and when it began, since numbers are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def alive(process: str) -> bool:
    """Say whether a named process of this host lives; processes of other hosts count as alive."""
    host, pid, created = process.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        found = psutil.Process(int(pid))
        return found.status() != psutil.STATUS_ZOMBIE and abs(found.create_time() - float(created)) < 2
    except psutil.NoSuchProcess:
        return False
