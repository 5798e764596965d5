"""Interrupts are noticed, and remembered."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ai_drug_assets.interrupts import interruptible


def wait() -> None:
    """Do nothing for some seconds, in small steps."""
    for _ in range(100):
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_and_is_remembered(number: signal.Signals) -> None:
    """SIGINT and SIGTERM both raise KeyboardInterrupt in the main thread, and are remembered when it is swallowed."""
    with interruptible() as interrupted:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        with pytest.raises(KeyboardInterrupt):
            wait()
        with pytest.raises(KeyboardInterrupt):
            interrupted.check()


def test_everything_is_as_before_afterwards() -> None:
    """Handlers are put back."""
    before = signal.getsignal(signal.SIGINT)
    with interruptible(), interruptible():
        pass
    assert signal.getsignal(signal.SIGINT) is before
