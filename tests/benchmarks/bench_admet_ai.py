"""The service beside `admet-ai`, the peer that chemists know: the same molecules, on the same one core, in one run.

Run `python -m tests.benchmarks.bench_admet_ai` from the top of the checkout. It takes some minutes, writes
`tests/benchmarks/results/admet_ai.json`, and prints ratios. What it needs, and says when it is missing:

- `AIDRUG_PEER_PYTHON`, the interpreter of another environment: `python3 -m venv peer`, then
  `peer/bin/pip install torch==2.13.0` (first, so that no GPU build comes along), then
  `peer/bin/pip install "admet-ai[web]==2.0.1"`.
- `AIDRUG_HOME` with the champions of `make run`, for the embedded panel; else that part is left out.
- `AIDRUG_BENCHMARK_FOLDER` with the TDC ADMET sets, for the panel of twenty endpoints; else one on made-up values.
- `AIDRUG_BENCH_CORE`: the core that everything runs on, 0 when not set.

The peer is called in its own process by its own Python API; ours is asked over HTTP and pays for that too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.benchmarks.admet_panel import admet_panel
from tests.benchmarks.bench_service import read, wait_for
from tests.benchmarks.load import at_once, cpu_seconds, load, machine_load, predict
from tests.installed import install_service, megabytes
from tests.real_molecules import drugs
from tests.server_process import ROOT, free_port, running_service

RESULT = Path(__file__).parent / "results" / "admet_ai.json"
PEER = Path(__file__).with_name("admet_ai_peer.py")
SETTING = "AIDRUG_PEER_PYTHON"
SINGLES, BATCH, PART = 100, 1000, 100
STARTS = 3
READY_SECONDS = 60


def molecules() -> dict[str, Any]:
    """Return real drugs within the service's limits: some to ask one by one, others together."""
    texts = [smiles for smiles in drugs() if len(smiles) <= 200 and "." not in smiles]
    return {
        "warm": texts[:32],
        "singles": texts[32 : 32 + SINGLES],
        "batch": texts[32 + SINGLES : 32 + SINGLES + BATCH],
    }


