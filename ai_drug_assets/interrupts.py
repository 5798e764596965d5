"""Ctrl-C and SIGTERM, honoured even inside a Dagster run.

While Dagster runs steps in this process it keeps these signals to itself, reports one as the failure of a step and
continues with the next. So the handler is put back around the body of each asset, nothing more is begun once a signal
came, and Dagster's caller asks afterwards whether one did. RDKit puts a SIGINT handler of its own in place while it
works, so that a Ctrl-C may be lost in such a moment and has to be pressed again. Blocking the signals and fetching them
in a thread would avoid that, but Dagster's log capture starts helpers that inherit the blocked signals and then do not
end: 15 s a run (seen).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

STOPPED = 130
"""The exit code of a command that Ctrl-C ended."""


class Interrupted:
    """Whether an interrupt came, and what a second one does before everything ends at once.

    Parameters
    ----------
    at_once
        Ends what this process started and would outlive it.
    """

    def __init__(self, at_once: Callable[[], None] = lambda: None) -> None:
        self.came = False
        self._at_once = at_once

    def note(self, number: int, frame: object) -> NoReturn:
        """Handle a signal: the first is raised here and now, the second ends the process."""
        if self.came:
            self._at_once()
            os._exit(STOPPED)
        self.came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise again the interrupt that came, if any."""
        if self.came:
            raise KeyboardInterrupt


_present: list[Interrupted] = []
"""The one in force; none outside of commands."""


@contextmanager
def interruptible(at_once: Callable[[], None] = lambda: None) -> Iterator[Interrupted]:
    """Treat SIGTERM like Ctrl-C, and Ctrl-C like Ctrl-C even where a background shell had it ignored."""
    outer = _present[-1] if _present else None
    interrupted = outer or Interrupted(at_once)
    _present.append(interrupted)
    try:
        with _handled_by(interrupted):
            yield interrupted
    finally:
        _present.pop()


@contextmanager
def honoured() -> Iterator[None]:
    """Let the body be interrupted although Dagster keeps the signals to itself; nothing is begun once one came.

    Raises
    ------
    KeyboardInterrupt
        When a signal came before, or comes.
    """
    if not _present or threading.current_thread() is not threading.main_thread():
        yield
        return
    _present[-1].check()
    with _handled_by(_present[-1]):
        yield


@contextmanager
def _handled_by(interrupted: Interrupted) -> Iterator[None]:
    before = {number: signal.signal(number, interrupted.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
