"""The nearest of many packed rows, exactly: bits common with a query are counted for 64 rows at once.

Rows are laid out by bit: a slice holds one bit of all of them. The slices of a query's bits are added up with binary
adders on words, as in Harley and Seal's population count (Warren, Hacker's Delight, 2nd edition, section 5-2). A lower
bound of the similarity of the k-th nearest, from a sample of the rows, leaves few of which the similarity is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.similarity import PackedFingerprints, nearest_rows, tanimoto

SAMPLE = 2_048
PART = 2_048
"""Words of slices that are added at once: those of sixty bits fit into a processor's cache."""
SLACK = 1e-6
"""Of common bits: rounding leaves a row too many in, and none out."""

Words = NDArray[np.uint64]


class BitSlices:
    """Packed rows laid out by bit.

    Parameters
    ----------
    packed
        `n x b` bytes.

    Examples
    --------
    >>> rows = np.packbits(np.eye(8, dtype=np.uint8), axis=1)
    >>> BitSlices(rows).nearest(rows[2:3], 1)[1].tolist()
    [[2]]
    """

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        rows, width = packed.shape
        self._slices = np.zeros((8 * width, -(-rows // 64)), dtype=np.uint64)
        for column in range(width):  # all bits at once would take eight times what is packed
            bits = np.packbits(np.unpackbits(packed[:, column : column + 1], axis=1), axis=0, bitorder="little")
            self._slices[8 * column : 8 * column + 8].view(np.uint8)[:, : len(bits)] = bits.T
        self._counts = np.bitwise_count(packed).sum(axis=1, dtype=np.int32)
        self._numbers = np.arange(8 * width + 1)
        chosen = np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(np.intp)
        self._sample = PackedFingerprints(packed[chosen])

    def nearest(self, queries: NDArray[np.uint8], k: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Do what `similarity.nearest_rows` does."""
        k = min(k, len(self._counts))
        found, places = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.intp)
        if not k:
            return found, places
        least = nearest_rows(queries, self._sample, k)[0].min(axis=1) if k <= SAMPLE else np.zeros(len(queries))
        for row, (query, bound) in enumerate(zip(queries, least, strict=True)):
            common, own = self._common(query), int(np.bitwise_count(query).sum())
            # common / (count + own - common) >= bound, solved for what is in common, for each number of bits
            needed = np.ceil(bound / (1 + bound) * (self._numbers + own) - SLACK).astype(np.int16)
            near = np.flatnonzero(common >= needed[self._counts])
            values = tanimoto(common[near].astype(np.int32), self._counts[near], own)
            order = np.argsort(-values, kind="stable")[:k]  # equal ones stay in the order of the rows
            found[row], places[row] = values[order], near[order]
        return found, places

    def _common(self, query: NDArray[np.uint8]) -> NDArray[Any]:
        """Count the bits that each row has in common with a query."""
        bits = np.flatnonzero(np.unpackbits(query))
        common = np.zeros(64 * self._slices.shape[1], dtype=np.uint8 if len(bits) < 256 else np.int16)
        for start in range(0, self._slices.shape[1], PART):
            here = common[64 * start : 64 * (start + PART)]
            for power, digits in enumerate(_added(self._slices[bits, start : start + PART])):
                here += np.unpackbits(digits.view(np.uint8), bitorder="little") * common.dtype.type(1 << power)
        return common[: len(self._counts)]


def _added(terms: Words) -> list[Words]:
    """Add up `m x w` words bit by bit; give the binary digits of the `64 w` sums, the lowest first."""
    digits = []
    while len(terms):
        carries = []
        while len(terms) > 2:
            third = len(terms) // 3
            a, b, c, rest = terms[:third], terms[third : 2 * third], terms[2 * third : 3 * third], terms[3 * third :]
            odd = a ^ b
            carries.append((a & b) | (odd & c))
            terms = np.concatenate([odd ^ c, rest])
        if len(terms) == 2:
            carries.append((terms[0] & terms[1])[None])
            terms = (terms[0] ^ terms[1])[None]
        digits.append(terms[0])
        terms = np.concatenate(carries) if carries else terms[:0]
    return digits
