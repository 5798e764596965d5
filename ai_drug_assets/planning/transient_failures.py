"""Which failures may pass by themselves: their cause is outside the asset that failed."""

from __future__ import annotations

import concurrent.futures
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

OUTSIDE = (OSError, MemoryError, concurrent.futures.BrokenExecutor, EOFError)
"""A disk, a network, memory, a helper process that died."""
LOCKED = ("database is locked", "database table is locked", "disk is full", "disk I/O error", "readonly database")
"""How SQLite says it, through whichever library."""

NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
NO_FILE = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
UNWRITABLE = ("disk is full", "disk I/O error", "readonly database", "unable to open database file")


def is_passing(error: BaseException) -> bool:
    """Return whether an error, or what caused it, may be gone at the next attempt.

    An error of ours says so itself, by an attribute `passing`.

    Examples
    --------
    >>> is_passing(OSError(28, "No space left on device")), is_passing(ValueError("no trees"))
    (True, False)
    """
    return any(_is_outside(each) for each in _causes(error))


def why_no_place(error: BaseException) -> str | None:
    """Say in a few words why nothing can be written, where that is what an error, or its cause, comes from.

    Examples
    --------
    >>> why_no_place(OSError(28, "No space left on device", "/data/x"))
    'No space left on device (/data/x)'
    >>> why_no_place(ValueError("no trees")) is None
    True
    """
    for each in _causes(error):
        if isinstance(each, OSError) and each.errno in NO_PLACE:
            return f"{each.strerror} ({each.filename})" if each.filename else str(each.strerror)
        if isinstance(each, sqlite3.OperationalError) and any(words in str(each) for words in UNWRITABLE):
            return f"a database: {each}"
    return None


def why_no_file(error: BaseException, home: Path) -> str | None:
    """Say which file or folder cannot be used as it was asked for, where no lack of space is what an error comes from.

    Files below `home`, where all state is, are ours: that one of them is lost is our fault, and that none can be
    written is said by `why_no_place`.

    Examples
    --------
    >>> why_no_file(PermissionError(13, "Permission denied", "hits.csv"), Path("/srv/aidrug"))
    'hits.csv: Permission denied: expected a file or folder that is there and that you may use'
    >>> why_no_file(OSError(28, "No space left on device", "hits.csv"), Path("/srv/aidrug")) is None
    True
    """
    for each in _causes(error):
        if isinstance(each, OSError) and each.errno in NO_FILE and isinstance(each.filename, str):
            if Path(each.filename).absolute().is_relative_to(home):
                return None
            return f"{each.filename}: {each.strerror}: expected a file or folder that is there and that you may use"
    return None


def _is_outside(error: BaseException) -> bool:
    if getattr(error, "passing", False) or isinstance(error, OUTSIDE):
        return True
    return any(words in str(error) for words in LOCKED)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
