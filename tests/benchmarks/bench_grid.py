"""How everything grows with the number of endpoints: planning, loading, making, serving.

Run `python -m tests.benchmarks.bench_grid 5 20 50 --write`. Every endpoint has 200 rows, and `naive`, `rf` and `xgb` of
20 trees; three are trained, the others are copies of their files under other names (see `grid_project.py`). Each figure
is processor time of a process of its own unless its name says otherwise, so that a busy machine changes it little. The
law is the exponent of the growth between the two largest sizes: 0 does not grow, 1 grows with the number, 2 with its
square.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.grid_project import Grid, make_grid
from tests.benchmarks.growth import table
from tests.benchmarks.load import Figures, cpu_seconds, load, machine_load, molecules, predict
from tests.server_process import ROOT, running_service

RESULT = Path(__file__).parent / "results" / "grid.json"
WORKERS = 2
SIZES = (5, 20, 50)
LOAD = """
import json, re, time
import dagster, ai_drug_assets.definitions as module
began = time.process_time()
repository = module.defs().get_repository_def()
for name in ("all_assets", "retraining"):
    repository.get_job(name)
loaded = time.process_time() - began
print(json.dumps([loaded, int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1000]))
"""
PART = """
import inspect, json, time
import dagster, ai_drug_assets.definitions as module
knows = "only" in inspect.signature(module.build_defs).parameters
began = time.process_time()
defs = module.build_defs(only={"trained_model__endpoint_000__xgb"}) if knows else module.build_defs()
defs.get_repository_def().get_job("retraining")
print(json.dumps(time.process_time() - began))
"""
MAKE = """
import json, time
from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.execution.making import Maker
from ai_drug_assets.planning.catalog import current_signature, load_catalog
from ai_drug_assets.settings import Settings
settings = Settings.from_env()
catalog = load_catalog(settings)
key = "trained_model/endpoint_000/xgb"
current_signature(catalog, key)
began = time.process_time()
current_signature(catalog, key)
check = time.process_time() - began
with open_instance(settings) as instance:
    maker = Maker(catalog, instance, lambda *done: None)
    keys = ["leaderboard/endpoint_000"]
    made = maker.make(keys)
    assert made == {keys[0]: None}, made
    began = time.process_time()
    for _ in range(3):
        maker.make(keys)
print(json.dumps([check, (time.process_time() - began) / 3]))
"""
LOOK = """
import json, statistics, time
import dagster as dg
from ai_drug_assets.automation import automation_sensor
from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.settings import Settings
settings = Settings.from_env()
sensor, cursor, looks = automation_sensor(load_catalog(settings)), None, []
with open_instance(settings) as instance:
    for _ in range(6):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            began = time.process_time()
            result = sensor(context)
            looks.append(time.process_time() - began)
        cursor = result.cursor
print(json.dumps(1000 * statistics.median(looks[2:])))
"""


def measure(folder: Path, endpoints: int) -> Figures:
    """Measure everything at one size."""
    grid = make_grid(folder, endpoints)
    figures: Figures = {}
    figures["plan_s"] = _command(grid, "-m", "ai_drug_assets", "plan")
    figures["run_s"] = _command(grid, "-m", "ai_drug_assets", "run")
    figures["load_s"], figures["load_mb"] = _python(grid, LOAD)
    figures["part_s"] = _python(grid, PART)
    figures["check_s"], figures["asset_s"] = _python(grid, MAKE)
    figures["tick_ms"] = _python(grid, LOOK)
    return figures | asyncio.run(_serving(grid, endpoints))


def _command(grid: Grid, *arguments: str) -> float:
    """Run Python; give its processor time in seconds."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=grid.environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def _python(grid: Grid, code: str) -> Any:
    environment = {**grid.environment, "DAGSTER_HOME": str(grid.folder / "home" / "dagster")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


async def _serving(grid: Grid, endpoints: int) -> Figures:
    figures: Figures = {}
    fresh = molecules()
    environment = {"AIDRUG_RECORD": "off", "AIDRUG_WORKERS": str(WORKERS), "AIDRUG_REQUEST_SECONDS": "300"}
    environment |= {"AIDRUG_BATCH_SECONDS": "120"}  # what is asked is measured, however slow, by earlier revisions too
    began = time.perf_counter()
    home = grid.folder / "home"
    with running_service(home, grid.folder / "service.log", **environment) as (address, process):
        await asyncio.to_thread(_until_all_serve, address, endpoints)
        figures["ready_clock_s"] = time.perf_counter() - began
        workers = psutil.Process(process.pid).children(recursive=True) or [psutil.Process(process.pid)]
        figures["ready_s"] = cpu_seconds(process.pid) / WORKERS
        await asyncio.to_thread(_until_calm, process.pid)
        figures["replayed_s"] = cpu_seconds(process.pid) / WORKERS
        figures |= _memory(workers)
        one = lambda: predict(next(fresh))  # noqa: E731
        await load(address, process.pid, one, seconds=120, clients=1, most=4)
        figures["one_ms"] = (await load(address, process.pid, one, seconds=120, clients=1, most=10))[
            "cpu_ms_per_request"
        ]
        many = lambda: predict(*itertools.islice(fresh, 256))  # noqa: E731
        done = await load(address, process.pid, many, seconds=300, clients=1, most=2)
        if done["failures"]:
            raise RuntimeError(f"{done['failures']} requests of 256 molecules failed")
        figures["of_256_ms"] = done["cpu_ms_per_request"] / 256
        figures["used_mb"] = _memory(workers)["uss_mb"]
        figures["page_kb"] = await asyncio.to_thread(_page, address)
    return figures


def _until_all_serve(address: str, endpoints: int) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/health/ready", timeout=20) as answer:
                if len(json.load(answer)["endpoints"]) == endpoints:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the service is not ready after 300 s")


def _until_calm(process: int) -> None:
    """Wait until a service has nothing left to do."""
    used = -1.0
    while (now := cpu_seconds(process)) - used > 0.1:
        used = now
        time.sleep(3)


def _memory(workers: list[psutil.Process]) -> Figures:
    """Return the mean of a worker's memory, in MB."""
    usage = [worker.memory_full_info() for worker in workers]
    return {
        f"{kind}_mb": sum(getattr(each, kind) for each in usage) / len(usage) / 1e6 for kind in ("uss", "pss", "rss")
    }


def _page(address: str) -> float:
    body = b"smiles=CC%28%3DO%29Oc1ccccc1C%28%3DO%29O"
    request = urllib.request.Request(f"{address}/", body, {"Content-Type": "application/x-www-form-urlencoded"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return len(answer.read()) / 1000


def main() -> None:
    """Measure and print; `--write` keeps the figures under a name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=list(SIZES), help="numbers of endpoints, ascending")
    parser.add_argument("--folder", type=Path, help="where the project is made and kept; a temporary one when omitted")
    parser.add_argument("--write", choices=("before", "now"), help="keep the figures under this name")
    options = parser.parse_args()
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            figures[str(size)] = measure(options.folder or Path(scratch) / "grid", size)
            print(size, json.dumps(figures[str(size)]), flush=True)
            if options.write:  # after each size: a run of hours that is cut off leaves what it measured
                _keep(options.write, figures)
    print("\n".join(table(figures)))


def _keep(name: str, figures: dict[str, Figures]) -> None:
    content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    known = content.get(name, {}).get("figures", {})
    content[name] = {
        "load": machine_load(),
        "workers": WORKERS,
        "versions": {name: version(name) for name in ("dagster", "onnxruntime", "rdkit")},
        "figures": {**known, **figures},
    }
    RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
