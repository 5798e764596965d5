"""Blocks of features on disk, found again to the last bit: whole numbers up to 255, as counts are, take a byte each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from model_zoo.type_aliases import Numbers

WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def compact(matrix: Numbers) -> Numbers:
    """Give the same numbers as bytes where each is a whole one from 0 to 255; else the matrix itself.

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


def write_block(stream: BinaryIO | Path, matrix: Numbers) -> None:
    """Write an `n x d` matrix as a compressed `.npz`."""
    dtype, shape = np.array(matrix.dtype.str), np.array(matrix.shape)
    np.savez_compressed(stream, allow_pickle=False, compact=compact(matrix), dtype=dtype, shape=shape)


def read_blocks(files: Sequence[Path]) -> Numbers:
    """Read blocks of the same molecules, side by side; see `featurizers.join` for their type.

    Several are read one after the other into their places: of half a million molecules the whole takes 5 GB.

    Returns
    -------
    ndarray
        `n x d`.

    Raises
    ------
    FileNotFoundError
        When one is not there.
    """
    if len(files) == 1:
        with np.load(files[0], allow_pickle=False) as content:
            return np.asarray(content["compact"]).astype(str(content["dtype"]), copy=False)
    shapes = [_shape(file) for file in files]
    whole, begin = np.empty((shapes[0][0], sum(width for _, width in shapes)), dtype=np.float32), 0
    for file in files:
        with np.load(file, allow_pickle=False) as content:
            block = content["compact"]
        whole[:, begin : begin + block.shape[1]] = block
        begin += block.shape[1]
    return whole


def width_of(file: Path) -> int:
    """Say how many columns a block has."""
    return _shape(file)[1]


def _shape(file: Path) -> tuple[int, int]:
    with np.load(file, allow_pickle=False) as content:
        rows, columns = content["shape"].tolist()
    return int(rows), int(columns)
