"""How often a caller may ask, counted together by all worker processes.

The generic cell rate algorithm keeps one number per caller, the time at which its allowance is full again
(`theoretical arrival time`): a burst of the whole allowance, then a steady rate. The numbers lie in a small
file that every worker maps into memory, a place per caller found by hash; when all places of a hash are
taken, the one that has been full longest is given away. The clock is the machine's since its start, so
that setting its time changes nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PLACES = 4096
NEIGHBOURS = 8
"""Places in which a caller may be found."""
_PLACE = struct.Struct("=16sd")


@dataclass(frozen=True)
class Allowance:
    """What is left to a caller."""

    limit: int
    remaining: int
    """`limit` and `remaining`: requests per minute, and how many may follow at once."""
    reset_seconds: float
    """Until the allowance is whole again."""
    retry_seconds: float
    """Until the next request is allowed; zero when this one was."""


class RateLimit:
    """The allowances of all callers.

    Examples
    --------
    >>> rates = RateLimit(2)
    >>> [rates.take("caller").remaining for _ in range(2)]
    [1, 0]
    >>> rates.take("caller").retry_seconds > 0, rates.take("other").retry_seconds
    (True, 0.0)
    """

    def __init__(self, per_minute: int, path: Path | None = None) -> None:
        self.per_minute = per_minute
        self._interval = 60.0 / per_minute
        size = PLACES * _PLACE.size
        if path is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the map
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        if os.fstat(self._file.fileno()).st_size != size:
            os.ftruncate(self._file.fileno(), size)
        self._map = mmap.mmap(self._file.fileno(), size)

    def take(self, caller: str) -> Allowance:
        """Count one request of a caller and return what is left."""
        digest = hashlib.blake2b(caller.encode(), digest_size=16).digest()
        now = time.monotonic()
        with _Locked(self._file.fileno()):
            place, full_at = self._find(digest, now)
            # More than a whole allowance ahead was left by a machine that has been started again since.
            full_at = now if full_at > now + 60.0 + self._interval else max(full_at, now)
            ahead = full_at + self._interval - now
            if ahead > 60.0 + 1e-9:
                return Allowance(self.per_minute, 0, full_at - now, ahead - 60.0)
            _PLACE.pack_into(self._map, place, digest, full_at + self._interval)
        return Allowance(self.per_minute, int((60.0 - ahead) / self._interval + 1e-9), ahead, 0.0)

    def _find(self, digest: bytes, now: float) -> tuple[int, float]:
        """Return a caller's place and number, or the place it may have and the present."""
        start = int.from_bytes(digest[:8], "little")
        best, oldest = 0, float("inf")
        for step in range(NEIGHBOURS):
            place = (start + step) % PLACES * _PLACE.size
            owner, full_at = _PLACE.unpack_from(self._map, place)
            if owner == digest:
                return place, full_at
            if full_at < oldest:
                best, oldest = place, full_at
        return best, now


class _Locked:
    """The file's lock; a process that dies lets go of it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        fcntl.lockf(self._handle, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.lockf(self._handle, fcntl.LOCK_UN)
