"""What the service costs and endures, against a bare Litestar handler and `mlflow models serve`, in one run.

Run `python -m tests.benchmarks.bench_service` from the top of the checkout; it takes a few minutes and writes
`tests/benchmarks/results/service.json`, of which `python -m tests.benchmarks.performance_report` makes
`docs/performance.md`.
Client and server share the machine's cores, so times to an answer say little; processor time per request says more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from model_zoo.bundles.store import FolderStore, Pointer
from tests.benchmarks.load import (
    ROUNDS,
    Figures,
    at_once,
    cpu_seconds,
    least_disturbed,
    load,
    machine_load,
    molecules,
    post,
    predict,
)
from tests.bundle_factory import write
from tests.server_process import ROOT, free_port, running_service

RESULT = Path(__file__).parent / "results" / "service.json"
SECONDS = 8.0
CLIENTS = 32
ENDPOINTS = 5
MANY_ENDPOINTS = 20
SWAPS = 100
TREES = 200
FEATURES = ("morgan_count", "avalon_count", "erg", "rdkit_descriptors")
UNBATCHED = "import serving.inference.batches as b; b.LARGEST_BATCH = 1; from serving.__main__ import main; main()"


class Panel:
    """A store with champions to ask."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, FolderStore(folder / "store")

    def add(self, endpoint: str, **options: Any) -> str:
        """Publish a champion; give its version."""
        bundle = write(self.folder / f"{endpoint}-{len(list(self.folder.iterdir()))}", endpoint=endpoint, **options)
        made = self.store.put_bundle(bundle.folder)
        self.store.update_pointer(lambda now: now.appoint({endpoint: made}, "bench"))
        return made


def catboost_panel(folder: Path, endpoints: int) -> Panel:
    """Make the heaviest champions: one CatBoost model on fingerprints and all 217 descriptors, under many names."""
    from model_zoo.featurizers import featurize
    from model_zoo.models import catboost
    from tests.bundle_factory import training_molecules

    panel = Panel(folder)
    smiles = random.Random(1).sample(list(molecules()), 400)
    X = featurize(FEATURES, training_molecules(smiles))
    y = X[:, :1000].sum(axis=1)
    config = catboost.Config(task="regression", seed=1, iterations=TREES)
    saved = folder / "model"
    saved.mkdir()
    catboost.train(X, (y - y.mean()) / y.std(), config).save(saved)
    for number in range(endpoints):
        panel.add(f"endpoint_{number:02d}", model_folder=saved, features=FEATURES, trained_on=smiles)
    return panel


def linear_panel(folder: Path, endpoints: int = ENDPOINTS) -> Panel:
    """Make light champions: linear graphs over a few descriptors."""
    panel = Panel(folder)
    for number in range(endpoints):
        panel.add(f"endpoint_{number:02d}", onnx_bias=number / 10)
    return panel


