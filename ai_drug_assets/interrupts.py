"""Ctrl-C and SIGTERM, honoured even inside a Dagster run.

Belongs here: the one context manager that notices them.

Dagster reports a KeyboardInterrupt inside a step as that step's failure and goes on; whoever runs Dagster in its own
process has to remember that it was interrupted. RDKit puts a SIGINT handler of its own in place while it works, so that
a Ctrl-C may be lost in such a moment and has to be pressed again. Blocking the signals and fetching them in a thread
would mend that, but Dagster's log capture starts helpers that inherit the blocked signals and then do not end: 15 s a
run (seen).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted:
    """Whether an interrupt came."""

    def __init__(self) -> None:
        self.came = False

    def check(self) -> None:
        """Raise again the interrupt that came, if any.

        Raises
        ------
        KeyboardInterrupt
            When one came.
        """
        if self.came:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupted]:
    """Treat SIGTERM like Ctrl-C, and Ctrl-C like Ctrl-C even where a background shell had it ignored."""
    interrupted = Interrupted()

    def note(number: int, frame: object) -> None:
        interrupted.came = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
