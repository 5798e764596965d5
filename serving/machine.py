"""How much memory and how many processors this process may use: the machine's, or less in a container.

Belongs here: the limits of control groups, in both versions of Linux's, by the files that the kernel shows.
Does not belong here: what anybody makes of it (see `settings.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

OWN = Path("/proc/self/cgroup")
"""Which groups this process is in; absent where the system is not Linux."""
GROUPS = Path("/sys/fs/cgroup")
"""Where groups are mounted, in a container with its own one as the root."""


def memory_bytes(own: Path = OWN, groups: Path = GROUPS) -> int:
    """Return the memory that this process may use, in bytes: the machine's, or the lowest limit of its groups.

    Parameters
    ----------
    own, groups
        Where the groups of this process, and their limits, are read.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder, version in _folders("memory", own, groups):
        limits += _numbers(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes"))[:1]
    return min(limit for limit in limits if limit > 0)


def processors(own: Path = OWN, groups: Path = GROUPS) -> int:
    """Return how many processors may work for this process at once: those it may run on, or the quota of its groups.

    Parameters
    ----------
    own, groups
        Where the groups of this process, and their quotas, are read.
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    for folder, version in _folders("cpu", own, groups):
        names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        match [number for name in names for number in _numbers(folder / name)]:
            case [quota, period] if quota > 0 and period > 0:
                limits.append(-(-quota // period))  # part of a processor is one
    return min(limits)


def _folders(controller: str, own: Path, groups: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folders of the groups that bound a process, the innermost first, with the version of each.

    A path may be that of the host, where nothing is mounted in a container: then the root is the container's own group.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top, inside = groups / controller if names else groups, PurePosixPath(path.lstrip("/"))
        if ".." in inside.parts:  # a group beside the root of this namespace
            inside = PurePosixPath()
        for group in (inside, *inside.parents):
            yield top / group, 1 if names else 2


def _numbers(file: Path) -> list[int]:
    """Return the numbers of a limit; none where there is no limit, or it cannot be read."""
    try:
        return [int(word) for word in file.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):  # no such file, `max`
        return []