def spread(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return the middle and the slow end of times to an answer."""
    return {f"p{q}_ms": round(float(np.percentile(milliseconds, q)), 2) for q in (50, 99)}


def peer_api(python: str, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Measure the peer's Python API."""
    (folder / "asked.json").write_text(json.dumps(asked))
    result = folder / "peer.json"
    command = (python, str(PEER), "api", str(folder / "asked.json"), str(result))
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{SETTING}: {python} cannot run admet-ai:\n{done.stderr[-2000:]}")
    got = json.loads(result.read_text())
    return {
        "ready_s": round(got["ready_s"], 2),
        "ready_cpu_s": round(got["ready_cpu_s"], 2),
        "single_cpu_ms": round(statistics.mean(got["single_cpu_ms"]), 2),
        **spread(got["single_ms"]),
        "molecules_per_core_second": round(BATCH / got["batch_cpu_s"], 1),
        "memory_mb": round(got["memory_mb"]),
    }


def peer_web(python: str, folder: Path, asked: dict[str, Any]) -> dict[str, int]:
    """Send the peer's page four requests at the same moment, four times."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/"

    def ask(smiles: str) -> bool:
        form = urllib.parse.urlencode({"text-smiles": smiles}).encode()
        try:
            with urllib.request.urlopen(address, data=form, timeout=300) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    with (folder / "web.log").open("wb") as log:
        command = (python, str(PEER), "web", str(port))
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(address)
        alone = ask(asked["warm"][0])
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            answers = [list(threads.map(ask, asked["singles"][4 * n : 4 * n + 4])) for n in range(4)]
    finally:
        process.kill()  # its cleaning thread outlives a polite end
        process.wait()
    return {"alone_failed": int(not alone), "at_once": 16, "at_once_failed": sum(four.count(False) for four in answers)}


def start_once(store: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds, by the clock and of the processor, from the start of the service until it is ready."""
    began = time.perf_counter()
    with running_service(folder, folder / "log", **ours(store)) as (address, process):
        ready_by = time.monotonic() + READY_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{address}/health/ready", timeout=5).close()
                return time.perf_counter() - began, cpu_seconds(process.pid)
            except urllib.error.HTTPError:
                if time.monotonic() > ready_by:
                    raise
                time.sleep(0.02)


def ours(store: Path) -> dict[str, str]:
    """Return the environment of the service."""
    return {"AIDRUG_STORE": str(store), "AIDRUG_RECORD": "off", "OMP_NUM_THREADS": "1"}


async def our_service(store: Path, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Measure the service with one store's champions."""
    starts = [await asyncio.to_thread(start_once, store, folder) for _ in range(STARTS)]
    parts = [asked["batch"][start : start + PART] for start in range(0, BATCH, PART)]
    with running_service(folder, folder / "log", **ours(store)) as (address, process):
        wait_for(f"{address}/health/ready")

        async def ask(requests: Sequence[bytes]) -> dict[str, float]:
            waiting = iter(requests)
            most = len(requests)
            return await load(address, process.pid, lambda: next(waiting), seconds=600, clients=1, most=most)

        await ask([predict(*asked["warm"])])
        singles = await ask([predict(smiles) for smiles in asked["singles"]])
        batch = await ask([predict(*part) for part in parts])
        fresh = iter(asked["warm"] * 2)
        failed_at_once = await at_once(address, lambda: predict(next(fresh)), 64)
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
        endpoints = len(json.loads(await asyncio.to_thread(read, f"{address}/v1/models")))
    return {
        "endpoints": endpoints,
        "ready_s": round(statistics.median(clock for clock, _ in starts), 2),
        "ready_cpu_s": round(statistics.median(cpu for _, cpu in starts), 2),
        "single_cpu_ms": singles["cpu_ms_per_request"],
        "p50_ms": singles["p50_ms"],
        "p99_ms": singles["p99_ms"],
        "molecules_per_core_second": round(PART * batch["requests_per_core_second"], 1),
        "memory_mb": round(memory),
        "failures": int(singles["failures"] + batch["failures"]),
        "sixty_four_at_once_failed": failed_at_once,
    }


def measure(python: str, folder: Path, kept: Path) -> dict[str, Any]:
    """Run everything, one after the other."""
    asked = molecules()
    for part in ("embedded", "twenty"):
        (folder / part).mkdir()
    figures: dict[str, Any] = {"panel": admet_panel(kept), "molecules": {"singles": SINGLES, "batch": BATCH}}
    os.sched_setaffinity(0, {int(os.environ.get("AIDRUG_BENCH_CORE") or 0)})
    embedded = Path(os.environ.get("AIDRUG_HOME") or ROOT / ".aidrug") / "store"
    if (embedded / "current.json").exists():
        figures["embedded"] = asyncio.run(our_service(embedded, folder / "embedded", asked))
    else:
        print(f"LEFT OUT: the embedded panel, for {embedded} holds no champions: `aidrug run` trains them")
    figures["twenty"] = asyncio.run(our_service(kept / "store", folder / "twenty", asked))
    figures["peer"] = peer_api(python, folder, asked)
    figures["peer"]["web"] = peer_web(python, folder, asked)
    prefix = subprocess.run((python, "-c", "import sys; print(sys.prefix)"), capture_output=True, text=True, check=True)
    figures["peer"]["installed_mb"] = round(megabytes(Path(prefix.stdout.strip())))
    install_service(folder / "environment")
    figures["installed_mb"] = round(megabytes(folder / "environment"))
    figures["load"] = machine_load()
    return figures


def main() -> None:
    """Measure, write, and print ratios."""
    python = os.environ.get(SETTING)
    if not python:
        assert __doc__ is not None
        print(f"LEFT OUT: {SETTING} names no interpreter.\n\n{__doc__}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(os.environ.get("AIDRUG_HOME") or ROOT / ".aidrug")
        figures = measure(python, Path(scratch), home / "scratch" / "admet_panel")
    RESULT.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))
    peer = figures["peer"]
    for name in ("embedded", "twenty"):
        if (row := figures.get(name)) is not None:
            times = row["molecules_per_core_second"] / peer["molecules_per_core_second"]
            cheaper = peer["single_cpu_ms"] / row["single_cpu_ms"]
            print(f"{name}: {times:.1f} times the molecules per core, one molecule {cheaper:.1f} times cheaper")


if __name__ == "__main__":
    main()
