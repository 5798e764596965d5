"""Ctrl-C and SIGTERM, honoured even inside a Dagster run and while RDKit works.

Belongs here: the one context manager that notices them.

Dagster reports a KeyboardInterrupt inside a step as that step's failure and goes on; whoever runs Dagster in its own
process has to remember that it was interrupted. And RDKit puts a SIGINT handler of its own in place while it works,
which swallows the signal (of 16 interrupts sent to the service under load, 4 were lost). So the signals are blocked,
and a thread fetches them.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LISTEN_S = 0.2


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
    """Treat SIGTERM like Ctrl-C, and Ctrl-C like Ctrl-C even where a background shell had it ignored.

    Use it in the main thread. Processes started inside inherit blocked signals: start them with `unblocked`.
    """
    interrupted = Interrupted()
    done = threading.Event()

    def note(number: int, frame: object) -> None:
        interrupted.came = True
        raise KeyboardInterrupt

    def listen() -> None:
        while not done.is_set():
            if signal.sigtimedwait(SIGNALS, LISTEN_S) is not None:
                _thread.interrupt_main()

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    handlers = {number: signal.signal(number, note) for number in SIGNALS}
    listener = threading.Thread(target=listen, name="interrupts", daemon=True)
    listener.start()
    try:
        yield interrupted
    finally:
        done.set()
        listener.join()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def unblocked() -> None:
    """Let a process that is being started hear signals again; for `Popen(preexec_fn=unblocked)`."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
