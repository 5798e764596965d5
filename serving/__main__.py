"""Starts the service: `python -m serving`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys

HELP = """Serves predictions of the champions in a bundle store over HTTP, until SIGINT or SIGTERM.

Its settings are environment variables; docs/operating.md lists all of them. Those that are set most often:

  AIDRUG_HOME                               folder of everything that it keeps (.aidrug in the checkout)
  AIDRUG_STORE                              bundle store: a folder, or s3://bucket/prefix (store in AIDRUG_HOME)
  AIDRUG_SERVICE_HOST, AIDRUG_SERVICE_PORT  address to listen on (127.0.0.1, 8000)
  AIDRUG_WORKERS                            processes that share the port (1)
"""


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


def end(status: int) -> None:
    """End at once, with everything written: threads that compute are not waited for.

    The interpreter would end such a thread as it comes back from the code of a library. Where that code is C++, the
    process aborts ("terminate called without an active exception"), and a service that ended well counts as crashed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    argparse.ArgumentParser(
        usage="python -m serving [--help] (settings are environment variables)",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    end(main())
