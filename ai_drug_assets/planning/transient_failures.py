"""Which failures may pass by themselves: their cause is outside the asset that failed."""

from __future__ import annotations

import concurrent.futures
import errno
import sqlite3
from collections.abc import Iterator

OUTSIDE = (OSError, MemoryError, concurrent.futures.BrokenExecutor, EOFError)
"""A disk, a network, memory, a helper process that died."""
LOCKED = ("database is locked", "database table is locked", "disk is full", "disk I/O error", "readonly database")
"""How SQLite says it, through whichever library."""

NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
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