@contextlib.contextmanager
def python(log: Path, *command: str) -> Iterator[int]:
    """Run Python for as long as the context lasts; give its process."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # MLflow calls uvicorn
            },
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process.pid
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(30)


def wait_for(url: str, seconds: float = 180) -> None:
    """Wait until an address answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def read(url: str) -> str:
    """Return what an address answers."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def serve_bare(port: int) -> None:
    """Serve a Litestar application of one JSON handler: the most that the framework can do."""
    from granian.constants import Interfaces
    from granian.server.embed import Server
    from litestar import Litestar, get
    from litestar import post as litestar_post
    from litestar.params import JSONBody

    @litestar_post("/v1/predict", status_code=200)
    async def handler(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
        return {"predictions": [{"index": index, "smiles": text} for index, text in enumerate(data["smiles"])]}

    @get("/health/live")
    async def live() -> dict[str, str]:
        return {}

    handler.fn.__annotations__ = {"data": JSONBody[dict[str, Any]], "return": dict[str, Any]}
    live.fn.__annotations__ = {"return": dict[str, str]}
    app = Litestar([handler, live], logging_config=None, openapi_config=None)
    asyncio.run(Server(app, port=port, interface=Interfaces.ASGI, websockets=False, log_enabled=False).serve())


def save_for_mlflow(bundle: Path, folder: Path) -> None:
    """Save one of our bundles as an MLflow model that takes a column of SMILES."""
    import mlflow.pyfunc

    code = folder.parent / "bundle_model.py"
    code.write_text(
        "import mlflow\nfrom pathlib import Path\nfrom model_zoo.bundles.reader import load_bundle\n"
        "from model_zoo.chemistry.molecules import parse_molecule\n\n\n"
        "class BundleModel(mlflow.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n"
        "        self.bundle = load_bundle(Path(context.artifacts['bundle']))\n\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        texts = model_input['smiles']\n"
        "        read = [parse_molecule(text, self.bundle.manifest.standardise) for text in texts]\n"
        "        return self.bundle.predict(read).value.tolist()\n\n\n"
        "mlflow.models.set_model(BundleModel())\n"
    )
    mlflow.pyfunc.save_model(folder, python_model=str(code), artifacts={"bundle": str(bundle)}, pip_requirements=[])


@contextlib.asynccontextmanager
async def swapping(panel: Panel, versions: list[str], every: float) -> AsyncIterator[list[int]]:
    """Flip one endpoint's pointer between two versions for as long as the context lasts."""
    flips = [0]

    def appoint(now: Pointer) -> Pointer:
        return now.appoint({"endpoint_00": versions[flips[0] % 2]}, "bench")

    async def flip() -> None:
        while flips[0] < SWAPS:
            flips[0] += 1
            await asyncio.to_thread(panel.store.update_pointer, appoint)
            await asyncio.sleep(every)

    task = asyncio.create_task(flip())
    try:
        yield flips
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def our_service(folder: Path, fresh: Iterator[str]) -> dict[str, Any]:
    """Measure the service on light champions: known and new molecules, batched and not, under swaps."""
    figures: dict[str, Any] = {}
    panel = linear_panel(folder)
    second = panel.add("endpoint_00", onnx_bias=9.0)
    versions = [panel.add("endpoint_00", onnx_bias=0.0), second]

    async def ask(
        address: str, process: int, request: Callable[[], bytes], clients: int, seconds: float = SECONDS
    ) -> Figures:
        return await least_disturbed(address, process, request, clients=clients, seconds=seconds)

    def new() -> bytes:
        return predict(next(fresh))

    environment = {"AIDRUG_SERVICE_POLL_SECONDS": "0.05", "AIDRUG_RECORD": "off"}
    with running_service(folder, folder / "log", **environment) as (address, process):
        await ask(address, process.pid, lambda: predict("CCO"), CLIENTS, seconds=1.0)
        figures["known_molecule"] = await ask(address, process.pid, lambda: predict("CCO"), CLIENTS)
        figures["new_molecules"] = await ask(address, process.pid, new, CLIENTS)
        figures["new_molecules_one_client"] = await ask(address, process.pid, new, 1)
        figures["hundred_new_molecules_per_request"] = await ask(
            address, process.pid, lambda: predict(*itertools.islice(fresh, 100)), 2
        )
        figures["sixty_four_at_once_failures"] = await at_once(address, new, 64)
        calm = await load(address, process.pid, lambda: predict("CCO", "CCN"), clients=CLIENTS, seconds=SECONDS)
        async with swapping(panel, versions, 0.15) as flips:
            swaps = await load(
                address, process.pid, lambda: predict("CCO", "CCN"), clients=CLIENTS, seconds=SWAPS * 0.2
            )
        figures["no_swaps"], figures["under_swaps"] = calm, {**swaps, "swaps": flips[0]}
        text = await asyncio.to_thread(read, f"{address}/metrics")
        seen = [line for line in text.splitlines() if line.startswith('aidrug_swaps_total{endpoint="endpoint_00"}')]
        figures["under_swaps"]["swaps_served"] = int(float(seen[0].split()[-1])) if seen else 0
    with running_service(folder, folder / "log", ("-c", UNBATCHED), **environment) as (address, process):
        await ask(address, process.pid, new, CLIENTS, seconds=1.0)
        figures["new_molecules_unbatched"] = await ask(address, process.pid, new, CLIENTS)
    return figures


