"""The slowest molecule that a directed search finds within the service's limits.

Run `python -m tests.benchmarks.bench_nasty [SECONDS]` from the top of the checkout; it mutates SMILES towards slow
ones and prints the worst CPU times as JSON. They decide whether threads with a time limit are enough
(`serving/inference/batches.py`), or molecules need processes that can be killed.
"""

from __future__ import annotations

import json
import random
import sys
import time

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Limits, Molecule, parse_molecule
from serving.page.drawing import structure_svg

SECONDS = 30.0
SEEDS = ("CC(=O)Oc1ccccc1C(=O)O", "C1CC2CC3CC4CC5CC1C2C3C45", "C" * 100, "C[C@H]1CC[C@@H](C)CC1", "N[C@@H](C)C(=O)O")
TOKENS: tuple[str, ...] = (
    *"CCcNnOSP()=#11123.B/\\", "[NH3+]", "[O-]", "[N+](=O)[O-]", "N(=O)=O", "[C@H]", "[C@@H]", "[Fe]", "%10", "%11",
    "Cl", "c1ccccc1", "C1CC1", "[13C]", "S(=O)(=O)", "N=N#N",
)  # fmt: skip
FEATURES = ("morgan_count", "descriptors", "rdkit_descriptors", "avalon_count", "erg")


def mutated(text: str, pool: list[str], rng: random.Random) -> str:
    """Change a SMILES somewhere: insert, cut, repeat a piece, splice another in."""
    start = rng.randrange(len(text) + 1)
    stop = min(len(text), start + rng.randrange(1, 30))
    way = rng.random()
    if way < 0.3:
        return text[:start] + rng.choice(TOKENS) + text[start:]
    if way < 0.45:
        return text[:start] + text[stop:]
    if way < 0.65:
        return text[:stop] + text[start:stop] * rng.randrange(1, 5) + text[stop:]
    if way < 0.8:
        return f"{text}.{rng.choice(pool)}"
    return text[:start] + rng.choice(pool) + text[start:]


def main() -> None:
    """Search, and print the worst CPU milliseconds of each step."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    rng = random.Random(1)
    kept: list[tuple[float, str]] = [(0.0, seed) for seed in SEEDS]
    worst: dict[str, float] = {}
    tried = valid = 0
    until = time.monotonic() + seconds

    def took(step: str, begun: float) -> float:
        cost = 1000 * (time.thread_time() - begun)
        worst[step] = round(max(worst.get(step, 0.0), cost), 1)
        return cost

    while time.monotonic() < until:
        pool = [text for _, text in kept]
        text = rng.choice(pool)
        for _ in range(rng.randrange(1, 5)):
            text = mutated(text, pool, rng)[: Limits().max_characters]
        tried += 1
        begun = time.thread_time()
        molecule = parse_molecule(text)
        cost = took("parse", begun)
        if isinstance(molecule, Molecule):
            valid += 1
            for name in FEATURES:
                begun = time.thread_time()
                featurizers.get(name).featurize([molecule])
                cost += took(name, begun)
            begun = time.thread_time()
            structure_svg(molecule.smiles)
            cost += took("draw", begun)
        kept = sorted({*kept, (cost, text)}, reverse=True)[:40] + [(0.0, seed) for seed in SEEDS]
    print(json.dumps({"tried": tried, "valid": valid, "worst_cpu_ms": worst}, indent=1))


if __name__ == "__main__":
    main()
