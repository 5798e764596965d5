"""Batch jobs over `kill -9`, with one worker and with two: nothing is lost, nothing is done by two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_zoo.bundles.store import FolderStore
from serving.client import Client
from tests.bundle_factory import publish
from tests.server_process import running_service

ROWS, CHUNK = 800, 25
SMILES = [
    "not a molecule" if number % 7 == 3 else f"{'C' * (number % 23 + 1)}{'OCC' * (number % 11)}N"
    for number in range(ROWS)
]


def submit(address: str) -> str:
    """Submit the job."""
    lines = "id,smiles\n" + "".join(f"m{number},{smiles}\n" for number, smiles in enumerate(SMILES))
    answer = httpx.post(f"{address}/v1/jobs", content=lines, headers={"content-type": "text/csv"}, timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def show(address: str, job: str) -> dict[str, Any]:
    """Show how far it is."""
    answer = httpx.get(f"{address}/v1/jobs/{job}", timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_for(true: Callable[[], Any]) -> None:
    """Wait until something is true."""
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def require_whole(address: str, job: str) -> dict[str, Any]:
    """Wait for the end of the job; its result has every row, in its place, answered by one version."""
    wait_for(lambda: show(address, job)["status"] not in ("queued", "running"))
    info = show(address, job)
    result = httpx.get(f"{address}/v1/jobs/{job}/result?format=ndjson", timeout=60)
    entries = [httpx.Response(200, text=line).json() for line in result.text.splitlines()]
    assert (info["status"], info["done"], info["total"]) == ("done", ROWS, ROWS)
    assert info["failed"] == sum("error" in entry for entry in entries) == SMILES.count("not a molecule")
    assert [entry["columns"]["id"] for entry in entries] == [f"m{number}" for number in range(ROWS)]
    assert [entry["index"] for entry in entries] == list(range(ROWS))
    assert [entry["smiles"] for entry in entries] == SMILES
    used = {estimate["champion"] for entry in entries for estimate in entry.get("endpoints", {}).values()}
    assert used == set(info["champions"].values())
    return info


@contextmanager
def service(home: Path, number: int, **more: str) -> Iterator[tuple[str, Any]]:
    """Run one worker; all of them share a home."""
    environment = {"AIDRUG_JOB_CHUNK_ROWS": str(CHUNK), "AIDRUG_JOB_LEASE_SECONDS": "1", "AIDRUG_CACHE_ENTRIES": "0"}
    with running_service(home, home / f"log{number}", **environment | more) as running:
        yield running


@pytest.mark.timeout(240)
def test_a_killed_job_goes_on_where_it_was_with_the_champion_it_had(tmp_path: Path) -> None:
    """After `kill -9` the next worker repeats at most a chunk, and the first champion answers all rows."""
    store = FolderStore(tmp_path / "store")
    first = publish(store, tmp_path / "first", onnx_bias=0.0)
    with service(tmp_path, 1) as (address, process):
        job = submit(address)
        wait_for(lambda: show(address, job)["done"] >= ROWS // 4)
        before = show(address, job)
        process.kill()
        process.wait()
    written = sorted((tmp_path / "service" / "jobs" / job / "results").glob("*.gz"))
    publish(store, tmp_path / "second", onnx_bias=1.0)
    with service(tmp_path, 2) as (address, _):
        after = show(address, job)
        info = require_whole(address, job)

    assert before["status"] == "running"
    assert before["done"] < ROWS
    assert after["done"] >= before["done"]
    assert len(written) * CHUNK <= after["done"] + CHUNK
    assert info["champions"] == {"solubility_logs": first}


@pytest.mark.slow(sibling="test_hot_swap::test_the_service_stops_when_told_and_finishes_what_it_began")
@pytest.mark.timeout(240)
def test_who_follows_a_job_does_not_keep_the_service_from_stopping(tmp_path: Path) -> None:
    """A signal ends the service while a client follows a job; the client continues with the next service."""
    publish(FolderStore(tmp_path / "store"), tmp_path / "bundle", onnx_bias=0.0)
    counts: list[int] = []
    with service(tmp_path, 1) as (address, process):
        job = submit(address)
        follower = threading.Thread(
            target=lambda: Client(address, retries=20).wait(job, lambda done, *_: counts.append(done))
        )
        follower.start()
        wait_for(lambda: counts)
        process.terminate()
        assert process.wait(30) == 0
    with service(tmp_path, 2, AIDRUG_SERVICE_PORT=address.rsplit(":", 1)[1]):
        follower.join(60)

    assert counts[-1] == ROWS
    assert counts == sorted(counts)


@pytest.mark.slow(sibling="test_a_killed_job_goes_on_where_it_was_with_the_champion_it_had")
@pytest.mark.timeout(240)
def test_two_workers_do_each_row_once_and_one_takes_over(tmp_path: Path) -> None:
    """Two workers on one table never run one job both; when one is killed in the middle, the other ends its job."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", onnx_bias=0.0)
    with service(tmp_path, 1) as (address, process), service(tmp_path, 2) as (other, _):
        jobs = [submit(address), submit(other)]
        wait_for(lambda: all(show(other, job)["done"] > CHUNK for job in jobs))
        process.kill()
        process.wait()
        for job in jobs:
            require_whole(other, job)
    log = (tmp_path / "log2").read_text()

    assert "Traceback" not in log
    assert "failed" not in log
