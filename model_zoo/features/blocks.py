"""Blocks of features on disk, found again to the last bit: whole numbers up to 255, as counts are, take a byte each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from model_zoo.type_aliases import Numbers

WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def compact(matrix: Numbers) -> Numbers:
    """Return the same numbers as bytes where each is a whole one from 0 to 255; else the matrix itself.

    Examples
    --------
    >>> compact(np.float32([[0, 255]])).dtype, compact(np.float32([[0.5]])).dtype, compact(np.float32([[-0.0]])).dtype
    (dtype('uint8'), dtype('float32'), dtype('float32'))
    """
    word = WORDS.get(matrix.dtype.itemsize)
    if word is None or not matrix.size or not (matrix.min() >= 0 and matrix.max() <= 255):
        return matrix
    bytes_ = matrix.astype(np.uint8)
    # Compared by their bits: a zero with a sign is another one.
    same = np.array_equal(bytes_.astype(matrix.dtype).view(word), np.ascontiguousarray(matrix).view(word))
    return bytes_ if same else matrix


def write_block(file: Path, matrix: Numbers) -> None:
    """Write an `n x d` matrix as a compressed `.npz`."""
    dtype, width = np.array(matrix.dtype.str), np.array(matrix.shape[1])
    with file.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, compact=compact(matrix), dtype=dtype, width=width)


class JoinedBlocks:
    """Blocks of the same molecules, side by side: numbers for the rows that are asked for, the rest as it is on disk.

    Of half a million molecules the blocks of counts and descriptors take 2 GB, all of them as `float32` 5 GB.

    Parameters
    ----------
    blocks
        As `compact` gives them, `n` rows each.
    dtype
        Of the only block: it keeps its own. Several become `float32`, as `featurizers.join` makes them.
    """

    def __init__(self, blocks: Sequence[Numbers], dtype: DTypeLike) -> None:
        self._blocks, self._dtype = blocks, np.dtype(dtype if len(blocks) == 1 else np.float32)
        self.shape = (len(blocks[0]), sum(block.shape[1] for block in blocks))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[Any]) -> Numbers:
        """Return the numbers of some rows, `m x d`."""
        if len(self._blocks) == 1:
            return np.asarray(self._blocks[0][rows]).astype(self._dtype, copy=False)
        count = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(self._blocks[0][rows, :0])
        joined, begin = np.empty((count, self.shape[1]), dtype=self._dtype), 0
        for block in self._blocks:
            joined[:, begin : begin + block.shape[1]] = block[rows]
            begin += block.shape[1]
        return joined


def read_blocks(files: Sequence[Path]) -> JoinedBlocks:
    """Read blocks of the same molecules.

    Raises
    ------
    FileNotFoundError
        When one is not there.
    """
    blocks, dtype = [], ""
    for file in files:
        with np.load(file, allow_pickle=False) as content:
            blocks.append(content["compact"])
            dtype = str(content["dtype"])
    return JoinedBlocks(blocks, dtype)


def width_of(file: Path) -> int:
    """Say how many columns a block has."""
    with np.load(file, allow_pickle=False) as content:
        return int(content["width"])
