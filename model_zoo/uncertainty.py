"""How far to trust a prediction: intervals and the applicability domain.

Belongs here: calibration from out-of-fold residuals, similarity to the training molecules; both as
plain numbers that a bundle stores.
Does not belong here: the models' own predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.molecules import Molecule

COVERAGE = 0.9
DOMAIN_BITS = 1024
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=DOMAIN_BITS)


def conformal_half_width(residuals: NDArray[np.float64], coverage: float = COVERAGE) -> float:
    """Give the half width of a split-conformal interval from held-out residuals.

    Source: Lei et al., J. Am. Stat. Assoc. 2018, 113, 1094; the finite-sample quantile
    `ceil((n + 1) * coverage) / n` of the absolute residuals.

    Examples
    --------
    >>> conformal_half_width(np.arange(1.0, 101.0), 0.9)
    91.0

    Raises
    ------
    ValueError
        When there are fewer residuals than `fewest_errors`: no finite width reaches the coverage.
    """
    n = len(residuals)
    rank = int(np.ceil((n + 1) * coverage))
    if rank > n:
        raise ValueError(f"expected at least {fewest_errors(coverage)} residuals for coverage {coverage:g}, got {n}")
    return float(np.sort(np.abs(residuals))[rank - 1])


def fewest_errors(coverage: float = COVERAGE) -> int:
    """Give how many held-out errors an interval of this coverage takes: with fewer, no finite width is safe.

    Examples
    --------
    >>> fewest_errors(0.9), fewest_errors(0.5)
    (9, 1)
    """
    return next(n for n in range(1, 10_000) if np.ceil((n + 1) * coverage) <= n)


@dataclass(frozen=True)
class Domain:
    """The training molecules as packed fingerprints, to say how near a new molecule is.

    Attributes
    ----------
    packed
        `n x 128` bytes: 1024 Morgan bits per training molecule.
    threshold
        Similarity at or above which a molecule counts as inside: the 5th percentile of the training
        molecules' own similarity to their nearest neighbour in another fold.
    """

    packed: NDArray[np.uint8]
    threshold: float

    def nearest(self, packed: NDArray[np.uint8], k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Give the `k` highest Tanimoto similarities and the training rows they belong to, both `n x k`.

        Parameters
        ----------
        packed
            `n` molecules as `pack` gives them.
        """
        return _nearest(packed, self._references, k)

    @cached_property
    def _references(self) -> _References:
        return _References(self.packed)


def pack(molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
    """Give packed Morgan bits, `n x 128` bytes."""
    bits = np.empty((len(molecules), DOMAIN_BITS), dtype=np.uint8)
    for row, molecule in enumerate(molecules):
        bits[row] = _generator.GetFingerprintAsNumPy(molecule.mol)
    return np.packbits(bits, axis=1)


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
    return _nearest(queries, _References(references), k)


class _References:
    """Packed rows laid out for counting common bits: words of 64 bits, a column per row (ten times as fast)."""

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self.words = _words(packed)
        self.counts = np.bitwise_count(self.words).sum(axis=0, dtype=np.int32)


def _words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Give packed bits as 64-bit words, one column per row."""
    if short := -packed.shape[1] % 8:
        packed = np.pad(packed, ((0, 0), (0, short)))
    return np.ascontiguousarray(np.ascontiguousarray(packed).view(np.uint64).T)


def _nearest(
    queries: NDArray[np.uint8], references: _References, k: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
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


def fit_domain(molecules: Sequence[Molecule], folds: NDArray[np.int_]) -> Domain:
    """Build the domain of training molecules, its threshold from similarity across folds.

    Parameters
    ----------
    molecules
        The `n` training molecules.
    folds
        Their fold numbers: a molecule's nearest neighbour is sought in the other folds only, which is
        how far the molecules lay apart when the model was scored.
    """
    packed = pack(molecules)
    nearest = np.zeros(len(molecules))
    for fold in np.unique(folds):
        inside = folds == fold
        if inside.all():
            nearest[inside] = 1.0
            continue
        nearest[inside] = tanimoto_nearest(packed[inside], packed[~inside])[0][:, 0]
    return Domain(packed, float(np.percentile(nearest, 5)))
