"""Tanimoto similarity of molecules by how often each atom environment occurs, on packed bits.

An environment that occurs three times sets three bits, so that common bits over all bits are the MinMax (Ruzicka)
coefficient of the counts: hexadecane is half as like octane as octane is, though both show the same environments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule

DOMAIN_BITS = 1024
"""As good as twice as many at finding what is near, and half as slow to look through."""
MOST_ASKED = 20_000
"""Molecules of one set for which neighbours are sought among all others: with all of a larger one the pairs would grow
with its square. What is computed from them (quantiles, rules with three weights), a sample of so many shows too."""
_ENVIRONMENT, _TIME = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MIX = np.uint64(0xD6E8FEB86659FD93)

_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)


def pack(molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
    """Return packed bits of the Morgan environments of radius 2 and of their numbers, `n x 128` bytes.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> packed = pack([parse_molecule(text) for text in ("CCCCCCCC", "CCCCCCCCCCCCCCCC")])
    >>> bool(0.3 < tanimoto_nearest(packed[:1], packed[1:])[0][0, 0] < 0.6)
    True
    """
    bits = np.zeros((len(molecules), DOMAIN_BITS), dtype=np.uint8)
    for row, molecule in enumerate(molecules):
        found = _generator.GetSparseCountFingerprint(molecule.mol).GetNonzeroElements()
        counts = np.fromiter(found.values(), dtype=np.int64, count=len(found))
        environments = np.repeat(np.fromiter(found, dtype=np.uint64, count=len(found)), counts)
        times = np.arange(len(environments)) - np.repeat(np.cumsum(counts) - counts, counts)
        bits[row, _places(environments, times.astype(np.uint64))] = 1
    return np.packbits(bits, axis=1)


def rows_asked(count: int) -> NDArray[np.intp]:
    """Return the rows of a set whose neighbours are sought: all of them, or `MOST_ASKED` drawn always alike, in order.

    Examples
    --------
    >>> rows_asked(3).tolist(), len(rows_asked(500_000))
    ([0, 1, 2], 20000)
    """
    if count <= MOST_ASKED:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_ASKED, replace=False))


def _places(environments: NDArray[np.uint64], times: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the bit of the n-th time that each environment occurs: any of them, by chance, and always the same."""
    mixed = environments * _ENVIRONMENT + times * _TIME
    mixed = (mixed ^ (mixed >> np.uint64(31))) * _MIX
    return np.asarray((mixed ^ (mixed >> np.uint64(32))) % np.uint64(DOMAIN_BITS), dtype=np.intp)


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
    """Return packed bits as 64-bit words, one column per row."""
    if short := -packed.shape[1] % 8:
        packed = np.pad(packed, ((0, 0), (0, short)))
    return np.ascontiguousarray(np.ascontiguousarray(packed).view(np.uint64).T)


def tanimoto(common: NDArray[np.int32], counts: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return the Tanimoto coefficients of `n` rows with one, by the bits in common and those that each has."""
    return np.asarray(common / np.maximum(counts + count - common, 1))


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
        values = tanimoto(common, references.counts, count)
        # Only rows at least as near as the k-th nearest are sorted; equal ones stay in the order of the rows.
        near = np.flatnonzero(values >= np.partition(values, len(values) - k)[len(values) - k]) if k else indices[row]
        order = near[np.argsort(-values[near], kind="stable")[:k]]
        similarities[row], indices[row] = values[order], order
    return similarities, indices


def tanimoto_to_all(query: NDArray[np.uint8], references: PackedFingerprints) -> NDArray[np.float64]:
    """Return the coefficients of one packed row with all `n` references, in their order.

    Examples
    --------
    >>> a = np.packbits(np.eye(8, dtype=np.uint8), axis=1)
    >>> tanimoto_to_all(a[2], PackedFingerprints(a)).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    words = _words(query[None])
    common = np.bitwise_count(references.words & words).sum(axis=0, dtype=np.int32)
    union = references.counts + np.bitwise_count(words).sum(dtype=np.int32) - common
    return np.asarray(common / np.maximum(union, 1))
