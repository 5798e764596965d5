"""The service's processes for chemistry, killed while two workers answer and champions change; and its end."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from model_zoo.bundles.store import FolderStore, Pointer
from tests.bundle_factory import write
from tests.server_process import running_service

SMILES = ["CCO" * length for length in range(18, 30)]
KILLS = 6


def chemistry(service: int) -> list[psutil.Process]:
    """Return the processes for chemistry of all workers."""
    found = []
    for each in psutil.Process(service).children(recursive=True):
        try:
            if "chemistry_worker" in " ".join(each.cmdline()):
                found.append(each)
        except psutil.Error:  # it ended meanwhile
            continue
    return found


def ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, also where nobody has asked for its status yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_killed_processes_and_new_champions_cost_no_answer(tmp_path: Path) -> None:
    """Each molecule is answered, in its place, by one champion's own value; when the service ends, nothing is left."""
    store = FolderStore(tmp_path / "store")
    bundles = [write(tmp_path / str(value), endpoint="a", value=value).folder for value in (1.0, 2.0)]
    values = {store.put_bundle(folder): value for folder, value in zip(bundles, (1.0, 2.0), strict=True)}
    versions, rng = list(values), random.Random(7)

    def flip(number: int) -> None:
        version = versions[number % 2]
        store.update_pointer(
            lambda now: Pointer(generation=now.generation, endpoints=now.endpoints).appoint({"a": version}, "test")
        )

    async def ask(address: str, number: int, done: asyncio.Event) -> int:
        answered = 0
        while not done.is_set() or not answered:
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:  # either worker may answer
                wanted = [f"{text}{'C' * (answered * 4 + number)}" for text in SMILES]
                response = await client.post("/v1/predict", json={"smiles": wanted})
            assert response.status_code == 200, response.text
            entries: list[dict[str, Any]] = response.json()["predictions"]
            assert [entry["smiles"] for entry in entries] == wanted
            assert len({entry["endpoints"]["a"]["champion"] for entry in entries}) == 1
            assert all(
                entry["endpoints"]["a"]["value"] == values[entry["endpoints"]["a"]["champion"]] for entry in entries
            )
            answered += 1
        return answered

    async def disturb(service: int, done: asyncio.Event) -> int:
        killed = 0
        while killed < KILLS:
            await asyncio.sleep(rng.uniform(0.05, 0.4))
            for each in chemistry(service)[:1]:
                each.kill()
                killed += 1
                flip(killed)
        done.set()
        return killed

    async def go(address: str, service: int) -> None:
        done = asyncio.Event()
        counts = await asyncio.gather(*(ask(address, number, done) for number in range(4)), disturb(service, done))
        assert counts[-1] == KILLS

    flip(0)
    with running_service(tmp_path, tmp_path / "log", AIDRUG_WORKERS="2", AIDRUG_SERVICE_POLL_SECONDS="0.05") as (
        address,
        process,
    ):
        while httpx.get(f"{address}/health/ready").status_code != 200:
            time.sleep(0.05)
        asyncio.run(go(address, process.pid))
        left = chemistry(process.pid)
        process.terminate()
        assert process.wait(30) == 0
    until = time.monotonic() + 20
    while not all(map(ended, left)):
        assert time.monotonic() < until, "a process for chemistry outlived the service"
        time.sleep(0.05)
    assert left
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert SMILES[0] not in log
