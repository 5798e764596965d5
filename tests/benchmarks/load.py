"""Load on a service, and what it cost: requests on kept connections, and the processor time of the server.

Belongs here: asking, timing, reading a process tree's processor time.
Does not belong here: what is asked of whom (see `bench_service.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import psutil

SUBSTITUENTS = (
    "C", "CC", "Cl", "F", "OC", "N", "C#N", "C(F)(F)F", "C(=O)N", "S(C)(=O)=O", "OCC", "N(C)C", "C(=O)O", "Br",
)  # fmt: skip
LINKS = ("O=C(N{})", "O=S(=O)(N{})", "N({})", "O({})")
ROUNDS = 4
Figures = dict[str, float]


def molecules() -> Iterator[str]:
    """Yield different drug-like molecules, a hundred and twenty thousand of them."""
    for chain, link in itertools.product(range(1, 12), LINKS):
        for a, b, c in itertools.product(SUBSTITUENTS, repeat=3):
            yield f"{link.format('C' * chain + f'c1ccc({a})cc1')}c1cc({b})cc({c})n1"


def post(path: str, body: object) -> bytes:
    """Return the bytes of a request with a JSON body."""
    content = json.dumps(body).encode()
    head = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json")
    return "\r\n".join((*head, f"Content-Length: {len(content)}", "", "")).encode() + content


def predict(*smiles: str) -> bytes:
    """Return a request for a prediction of some molecules."""
    return post("/v1/predict", {"smiles": smiles})


def machine_load() -> dict[str, float]:
    """Say how busy the machine was in the last quarter of an hour: processes that wanted a core, and cores."""
    return {"processes": round(os.getloadavg()[2], 1), "cores": os.cpu_count() or 1}


def cpu_seconds(process: int) -> float:
    """Return the processor time that a process and its children have used."""
    root = psutil.Process(process)
    return sum(sum(each.cpu_times()[:2]) for each in (root, *root.children(recursive=True)))


async def load(
    address: str, process: int, request: Callable[[], bytes], *, seconds: float, clients: int, most: int | None = None
) -> Figures:
    """Ask again and again, each client as fast as it is answered.

    Parameters
    ----------
    process
        The server, whose processor time is read.
    most
        Requests after which to end, before the time is over.

    Returns
    -------
    dict
        Requests, failures, milliseconds of processor time per request, requests per second of one whole core, and the
        50th and 99th percentile of the time to an answer, in milliseconds.
    """
    url = urlsplit(address)
    times: list[float] = []
    failures = 0
    until = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        while time.perf_counter() < until and (most is None or len(times) < most):
            begun = time.perf_counter()
            try:
                writer.write(request())
                head = await reader.readuntil(b"\r\n\r\n")
                await _rest(reader, head.lower())
                failures += b" 200 " not in head.split(b"\r\n")[0]
            except (OSError, asyncio.IncompleteReadError):
                failures += 1
                reader, writer = await asyncio.open_connection(url.hostname, url.port)
            times.append(1000 * (time.perf_counter() - begun))
        writer.close()

    before = cpu_seconds(process)
    await asyncio.gather(*(client() for _ in range(clients)))
    used = cpu_seconds(process) - before
    p50, p99 = np.percentile(times, (50, 99))
    return {
        "requests": len(times),
        "failures": failures,
        "cpu_ms_per_request": round(1000 * used / len(times), 3),
        "requests_per_core_second": round(len(times) / used, 1),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
    }


async def least_disturbed(
    address: str, process: int, request: Callable[[], bytes], *, seconds: float, clients: int
) -> Figures:
    """Load in rounds; give the round that took the least processor time, with the failures of all.

    What else runs on a machine can only add to the processor time of a request, by what it drives out of the caches.
    """
    rounds = [await load(address, process, request, seconds=seconds / ROUNDS, clients=clients) for _ in range(ROUNDS)]
    best = min(rounds, key=lambda each: each["cpu_ms_per_request"])
    return {**best, "failures": sum(each["failures"] for each in rounds)}


async def _rest(reader: asyncio.StreamReader, head: bytes) -> None:
    """Read a body by its length, or in chunks."""
    if b"content-length: " in head:
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        await reader.readexactly(size + 2)
    await reader.readexactly(2)


async def at_once(address: str, request: Callable[[], bytes], clients: int) -> int:
    """Send requests at the same moment on connections of their own; give how many failed."""
    url = urlsplit(address)

    async def one() -> bool:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        await _rest(reader, head.lower())
        writer.close()
        return b" 200 " in head.split(b"\r\n")[0]

    return (await asyncio.gather(*(one() for _ in range(clients)))).count(False)
