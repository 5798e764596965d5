"""Whether this machine's clock was set back while somebody watched."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP_S = 5.0
"""Smaller corrections of the clock are made all the time, and delay a look by as much."""


class ClockWatch:
    """Compares the clock with one that nobody sets.

    Examples
    --------
    >>> shown = iter([1000.0, 1002.0, 404.0])
    >>> watch = ClockWatch(lambda: next(shown))
    >>> [watch.set_back_by(at) for at in (10.0, 12.0, 14.0)]
    [0.0, 0.0, 600.0]
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._apart: float | None = None

    def set_back_by(self, at: float) -> float:
        """Return the seconds by which it was set back since the last call; 0 where it was not, and at the first.

        Parameters
        ----------
        at
            The time by a clock that never goes back, in seconds.
        """
        before, self._apart = self._apart, self._clock() - at
        if before is None or before - self._apart <= JUMP_S:
            return 0.0
        return before - self._apart
