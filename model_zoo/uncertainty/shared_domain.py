"""The nearest training molecules, found once for all endpoints that were trained on the same molecules.

Belongs here: sharing fingerprints in memory and what was found of the present molecules, and looking for many at once.
Does not belong here: what a domain is (see `applicability_domain.py`), which every bundle's signature covers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.bit_slices import BitSlices
from model_zoo.chemistry.similarity import PackedFingerprints, nearest_rows
from model_zoo.uncertainty.applicability_domain import Domain

SMALL = 2_000
"""References up to which many molecules are looked for at once: of more, the memory is as slow as the counting."""
FEW = 4
"""Molecules from which on that is worth it."""
LARGE = 20_000
"""References from which on bits are counted for 64 of them at once (`python -m tests.benchmarks.bench_nearest`)."""
BLOCK = 2_000_000
"""Pairs of molecules that are compared at once: what they take fits into the processor's caches."""


class Nearest(NamedTuple):
    """Similarities and rows, both `n x k`."""

    similarities: NDArray[np.float64]
    rows: NDArray[np.intp]


class DomainIndex:
    """The molecules of one training set, laid out for looking.

    Parameters
    ----------
    domain
        The molecules.
    """

    def __init__(self, domain: Domain) -> None:
        self.packed, self.properties = domain.packed, domain.properties
        self._alone = domain
        large = len(domain.packed) > LARGE
        self._slices = BitSlices(domain.packed) if large else None
        self._references = PackedFingerprints(domain.packed[:0] if large else domain.packed)
        self._last = threading.local()

    def nearest(self, packed: NDArray[np.uint8], k: int) -> Nearest:
        """Do what `Domain.nearest` does; asked again on the same thread for the same array, return what was found."""
        last: tuple[NDArray[np.uint8], int, Nearest] | None = getattr(self._last, "found", None)
        if last is not None and last[0] is packed and last[1] == k:
            return last[2]
        if self._slices is not None:
            found = Nearest(*self._slices.nearest(packed, k))
        elif len(packed) < FEW or len(self.packed) > SMALL:
            found = Nearest(*nearest_rows(packed, self._references, k))
        else:
            found = self._of_many(packed, k)
        self._last.found = (packed, k, found)
        return found

    def distance(self, properties: NDArray[np.float64]) -> NDArray[np.float64]:
        """Do what `Domain.distance` does; asked again on the same thread for the same array, return what was found."""
        last: tuple[NDArray[np.float64], NDArray[np.float64]] | None = getattr(self._last, "distance", None)
        if last is None or last[0] is not properties:
            self._last.distance = last = (properties, self._alone.distance(properties))
        return last[1]

    def _of_many(self, packed: NDArray[np.uint8], k: int) -> Nearest:
        number, k = len(self.packed), min(k, len(self.packed))
        queries = PackedFingerprints(packed)
        similarities, found = np.empty((len(packed), k)), np.empty((len(packed), k), dtype=np.intp)
        step = max(1, BLOCK // max(1, number))
        for start in range(0, len(packed) if k else 0, step):
            words, counts = queries.words[:, start : start + step], queries.counts[start : start + step]
            common = np.zeros((len(counts), number), dtype=np.int32)
            for mine, theirs in zip(words, self._references.words, strict=True):
                common += np.bitwise_count(theirs[None, :] & mine[:, None])
            values = common / np.maximum(self._references.counts[None, :] + counts[:, None] - common, 1)
            least = np.partition(values, number - k, axis=1)[:, number - k]
            rows, columns = np.nonzero(values >= least[:, None])  # equal ones too: they stay in the order of the rows
            chosen = values[rows, columns]
            order = np.lexsort((columns, -chosen, rows))
            first = np.searchsorted(rows, np.arange(len(counts)))
            take = order[first[:, None] + np.arange(k)]
            similarities[start : start + step], found[start : start + step] = chosen[take], columns[take]
        return Nearest(similarities, found)


@dataclass(frozen=True)
class SharedDomain(Domain):
    """A domain that looks in an index which others use too."""

    index: DomainIndex = field(kw_only=True)
    """Of the same molecules."""

    def nearest(self, packed: NDArray[np.uint8], k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the `k` highest Tanimoto similarities and the training rows they belong to, both `n x k`."""
        return self.index.nearest(packed, k)

    def distance(self, properties: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far `n` molecules lie from the training molecules by size and kind."""
        return self.index.distance(properties)


class DomainIndexes:
    """The indexes that are in use, one per set of molecules."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[str, DomainIndex] = WeakValueDictionary()
        self._lock = threading.Lock()

    def shared(self, domain: Domain, digest: str) -> SharedDomain:
        """Return a domain that looks in the index of all that have equal molecules.

        Parameters
        ----------
        domain
            As it was read.
        digest
            Of the file that it was read from: equal ones mean equal molecules in the same order.
        """
        with self._lock:
            index = self._known.get(digest)
            if index is None:
                index = self._known[digest] = DomainIndex(domain)
        return SharedDomain(index.packed, domain.threshold, index.properties, index=index)
