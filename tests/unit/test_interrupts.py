"""Interrupts are never lost."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ai_drug_assets.interrupts import interruptible, unblocked


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


def test_a_handler_of_another_library_swallows_nothing() -> None:
    """A signal that comes while a library has replaced the handler behind Python's back interrupts all the same."""
    ignore = ctypes.c_void_p(1)  # SIG_IGN, set by C as RDKit sets its own handler
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    with interruptible() as interrupted:
        theirs = libc.signal(int(signal.SIGINT), ignore)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            wait()
        libc.signal(int(signal.SIGINT), ctypes.c_void_p(theirs))
        assert interrupted.came


def test_a_started_process_hears_signals() -> None:
    """A process started inside ends on SIGTERM, as its blocked parent would not let it by itself."""
    with interruptible():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=unblocked)  # noqa: PLW1509
        time.sleep(0.5)
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM


def test_everything_is_as_before_afterwards() -> None:
    """Handlers and mask are put back."""
    handler, mask = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with interruptible(), interruptible():
        pass
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
