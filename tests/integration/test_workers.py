"""Two workers behind one address: one version at a time, one count, and a worker that is killed."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from model_zoo.bundles.store import FolderStore, Pointer
from serving.runtime.generation_barrier import GenerationBarrier
from tests.bundle_factory import write
from tests.server_process import running_service

FLIPS = 4


def flip(store: FolderStore, version: str) -> None:
    """Make a version current, whatever was before."""
    store.update_pointer(
        lambda now: Pointer(generation=now.generation, endpoints=now.endpoints).appoint({"a": version}, "test")
    )


async def seen_by(address: str, times: int) -> set[str]:
    """Return the versions that answer requests at the same time."""
    return {version_of(response) for response in await asyncio.gather(*(fresh(address) for _ in range(times)))}


async def fresh(address: str) -> httpx.Response:
    """Ask on a connection of its own, so that either worker may answer."""
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        return await client.post("/v1/predict", json={"smiles": ["CCO"]})


def version_of(response: httpx.Response) -> str:
    """Return which version answered."""
    assert response.status_code == 200, response.text
    return str(response.json()["predictions"][0]["endpoints"]["a"]["champion"])


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the workers."""
    return [child for child in psutil.Process(process.pid).children() if child.status() != psutil.STATUS_ZOMBIE]


def wait(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for something that happens in another process."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def metric(address: str, name: str) -> float:
    """Add up a metric over its labels, as one worker reports it."""
    text = httpx.get(f"{address}/metrics", timeout=30).text
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


@pytest.mark.slow(
    sibling=(
        "test_a_worker_waits_for_those_that_live_and_for_nobody_else",
        "test_workers_end_when_the_process_that_started_them_is_killed",
    )
)
@pytest.mark.timeout(200)
def test_two_workers_serve_one_version_at_a_time_and_survive_a_kill(tmp_path: Path) -> None:
    """After a change was seen once, the old version is not seen again; a killed worker is replaced, even amid swaps."""
    store = FolderStore(tmp_path / "store")
    versions = [store.put_bundle(write(tmp_path / f"b{n}", endpoint="a", value=float(n)).folder) for n in range(2)]
    flip(store, versions[0])

    async def swaps(address: str, process: subprocess.Popen[bytes]) -> None:
        for number in range(1, FLIPS + 1):
            new, old = versions[number % 2], versions[1 - number % 2]
            await asyncio.to_thread(flip, store, new)
            if number == FLIPS // 2:
                children(process)[0].send_signal(signal.SIGKILL)
            until = time.monotonic() + 30
            while True:
                try:
                    seen = await seen_by(address, 4)
                except httpx.TransportError:  # connections of the killed worker
                    continue
                if seen == {new}:
                    break
                assert time.monotonic() < until, "the workers did not follow"
                if number != FLIPS // 2 and new in seen and old in seen:
                    await asyncio.sleep(0.1)  # requests that ran while the workers changed over together
                    seen = await seen_by(address, 6)
                    assert seen == {new}, "one worker went on serving the old version"
                    break

    environment = {"AIDRUG_WORKERS": "2", "AIDRUG_SERVICE_POLL_SECONDS": "0.3"}
    with running_service(tmp_path, tmp_path / "log", **environment) as (address, process):
        wait(lambda: len(children(process)) == 2 and metric(address, "aidrug_generation") == 1)
        before = metric(address, "aidrug_requests_total")
        asyncio.run(swaps(address, process))
        wait(lambda: len(children(process)) == 2)
        after = [metric(address, "aidrug_requests_total") for _ in range(6)]
        asyncio.run(_many(address, 40))
        counted = metric(address, "aidrug_requests_total") - after[-1]

        assert after == sorted(after), "every worker tells the counts of all"
        assert after[0] > before
        assert counted >= 40
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = (tmp_path / "log").read_text()
    assert "another takes its place" in log
    assert log.count("the service has stopped") == 2
    assert "Traceback" not in log


async def _many(address: str, times: int) -> None:
    """Ask many times."""
    for _ in range(times):
        version_of(await fresh(address))


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    """`kill -9` of the parent leaves no worker behind that holds the port."""
    with running_service(tmp_path, tmp_path / "log", AIDRUG_WORKERS="2") as (_, process):
        workers = children(process)
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=30)

    assert len(workers) == 2
    assert alive == []


def test_a_worker_waits_for_those_that_live_and_for_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first table is served at once, a later one with the others; the dead are not waited for."""
    monkeypatch.setattr("serving.runtime.generation_barrier.LONGEST_WAIT_SECONDS", 0.5)
    here, dead = GenerationBarrier(tmp_path / "g", 0, 2), GenerationBarrier(tmp_path / "g", 1, 2)
    child = subprocess.Popen(["sleep", "60"])
    dead._map[16:24] = child.pid.to_bytes(8, "little")
    try:
        began = time.monotonic()
        here.wait(1)
        first = time.monotonic() - began
        here.wait(2)
        waited = time.monotonic() - began - first
    finally:
        child.kill()
        child.wait()
    monkeypatch.setattr("serving.runtime.generation_barrier.LONGEST_WAIT_SECONDS", 60.0)
    here.wait(3)

    assert first < 0.5
    assert waited >= 0.5
