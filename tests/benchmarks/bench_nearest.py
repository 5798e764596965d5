"""The nearest training molecules of a new one, by how many there are: all compared, and counted by slices of bits.

Run `python -m tests.benchmarks.bench_nearest 20000 500000`. Fingerprints are those of new molecules of real parts
(`bench_rows.recombined`), 5,000 of them; more are made by exchanging a quarter of the bytes of two of these. Both ways
must find the same. Milliseconds are processor time of one query, the best of five sittings of twenty.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.bit_slices import BitSlices
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.similarity import PackedFingerprints, nearest_rows, pack
from model_zoo.uncertainty.error_model import NEIGHBOURS
from tests.benchmarks.bench_rows import recombined

QUERIES, KNOWN = 20, 5_000
Nearest = tuple[NDArray[np.float64], NDArray[np.intp]]


def fingerprints(count: int, known: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return so many rows."""
    draw = np.random.default_rng(0)
    one, other = (known[draw.integers(len(known), size=count)] for _ in range(2))
    made = np.where(draw.random(one.shape) < 0.25, other, one).astype(np.uint8)
    made[: min(count, len(known))] = known[:count]
    return made


def best_ms(work: Callable[[], Nearest]) -> tuple[float, Nearest]:
    """Return the processor time of one query, and what is found."""
    taken = []
    for _ in range(5):
        began = time.process_time()
        found = work()
        taken.append(1000 * (time.process_time() - began) / QUERIES)
    return min(taken), found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[20_000, 100_000, 500_000])
    mols = islice(recombined(), KNOWN + QUERIES)
    packed = pack([Molecule(Chem.MolToSmiles(mol), mol) for mol in mols])
    queries, known = packed[:QUERIES], packed[QUERIES:]
    print("| training molecules | all compared, ms | by slices of bits, ms | ratio |\n| --- | --- | --- | --- |")
    for size in parser.parse_args().sizes:
        rows = fingerprints(size, known)
        plain, sliced = PackedFingerprints(rows), BitSlices(rows)
        before, expected = best_ms(partial(nearest_rows, queries, plain, NEIGHBOURS))
        after, found = best_ms(partial(sliced.nearest, queries, NEIGHBOURS))
        if not all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True)):
            raise RuntimeError(f"{size} rows: expected the same from both, got others")
        print(f"| {size:,} | {before:.2f} | {after:.2f} | {before / after:.1f} |", flush=True)


if __name__ == "__main__":
    main()
