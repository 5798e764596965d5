"""What a neighbour of an attacker notices, and what connections cost that are only held.

Run `python -m tests.benchmarks.bench_attack [--rounds 5] [--seconds 5] [--held 5000]`. Each round measures an innocent
client, who asks for one new molecule after the other, on the same process: alone, beside attackers, and beside as many
processes as there are cores that only compute, at the priority of hard chemistry, and never talk to the service: what
the machine's cores cost their other users. The machine's other work falls on all three. Attackers send molecules that
nobody makes, up to the limits: cages, lattices, ladders, dendrimers, polymers, and ask for explanations. Figures are
written into `results/attack.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import networkx as nx
import psutil
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from serving.inference.priority import give_way
from tests.benchmarks.load import load, machine_load, molecules, post, predict
from tests.bundle_factory import publish
from tests.server_process import running_service

REQUESTS = 80
"""Of one attacker: with eight of them, eleven thousand molecules."""
RESULT = Path(__file__).parent / "results" / "attack.json"
HALF = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"


def carbons(graph: nx.Graph) -> str:
    """Write a graph as a SMILES, each node a carbon."""
    mol = Chem.RWMol()
    place = {node: mol.AddAtom(Chem.Atom(6)) for node in graph.nodes}
    for first, second in graph.edges:
        mol.AddBond(place[first], place[second], Chem.BondType.SINGLE)
    return str(Chem.MolToSmiles(mol, doRandom=True))


def hostile(rng: random.Random) -> str:
    """Return a molecule at or beyond some limit, another each time."""
    size = rng.randrange(10, 140)
    makers: tuple[Callable[[], str], ...] = (
        lambda: carbons(nx.random_regular_graph(3, size // 2 * 2, seed=rng.randrange(10**6))),
        lambda: carbons(nx.random_regular_graph(4, max(6, size // 2), seed=rng.randrange(10**6))),
        lambda: carbons(nx.hexagonal_lattice_graph(1 + size // 20, 1 + size // 25)),
        lambda: carbons(nx.grid_2d_graph(3, size // 3)),
        lambda: carbons(nx.circular_ladder_graph(max(3, size // 2))),
        lambda: carbons(nx.balanced_tree(rng.choice((2, 3)), 4)),
        lambda: carbons(nx.gnm_random_graph(size // 4, size // 3, seed=rng.randrange(10**6))),
        lambda: "N[C@@H](C)C(=O)" * (size // 5) + "O",
        lambda: "CCO" * (size // 3) + "C" * rng.randrange(9),
        lambda: "c1ccccc1" * (size // 6) + "C" * rng.randrange(9),
    )
    return rng.choice(makers)()


def attacks(seed: int, count: int) -> list[bytes]:
    """Make requests of hostile molecules, many at a time, and for explanations; beforehand, since it takes a while."""
    rng = random.Random(seed)
    made = []
    for _ in range(count // 2):
        made.append(post("/v1/predict", {"smiles": [hostile(rng) for _ in range(32)]}))
        made.append(
            post("/v1/predict", {"smiles": [hostile(rng) for _ in range(4)], "include": ["explanation", "alerts"]})
        )
    return made


def attack(address: str, process: int, seconds: float, requests: Sequence[Sequence[bytes]]) -> None:
    """Attack with a client for each list of requests."""

    async def everyone() -> None:
        sources = (itertools.cycle(own) for own in requests)
        await asyncio.gather(
            *(load(address, process, source.__next__, seconds=seconds, clients=1) for source in sources)
        )

    asyncio.run(everyone())


def beside(
    address: str, process: int, seconds: float, requests: Sequence[Sequence[bytes]], fresh: Iterator[str]
) -> dict[str, float]:
    """Measure the innocent client, beside attackers in another process, so that it does not read their answers."""
    attackers = multiprocessing.get_context("fork").Process(
        target=attack, args=(address, process, seconds + 1, requests)
    )
    attackers.start()
    time.sleep(0.5)
    innocent = asyncio.run(load(address, process, lambda: predict(next(fresh)), seconds=seconds, clients=1))
    attackers.join()
    return innocent


def compute() -> None:
    """Compute for ever, and give way as hard chemistry does."""
    give_way()
    while True:
        sum(range(1000))


def beside_computing(address: str, process: int, seconds: float, fresh: Iterator[str]) -> dict[str, float]:
    """Measure the innocent client beside processes that have nothing to do with the service."""
    others = [multiprocessing.get_context("fork").Process(target=compute) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.start()
    try:
        return beside(address, process, seconds, (), fresh)
    finally:
        for other in others:
            other.kill()
            other.join()


def memory(process: int) -> int:
    """Return what a service and its processes have in memory of their own, in bytes."""
    root = psutil.Process(process)
    return sum(int(each.memory_full_info().uss) for each in (root, *root.children(recursive=True)))


def held(address: str, process: int, count: int, seconds: float, fresh: Iterator[str]) -> dict[str, float]:
    """Hold connections, silent ones and halves of requests, while sixty-four clients are at work."""
    url = urlsplit(address)
    connections = []
    for number in range(count):
        connection = socket.create_connection((url.hostname, url.port), timeout=10)
        if number % 10 == 0:
            connection.sendall(HALF)
        connections.append(connection)
    try:
        made = asyncio.run(load(address, process, lambda: predict(next(fresh)), seconds=seconds, clients=64))
    finally:
        for connection in connections:
            connection.close()
    return {"held": count, **made}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--held", type=int, default=5000)
    parser.add_argument("--attackers", type=int, default=8)
    asked = parser.parse_args()
    fresh = itertools.chain(molecules())
    rounds = []
    made = [attacks(number, REQUESTS) for number in range(asked.attackers)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        features = ("morgan_count", "avalon_count", "rdkit_descriptors")
        publish(FolderStore(home / "store"), home / "bundle", features=features, explained=True)
        with running_service(home, home / "log", AIDRUG_RECORD="off") as (address, server):
            beside(address, server.pid, 1.0, (), fresh)
            before = memory(server.pid)
            for _ in range(asked.rounds):
                alone = beside(address, server.pid, asked.seconds, (), fresh)
                attacked = beside(address, server.pid, asked.seconds, made, fresh)
                time.sleep(2.0)
                beside_others = beside_computing(address, server.pid, asked.seconds, fresh)
                rounds.append({"alone": alone, "attacked": attacked, "computing": beside_others})
                print(
                    ", ".join(
                        f"{name} p50 {it['p50_ms']:.1f} p99 {it['p99_ms']:.1f}" for name, it in rounds[-1].items()
                    )
                )
            after = memory(server.pid)
            kept = held(address, server.pid, asked.held, asked.seconds, fresh)
    ratio, floor = (
        statistics.median(each[name]["p99_ms"] / each["alone"]["p99_ms"] for each in rounds)
        for name in ("attacked", "computing")
    )
    print(f"median ratio {ratio:.2f}, beside processes that only compute {floor:.2f}")
    print(f"{kept['held']} connections held: {kept['failures']} of {kept['requests']} requests failed")
    content = {
        "attackers": asked.attackers,
        "rounds": rounds,
        "ratio": round(ratio, 2),
        "ratio_computing": round(floor, 2),
        "memory_mb": [round(before / 1e6), round(after / 1e6)],
        "held": kept,
        "load": machine_load(),
    }
    RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
