"""The running service under load: champions change, no request notices."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from model_zoo.bundles.store import FolderStore, Pointer
from tests.bundle_factory import write
from tests.server_process import ROOT, free_port, running_service

CLIENTS = 8
SMILES = ["CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "not a molecule", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"]


def flip(store: FolderStore, versions: dict[str, str]) -> None:
    """Make versions current, whatever was rolled back from before."""
    store.update_pointer(
        lambda now: Pointer(generation=now.generation, endpoints=now.endpoints).appoint(versions, "test")
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "flips", [8, pytest.param(30, marks=pytest.mark.slow(sibling="test_no_request_fails_while_champions_change"))]
)
def test_no_request_fails_while_champions_change(tmp_path: Path, flips: int) -> None:
    """Under concurrent load and many swaps every request succeeds and is answered by exactly one generation."""
    store = FolderStore(tmp_path / "store")
    generations: list[dict[str, str]] = []
    values: dict[str, float] = {}
    for value in (1.0, 2.0):
        versions = {}
        for endpoint in ("a", "b"):
            version = store.put_bundle(write(tmp_path / f"{endpoint}{value}", endpoint=endpoint, value=value).folder)
            versions[endpoint], values[version] = version, value
        generations.append(versions)
    flip(store, generations[0])
    whole = [tuple(sorted(versions.items())) for versions in generations]
    seen: Counter[Any] = Counter()
    stop = asyncio.Event()

    async def ask(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            response = await client.post("/v1/predict", json={"smiles": SMILES})
            assert response.status_code == 200, response.text
            predictions = response.json()["predictions"]
            assert [entry["smiles"] for entry in predictions] == SMILES
            for entry in predictions:
                if entry["smiles"] == "not a molecule":
                    assert entry["error"]["code"] == "invalid-smiles"
                    continue
                answered = entry["endpoints"]
                served = tuple(sorted((name, got["champion"]) for name, got in answered.items()))
                assert served in whole, "one answer mixes two generations"
                assert all(got["value"] == values[got["champion"]] for got in answered.values())
            versions = {got["champion"] for entry in predictions for got in entry.get("endpoints", {}).values()}
            assert len(versions) == 2, "one answer comes from more than one version of an endpoint"
            seen[served] += 1

    async def swap(client: httpx.AsyncClient) -> None:
        for number in range(1, flips + 1):
            await asyncio.to_thread(flip, store, generations[number % 2])
            until = time.monotonic() + 10
            while (await client.get("/health/ready")).json()["generation"] < number + 1:
                assert time.monotonic() < until, "the service did not follow the pointer"
                await asyncio.sleep(0.02)
        stop.set()

    async def load(address: str) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            await asyncio.gather(swap(client), *(ask(client) for _ in range(CLIENTS)))

    with running_service(tmp_path, tmp_path / "log", AIDRUG_SERVICE_POLL_SECONDS="0.05") as (address, _):
        asyncio.run(load(address))

    assert set(seen) == set(whole)
    assert min(seen.values()) > flips
    assert (tmp_path / "log").read_text().count("Traceback") == 0


def busy_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time that a process has used: how a request is known to be under way."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(
            signal.SIGINT, marks=pytest.mark.slow(sibling="test_the_service_stops_when_told_and_finishes_what_it_began")
        ),
    ],
)
def test_the_service_stops_when_told_and_finishes_what_it_began(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the service within seconds, with status 0, after the answer under way."""
    store = FolderStore(tmp_path / "store")
    version = store.put_bundle(write(tmp_path / "bundle", onnx_bias=0.0).folder)
    flip(store, {"solubility_logs": version})

    async def ask_and_stop(address: str, process: subprocess.Popen[bytes]) -> int:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            smiles = ["C1CC(N)CCC1" * 14 + "C" * tail for tail in range(1, 40)] * 6
            before = busy_seconds(process)
            request = asyncio.create_task(client.post("/v1/predict", json={"smiles": smiles}))
            while busy_seconds(process) < before + 0.05 and not request.done():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.005)
            assert not request.done(), "the request was answered before the signal: make it longer"
            process.send_signal(number)
            return (await request).status_code

    with running_service(tmp_path, tmp_path / "log") as (address, process):
        assert httpx.get(f"{address}/health/ready").status_code == 200
        assert asyncio.run(ask_and_stop(address, process)) == 200
        assert process.wait(10) == 0
    assert "the service has stopped" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"AIDRUG_SERVICE_PORT": "http"}, "AIDRUG_SERVICE_PORT: expected"),
        pytest.param(
            {"AIDRUG_STORE": "gs://x/y"},
            "AIDRUG_STORE: expected",
            marks=pytest.mark.slow(sibling="test_a_wrong_setting_ends_with_one_line"),
        ),
    ],
)
def test_a_wrong_setting_ends_with_one_line(tmp_path: Path, environment: dict[str, str], says: str) -> None:
    """A setting that makes no sense is reported in one line, with status 2."""
    result = _run(tmp_path, environment)

    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_ends_with_one_line(tmp_path: Path) -> None:
    """A port that somebody else uses is reported in one line, with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = _run(tmp_path, {"AIDRUG_SERVICE_PORT": str(taken.getsockname()[1])})

    assert result.returncode == 1
    assert "AIDRUG_SERVICE_PORT" in result.stderr
    assert "Traceback" not in result.stderr


def _run(home: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AIDRUG_HOME": str(home),
            "AIDRUG_SERVICE_PORT": str(free_port()),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
