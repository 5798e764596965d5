"""`aidrug up` as a user meets it: real processes, real ports, a real commit."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.checkout_copy import CheckoutCopy


@contextmanager
def up(copy: CheckoutCopy) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run `aidrug up` until it says that it runs; give the process and its output."""
    output = copy.folder / "up.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            copy.command("up"), cwd=copy.folder, env=copy.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(lambda: "Ctrl-C stops everything" in output.read_text() or process.poll() is not None, "up")
        assert process.poll() is None, output.read_text()
        yield process, output
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=15)
        for child in alive:
            child.kill()
        assert not alive, f"still running after Ctrl-C: {[child.cmdline() for child in alive]}"


def wait_for(true: Callable[[], Any], what: str, patience_s: float = 600) -> None:
    """Wait until something is true: from a commit to its champion takes two minutes, beside another test over three."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"waited {patience_s} s for {what}"
        time.sleep(0.5)


def champion(copy: CheckoutCopy) -> str:
    """Ask the running service which version answers."""
    address = f"http://127.0.0.1:{copy.service_port}/v1/predict"
    request = urllib.request.Request(address, b'{"smiles": ["CCCO"]}', {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["predictions"][0]["endpoints"]["toy"]["champion"])


@pytest.mark.slow(
    sibling=(
        "test_sensor::test_a_new_revision_is_loaded_and_launches_nothing",
        "test_automation::test_code_change_requests_that_model_then_the_judging",
        "test_hot_swap::test_no_request_fails_while_champions_change",
    )
)
@pytest.mark.timeout(1800)
def test_a_commit_retrains_the_changed_model_and_the_service_follows(tmp_path: Path) -> None:
    """`up` prints addresses and a prediction; a commit is noticed, one model retrains, its champion serves; a comment
    changes nothing; Ctrl-C ends every process; the next `up` trains nothing.
    """
    copy = CheckoutCopy(tmp_path / "checkout")
    copy.commit()
    with up(copy) as (_, output):
        text = output.read_text()
        assert f"http://127.0.0.1:{copy.ui_port}" in text
        assert f"http://127.0.0.1:{copy.service_port}" in text
        assert re.search(r"toy +-?\d+\.\d\d atoms +rf-", text)
        assert copy.trainings() == {"naive": 1, "rf": 1}
        before = champion(copy)

        copy.edit("model_zoo/models/rf.py", "CHECKED_ROWS = 256", "CHECKED_ROWS = 255")
        copy.commit()
        wait_for(lambda: champion(copy) != before, "the new champion")
        assert copy.trainings() == {"naive": 1, "rf": 2}

        after = champion(copy)
        copy.edit("model_zoo/models/rf.py", "CHECKED_ROWS = 255", "CHECKED_ROWS = 255  # rows to check")
        sha = copy.commit()
        loaded = f"revision {sha[:12]} is new: the code is loaded"
        wait_for(lambda: loaded in output.read_text(), "the revision with a comment")
        time.sleep(20)  # one evaluation of the automation
        assert copy.trainings() == {"naive": 1, "rf": 2}
        assert champion(copy) == after
    with up(copy) as (_, output):
        assert "nothing is stale, nothing trained" in output.read_text()
    assert copy.trainings() == {"naive": 1, "rf": 2}


def test_a_taken_port_is_said_and_nothing_starts(tmp_path: Path) -> None:
    """A port that is taken is one clear sentence that names the setting, before anything starts."""
    copy = CheckoutCopy(tmp_path / "checkout")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", copy.ui_port))
        taken.listen()

        message = copy.aidrug("up", code=1)

    assert f"port {copy.ui_port} is taken" in message
    assert "AIDRUG_UI_PORT=" in message
    assert not (copy.home / "ledger").exists()