async def panels(folder: Path, fresh: Iterator[str]) -> dict[str, Any]:
    """Measure a fingerprint-only champion, and the whole panel of the heaviest kind of champion."""
    figures: dict[str, Any] = {}
    light = Panel(folder / "light")
    light.folder.mkdir()
    light.add("endpoint_00", value=1.0)
    heavy = folder / "heavy"
    heavy.mkdir()
    catboost_panel(heavy, MANY_ENDPOINTS)
    for name, home in (("fingerprint_only", light.folder), ("catboost_20_endpoints", heavy)):
        with running_service(home, home / "log", AIDRUG_RECORD="off") as (address, process):
            wait_for(f"{address}/health/ready")
            started = cpu_seconds(process.pid)
            await load(address, process.pid, lambda: predict(next(fresh)), seconds=3.0, clients=CLIENTS)
            for clients, suffix in ((CLIENTS, ""), (1, "_one_client")):
                figures[name + suffix] = await least_disturbed(
                    address, process.pid, lambda: predict(next(fresh)), seconds=SECONDS, clients=clients
                )
            figures[name]["start_cpu_s"] = round(started, 2)
            figures[name]["memory_mb"] = round(psutil.Process(process.pid).memory_full_info().uss / 1e6)
    return figures


async def against_mlflow(folder: Path, fresh: Iterator[str]) -> dict[str, Any]:
    """Ask one CatBoost champion through our service and through `mlflow models serve`, new molecules, a row each."""
    panel = catboost_panel(folder, 1)
    figures: dict[str, Any] = {}
    with running_service(folder, folder / "log", AIDRUG_RECORD="off") as (address, process):
        await load(address, process.pid, lambda: predict(next(fresh)), seconds=1.0, clients=16)
        figures["ours_same_model"] = await least_disturbed(
            address, process.pid, lambda: predict(next(fresh)), seconds=SECONDS, clients=16
        )
    saved = folder / "mlflow_model"
    save_for_mlflow(next((panel.folder / "store" / "bundles" / "endpoint_00").iterdir()), saved)
    port = free_port()
    command = ("-m", "mlflow", "models", "serve", "-m", str(saved), "--env-manager", "local", "-w", "1", "-p")
    with python(folder / "mlflow.log", *command, str(port)) as server:
        wait_for(f"http://127.0.0.1:{port}/ping")

        def row() -> bytes:
            return post("/invocations", {"dataframe_split": {"columns": ["smiles"], "data": [[next(fresh)]]}})

        await load(f"http://127.0.0.1:{port}", server, row, seconds=1.0, clients=16)
        figures["mlflow_same_model"] = await least_disturbed(
            f"http://127.0.0.1:{port}", server, row, seconds=2 * SECONDS, clients=16
        )
    return figures


async def measure(folder: Path, *, with_mlflow: bool) -> dict[str, Any]:
    """Run every load, one after the other."""
    fresh = molecules()
    figures: dict[str, Any] = {}
    port = free_port()
    with python(folder / "bare.log", "-m", "tests.benchmarks.bench_service", "--bare", str(port)) as process:
        wait_for(f"http://127.0.0.1:{port}/health/live")
        for seconds in (1.0, SECONDS):
            figures["bare_litestar"] = await load(
                f"http://127.0.0.1:{port}", process, lambda: predict("CCO"), seconds=seconds, clients=CLIENTS
            )
    parts = (our_service, panels, against_mlflow) if with_mlflow else (our_service, panels)
    for part in parts:
        home = folder / part.__name__
        home.mkdir()
        figures |= await part(home, fresh)
    return figures


def main() -> None:
    """Measure, write and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", type=int, metavar="PORT", help="serve the bare handler (the script calls itself so)")
    parser.add_argument("--without-mlflow", action="store_true", help="leave `mlflow models serve` out")
    options = parser.parse_args()
    if options.bare is not None:
        serve_bare(options.bare)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(Path(folder), with_mlflow=not options.without_mlflow))
    content = {
        "cores": len(os.sched_getaffinity(0)),
        "clients": CLIENTS,
        "load": machine_load(),
        "rounds": ROUNDS,
        "versions": {name: version(name) for name in ("litestar", "granian", "rdkit", "onnxruntime", "mlflow")},
        "figures": figures,
    }
    RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
