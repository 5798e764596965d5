"""Several processes that serve one address.

The kernel spreads connections over the workers (SO_REUSEPORT). They share nothing but files: the store, keys,
allowances, counts, and which generation each has loaded. A worker ends when this process does, however it ended: each
holds one end of a pipe, and notices when nobody holds the other.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from serving.settings import LIFELINE, MULTIPROCESS, SHARED, WORKER, Settings

SIGNALS = {signal.SIGINT, signal.SIGTERM}
LOOK_SECONDS = 0.1
STOP_SECONDS = 30.0
SHORT_LIFE_SECONDS = 5.0
MOST_SHORT_LIVES = 5
"""Workers that may die young, one after the other, before all is given up."""
CONFIG_FAULT = 2
logger = logging.getLogger(__name__)


class _Worker:
    """One place among the workers, and the process that fills it."""

    def __init__(self, number: int, shared: Path, lifeline: int) -> None:
        self._environment = {
            **os.environ,
            WORKER: str(number),
            SHARED: str(shared),
            LIFELINE: str(lifeline),
            MULTIPROCESS: str(shared / "metrics"),
        }
        self._lifeline, self._metrics = lifeline, shared / "metrics"
        self.number, self.short_lives = number, 0
        self.start()

    def start(self) -> None:
        """Start the process."""
        self._since = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serving"], env=self._environment, pass_fds=[self._lifeline]
        )

    def bury(self) -> None:
        """Note that the process is dead."""
        mark_process_dead(self.process.pid, str(self._metrics))  # type: ignore[no-untyped-call]
        young = time.monotonic() - self._since < SHORT_LIFE_SECONDS
        self.short_lives = self.short_lives + 1 if young else 0


def supervise(settings: Settings) -> int:
    """Run the service's workers until SIGINT or SIGTERM, which must be blocked in every thread.

    Returns
    -------
    int
        0 after a signal, 2 when a worker finds a setting that makes no sense, 1 when workers keep dying.
    """
    assert settings.folder is not None
    shared = settings.folder / f"workers-{settings.port}"
    shutil.rmtree(shared, ignore_errors=True)
    (shared / "metrics").mkdir(parents=True)
    reading, writing = os.pipe()
    workers = [_Worker(number, shared, reading) for number in range(settings.workers)]
    result = 0
    signals = _StopSignals()
    while not signals.once.wait(LOOK_SECONDS):
        for worker in workers:
            code = worker.process.poll()
            if code is None:
                continue
            worker.bury()
            if code == CONFIG_FAULT or worker.short_lives >= MOST_SHORT_LIVES:
                result = code if code == CONFIG_FAULT else 1
                break
            logger.error("worker %d ended with status %d: another takes its place", worker.number, code)
            worker.start()
        if result:
            break
    _end(workers, signals)
    os.close(writing)
    shutil.rmtree(shared, ignore_errors=True)
    return result


class _StopSignals:
    """How often a signal has come."""

    def __init__(self) -> None:
        self.once, self.twice = threading.Event(), threading.Event()
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def _wait(self) -> None:
        for event in (self.once, self.twice):
            signal.sigwait(SIGNALS)
            event.set()


def _end(workers: list[_Worker], signals: _StopSignals) -> None:
    """End every worker: with its running requests answered; by force after a second signal or a time limit."""
    for worker in workers:
        worker.process.terminate()
    until = time.monotonic() + STOP_SECONDS
    while any(worker.process.poll() is None for worker in workers):
        if signals.twice.wait(LOOK_SECONDS) or time.monotonic() > until:
            for worker in workers:
                worker.process.kill()
                worker.process.wait()
