"""Tanimoto similarity of molecules, on packed Morgan fingerprints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule

DOMAIN_BITS = 1024
MOST_ASKED = 20_000
"""Molecules of one set for which neighbours are sought among all others: with all of a larger one the pairs would grow
with its square. What is told of them (quantiles, rules with three weights) a sample of so many tells as well."""

_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=DOMAIN_BITS)


def pack(molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
    """Give packed Morgan bits, `n x 128` bytes."""
    bits = np.empty((len(molecules), DOMAIN_BITS), dtype=np.uint8)
    for row, molecule in enumerate(molecules):
        bits[row] = _generator.GetFingerprintAsNumPy(molecule.mol)
    return np.packbits(bits, axis=1)


def rows_asked(count: int) -> NDArray[np.intp]:
    """Give the rows of a set whose neighbours are sought: all of them, or `MOST_ASKED` drawn always alike, in order.

    Examples
    --------
    >>> rows_asked(3).tolist(), len(rows_asked(500_000))
    ([0, 1, 2], 20000)
    """
    if count <= MOST_ASKED:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_ASKED, replace=False))


def tanimoto_nearest(
    queries: NDArray[np.uint8], references: NDArray[np.uint8], k: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Find the `k` most similar reference rows of each query row by the Tanimoto coefficient.

    Examples
    --------
    >>> a = np.packbits(np.eye(8, dtype=np.uint8), axis=1)
    >>> tanimoto_nearest(a[:1], a, 1)[0].tolist()
    [[1.0]]
    """
    return nearest_rows(queries, PackedFingerprints(references), k)


class PackedFingerprints:
    """Packed rows laid out for counting common bits: words of 64 bits, a column per row (ten times as fast)."""

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self.words = _words(packed)
        self.counts = np.bitwise_count(self.words).sum(axis=0, dtype=np.int32)


def _words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Give packed bits as 64-bit words, one column per row."""
    if short := -packed.shape[1] % 8:
        packed = np.pad(packed, ((0, 0), (0, short)))
    return np.ascontiguousarray(np.ascontiguousarray(packed).view(np.uint64).T)


def nearest_rows(
    queries: NDArray[np.uint8], references: PackedFingerprints, k: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Do what `tanimoto_nearest` does, with references that were laid out once."""
    k = min(k, len(references.counts))
    similarities = np.empty((len(queries), k))
    indices = np.empty((len(queries), k), dtype=np.intp)
    words = _words(queries)
    counts = np.bitwise_count(words).sum(axis=0, dtype=np.int32)
    for row, (query, count) in enumerate(zip(words.T, counts, strict=True)):
        common = np.bitwise_count(references.words & query[:, None]).sum(axis=0, dtype=np.int32)
        union = references.counts + count - common
        values = common / np.maximum(union, 1)
        # Only rows at least as near as the k-th nearest are sorted; equal ones stay in the order of the rows.
        near = np.flatnonzero(values >= np.partition(values, len(values) - k)[len(values) - k]) if k else indices[row]
        order = near[np.argsort(-values[near], kind="stable")[:k]]
        similarities[row], indices[row] = values[order], order
    return similarities, indices
