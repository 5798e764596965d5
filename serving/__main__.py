"""Starts the service: `python -m serving`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Block the signals that end the service, in this thread and all to come, then run it; give its exit status.

    RDKit puts a SIGINT handler of its own in place while it works, and swallows the signal: with a handler, a
    quarter of the interrupts under load were lost. A blocked signal stays pending until `run.py` fetches it.
    """
    # A shell that starts this in the background has SIGINT ignored. RDKit would put that back after its work, and with
    # it the kernel drops a SIGINT that is pending: so it is not ignored, and blocked all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from serving.run import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
