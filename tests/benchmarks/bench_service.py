"""Latency and throughput of the service, alone, under swaps, and against a bare Litestar JSON handler.

Run `python -m tests.benchmarks.bench_service` from the top of the checkout; it takes about a minute and
prints one JSON object. Client and server share the machine's cores: compare figures of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from model_zoo.store import FolderStore, Pointer
from tests.bundle_factory import write
from tests.server_process import ROOT, free_port, running_service

SECONDS = 6.0
CLIENTS = 8
ENDPOINTS = 5
SUBSTITUENTS = (
    "C",
    "CC",
    "Cl",
    "F",
    "OC",
    "N",
    "C#N",
    "C(F)(F)F",
    "C(=O)N",
    "S(C)(=O)=O",
    "OCC",
    "N(C)C",
    "C(=O)O",
    "Br",
)


def molecules() -> Iterator[str]:
    """Give different drug-like molecules, thousands of them."""
    for chain in range(1, 12):
        for a, b, c in itertools.product(SUBSTITUENTS, repeat=3):
            yield f"O=C(N{'C' * chain}c1ccc({a})cc1)c1cc({b})cc({c})n1"


def body(*smiles: str) -> bytes:
    """Give a request for some molecules."""
    content = json.dumps({"smiles": smiles}).encode()
    head = ("POST /v1/predict HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json")
    return "\r\n".join((*head, f"Content-Length: {len(content)}", "", "")).encode() + content


class Figures:
    """What one run of the load saw."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.failures = 0

    def summary(self, seconds: float) -> dict[str, float]:
        """Give requests per second, percentiles in milliseconds and failures."""
        p50, p99 = np.percentile(self.milliseconds, (50, 99))
        return {
            "requests_per_s": round(len(self.milliseconds) / seconds, 1),
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "requests": len(self.milliseconds),
            "failures": self.failures,
        }


async def load(
    address: str, request: Callable[[], bytes], seconds: float = SECONDS, clients: int = CLIENTS
) -> dict[str, float]:
    """Ask again and again on kept connections, each client as fast as it is answered."""
    url = urlsplit(address)
    figures = Figures()
    until = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        while time.perf_counter() < until:
            payload = request()
            start = time.perf_counter()
            try:
                writer.write(payload)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                failed = b" 200 " not in head.split(b"\r\n")[0]
            except (OSError, asyncio.IncompleteReadError):
                figures.failures += 1
                reader, writer = await asyncio.open_connection(url.hostname, url.port)
                continue
            figures.milliseconds.append(1000 * (time.perf_counter() - start))
            figures.failures += failed
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return figures.summary(seconds)


@contextlib.asynccontextmanager
async def swapping(store: FolderStore, generations: list[dict[str, str]], every: float) -> AsyncIterator[list[int]]:
    """Flip the pointer between generations for as long as the context lasts."""
    flips = [0]

    def appoint(pointer: Pointer) -> Pointer:
        return pointer.appoint(generations[flips[0] % 2], "bench")

    async def flip() -> None:
        while True:
            flips[0] += 1
            await asyncio.to_thread(store.update_pointer, appoint)
            await asyncio.sleep(every)

    task = asyncio.create_task(flip())
    try:
        yield flips
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def bare_service() -> Iterator[str]:
    """Run a Litestar application with one JSON handler on the same server."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.bench_service", "--bare", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def serve_bare(port: int) -> None:
    """Serve the bare handler."""
    from granian.constants import Interfaces
    from granian.server.embed import Server
    from litestar import Litestar, post
    from litestar.params import JSONBody

    @post("/v1/predict", status_code=200)
    async def handler(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
        return {"predictions": [{"index": index, "smiles": text} for index, text in enumerate(data["smiles"])]}

    handler.fn.__annotations__ = {"data": JSONBody[dict[str, Any]], "return": dict[str, Any]}
    app = Litestar([handler], logging_config=None, openapi_config=None)
    asyncio.run(Server(app, port=port, interface=Interfaces.ASGI, websockets=False, log_enabled=False).serve())


async def wait_for(address: str) -> None:
    """Wait until an address takes connections."""
    url = urlsplit(address)
    for _ in range(400):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{address} did not answer within 20 s")


async def measure(folder: Path) -> dict[str, Any]:
    """Run every load, one after the other."""
    store = FolderStore(folder / "store")
    generations: list[dict[str, str]] = []
    for bias in (0.0, 1.0):
        versions = {}
        for number in range(ENDPOINTS):
            bundle = write(folder / f"{number}-{bias}", endpoint=f"endpoint_{number}", onnx_bias=bias + number / 10)
            versions[f"endpoint_{number}"] = store.put_bundle(bundle.folder)
        generations.append(versions)
    store.update_pointer(lambda now: now.appoint(generations[0], "bench"))
    fresh = molecules()
    known = body("CC(=O)Oc1ccccc1C(=O)O")
    figures: dict[str, Any] = {"clients": CLIENTS, "endpoints": ENDPOINTS, "seconds": SECONDS}
    with bare_service() as address:
        await wait_for(address)
        await load(address, lambda: known, 1.0)
        figures["bare_litestar"] = await load(address, lambda: known)
    with running_service(folder, folder / "log", AIDRUG_SERVICE_POLL_SECONDS="0.1") as (address, _):
        await load(address, lambda: known, 1.0)
        figures["known_molecule"] = await load(address, lambda: known)
        figures["new_molecules"] = await load(address, lambda: body(next(fresh)))
        figures["one_client_new_molecules"] = await load(address, lambda: body(next(fresh)), clients=1)
        figures["hundred_new_molecules_per_request"] = await load(
            address, lambda: body(*itertools.islice(fresh, 100)), clients=2
        )
        async with swapping(store, generations, 0.25) as flips:
            figures["new_molecules_under_swaps"] = await load(address, lambda: body(next(fresh)))
        figures["new_molecules_under_swaps"]["swaps"] = flips[0]
    figures["ratio_known_to_bare"] = round(
        figures["known_molecule"]["requests_per_s"] / figures["bare_litestar"]["requests_per_s"], 3
    )
    figures["ratio_new_to_bare"] = round(
        figures["new_molecules"]["requests_per_s"] / figures["bare_litestar"]["requests_per_s"], 3
    )
    return figures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", type=int, metavar="PORT", help="serve the bare handler (the script calls itself so)")
    port = parser.parse_args().bare
    if port is not None:
        serve_bare(port)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder))), indent=1))


if __name__ == "__main__":
    main()
