"""Memory that the process holds and nobody uses: given back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back_memory() -> None:
    """Return what was freed to the system; nothing where the C library cannot.

    The C library keeps small pieces for the next ones of that size. After a large graph was parsed those are several
    times what is left of it.
    """
    with suppress(OSError, AttributeError):  # of another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
