"""Batch jobs: rows per second against single requests, memory at a tenth and at the end, `kill -9` in the middle.

Run `python -m tests.benchmarks.bench_jobs` from the top of the checkout; it takes a few minutes, prints one JSON
object and puts it into `tests/benchmarks/results/jobs.json`, a run per number of rows. `--rows 1000000` makes it a job
of a million rows; `--distinct 1000` lets its molecules come again and again, and be remembered, so that what is
measured is the handling of rows and not of molecules (ten minutes). Client and server share the machine's
cores: compare figures of one run only.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from model_zoo.bundles.store import FolderStore
from model_zoo.io.digests import file_digest
from serving.client import Client
from serving.client.answers import Job
from tests.benchmarks.load import cpu_seconds, machine_load
from tests.bundle_factory import publish
from tests.server_process import running_service

RESULT = Path(__file__).parent / "results" / "jobs.json"
ENDPOINTS = 5
SINGLES = 300
CORES = ("c1ccc({})cc1C(=O)N{}", "c1cc({})ncc1OC{}", "C1CN({})CCC1S(=O)(=O){}", "c1c({})sc2c1CCN(C2){}")
SIDES = ("C", "CC", "Cl", "F", "OC", "N", "C#N", "C(F)(F)F", "C(=O)N", "OCC", "N(C)C", "C(=O)O", "Br", "CCC", "C1CC1")


def molecules() -> Iterator[str]:
    """Yield different drug-like molecules, more than a million of them."""
    for chain in itertools.count(1):
        for core, a, b, c, d in itertools.product(CORES, SIDES, SIDES, SIDES, SIDES):
            yield core.format(f"{'C' * chain}N({a})c1ccc({b})cc1", f"c1cc({c})cc({d})c1")


class Memory:
    """Watches the memory of a process, in megabytes."""

    def __init__(self, pid: int) -> None:
        self._process, self.peak, self._on = psutil.Process(pid), 0.0, True
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self._on:
            try:
                self.peak = max(self.peak, self._process.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                return
            time.sleep(0.1)

    def stop(self) -> None:
        """Watch no longer."""
        self._on = False


def write_upload(path: Path, rows: int, distinct: int) -> None:
    """Write a CSV of rows, of which so many are different molecules."""
    some = itertools.cycle(itertools.islice(molecules(), distinct)) if distinct < rows else molecules()
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "smiles"])
        writer.writerows((f"m{number}", smiles) for number, smiles in enumerate(itertools.islice(some, rows)))


def singles(address: str, number: int, skip: int) -> tuple[float, list[float]]:
    """Send molecules one by one on one connection; give molecules per second and milliseconds each."""
    milliseconds = []
    with httpx.Client(base_url=address, timeout=120) as client:
        for smiles in itertools.islice(molecules(), skip, skip + number):
            began = time.perf_counter()
            assert client.post("/v1/predict", json={"smiles": [smiles]}).status_code == 200
            milliseconds.append(1000 * (time.perf_counter() - began))
    return 1000 * number / sum(milliseconds), milliseconds


def spread(milliseconds: list[float]) -> dict[str, float]:
    """Return the middle and the slow end."""
    return {f"p{q}": round(float(np.percentile(milliseconds, q)), 1) for q in (50, 99)}


def wait_for(client: Client, job: Job, rows: int) -> Job:
    """Wait until so many rows are done."""
    while (now := client.job(job)).done < rows and not now.over:
        time.sleep(0.2)
    return now


def measure(folder: Path, rows: int, distinct: int) -> dict[str, Any]:
    """Run everything once."""
    store = FolderStore(folder / "store")
    for number in range(ENDPOINTS):
        publish(store, folder / f"bundle{number}", endpoint=f"endpoint_{number}", onnx_bias=float(number))
    upload = folder / "rows.csv"
    write_upload(upload, rows, distinct)
    figures: dict[str, Any] = {"rows": rows, "distinct": min(rows, distinct), "endpoints": ENDPOINTS}
    environment = {"AIDRUG_JOB_LEASE_SECONDS": "2", "AIDRUG_JOB_ROWS": str(rows)}
    with running_service(folder, folder / "log", **environment) as (address, process):
        client = Client(address, timeout_seconds=600)
        if distinct < rows:  # a job is not remembered: requests are
            client.predict(list(itertools.islice(molecules(), distinct)))
        singles(address, 50, skip=900_000)  # the first requests warm the service up
        rate, alone = singles(address, SINGLES, skip=1_000_000)
        memory = Memory(process.pid)
        began = time.perf_counter()
        job = client.submit_file(upload)
        figures["seconds_to_accept"] = round(time.perf_counter() - began, 2)
        figures["peak_mb_at_acceptance"] = round(memory.peak)
        began, used = time.perf_counter(), cpu_seconds(process.pid)
        wait_for(client, job, rows // 10)
        figures["peak_mb_at_10_percent"] = round(memory.peak)
        beside = singles(address, SINGLES, skip=1_100_000)[1]
        assert client.wait(job).status == "done"
        seconds = time.perf_counter() - began
        figures["cpu_ms_per_row"] = round(1000 * (cpu_seconds(process.pid) - used) / (rows + SINGLES), 3)
        figures["peak_mb_at_100_percent"] = round(memory.peak)
        began = time.perf_counter()
        client.download(job, folder / "result.csv")
        figures["download_rows_per_second"] = round(rows / (time.perf_counter() - began))
        figures["peak_mb_after_download"] = round(memory.peak)
        memory.stop()
        figures["rows_per_second"] = round(rows / seconds, 1)
        figures["single_requests_per_second"] = round(rate, 1)
        figures["rows_per_single_request"] = round(rows / seconds / rate, 2)
        figures["single_ms_alone"], figures["single_ms_beside_the_job"] = spread(alone), spread(beside)
        print(json.dumps(figures), file=sys.stderr)  # the rest takes as long again
        second = client.submit_file(upload)
        before = wait_for(client, second, rows // 2).done
        process.kill()
        process.wait()
    with running_service(folder, folder / "log2", **environment) as (address, process):
        client = Client(address, timeout_seconds=600)
        if distinct < rows:
            client.predict(list(itertools.islice(molecules(), distinct)))
        memory = Memory(process.pid)
        figures["killed"] = {"rows_before": before, "rows_found_after": client.job(second).done}
        figures["killed"]["rows_in_result"] = client.wait(second).done
        memory.stop()
        figures["killed"]["peak_mb_at_100_percent"] = round(memory.peak)
    figures["killed"]["same_result_as_undisturbed"] = stored(folder, job) == stored(folder, second)
    return figures


def stored(folder: Path, job: Job) -> dict[str, str]:
    """Return the digest of every part of a job's result; what was half written when the service was killed is none."""
    parts = sorted((folder / "service" / "jobs" / job.id / "results").glob("*.gz"))
    return {part.name: file_digest(part) for part in parts}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the job")
    parser.add_argument("--distinct", type=int, default=10_000_000, help="how many of them are different molecules")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.rows, options.distinct)
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    kept[str(options.rows)] = {**figures, "load": machine_load()}
    RESULT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
