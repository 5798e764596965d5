"""The service as a process of its own, for tests that need a real socket.

Belongs here: starting it on a free port of this machine, and stopping it for sure.
Does not belong here: what a test asks of it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """Find a port of the loopback address that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Return whether something answers there, and no error."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def running_service(
    home: Path,
    log: Path,
    command: Sequence[str] = ("-m", "serving"),
    python: Path = Path(sys.executable),
    folder: Path = ROOT,
    /,
    **environment: str,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run `python -m serving`, or another command, in a folder; yield its address and process once it answers.

    Raises
    ------
    RuntimeError
        When it does not answer within 60 seconds.
    """
    port = int(environment.get("AIDRUG_SERVICE_PORT") or free_port())
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [python, *command],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(folder),
                "AIDRUG_HOME": str(home),
                "AIDRUG_STORE": "",
                "AIDRUG_SERVICE_PORT": str(port),
                **environment,
            },
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while not _answers(f"{address}/health/live"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the service did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)
        yield address, process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
