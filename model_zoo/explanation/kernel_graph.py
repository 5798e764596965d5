"""Reads the table of a kernel model out of its ONNX graph.

This happens once, when a bundle is written: the service reads the finished table with NumPy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.explanation.kernel_table import CountTerm, Floats, KernelTable, RankTerm
from model_zoo.type_aliases import Numbers


def read_kernels(graph: bytes, others: Numbers) -> KernelTable | None:
    """Read the kernels of an ONNX graph of the zoo; none where it holds anything else."""
    import onnx

    loaded = onnx.load_model_from_string(graph).graph
    try:
        return _Reader(loaded, others.astype(np.float32)).table()
    except (LookupError, ValueError):
        return None


class _Reader:
    """Follows a graph from its output back to the learned rows; `LookupError` where it is not as expected."""

    def __init__(self, graph: Any, others: NDArray[np.float32]) -> None:
        from onnx import numpy_helper

        self._made = {name: node for node in graph.node for name in node.output}
        self._constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self._output, self._others = graph.output[0].name, others

    def table(self) -> KernelTable:
        output, slope, offset = self._output, 1.0, 0.0
        if self._is(output, "Identity"):
            output = self._input(output, "Identity")
        log_odds = self._is(output, "Sigmoid")
        if log_odds:
            tilted, last = self._inputs(self._input(output, "Sigmoid"), "Add")
            output, first = self._inputs(tilted, "Mul")
            slope, offset = self._number(first), self._number(last)
        total, added = self._inputs(output, "Add")
        terms = tuple(self._term(name) for name in self._summed(total))
        return KernelTable(terms, (self._number(added), slope, offset), log_odds, self._others)

    def _summed(self, name: str) -> list[str]:
        if self._is(name, "Add"):
            return [term for part in self._inputs(name, "Add") for term in self._summed(part)]
        return [name]

    def _term(self, name: str) -> CountTerm | RankTerm:
        decayed, weights = self._inputs(name, "MatMul")
        own = self._constants[weights].astype(np.float64).ravel()
        if not self._is(decayed, "Exp"):
            return self._counts(decayed, own, 0.0)
        distance, rate = self._inputs(self._input(decayed, "Exp"), "Mul")
        reach = -1 / self._number(rate)
        left, right = self._inputs(distance, "Sub")
        return self._ranks(left, own, reach) if self._is(left, "Sqrt") else self._counts(right, own, reach)

    def _counts(self, likeness: str, weights: Floats, reach: float) -> CountTerm:
        common, _ = self._inputs(likeness, "Div")
        bits, learned = self._inputs(self._input(common, "Cast"))
        if self._is(learned, "Gather"):  # a molecule's bits alone are read of the learned rows
            bits, learned = self._input(bits, "Gather"), self._input(learned, "Gather")
        rows_of_bits = self._rows_of_bits(learned)
        spread, _ = self._inputs(self._input(bits, "Cast"), "GreaterOrEqual")
        counts, columns = self._inputs(spread, "Gather")
        source, largest = self._inputs(counts, "Min")
        one = 1.0
        if self._is(source, "Round"):
            source, scale = self._inputs(self._input(source, "Round"), "Div")
            one = self._number(scale)
        first, width = self._slice(source)
        dense = np.zeros((width, rows_of_bits.shape[1]), dtype=np.int64)
        np.add.at(dense, self._constants[columns], rows_of_bits)
        column, rows = np.nonzero(dense)
        return CountTerm(
            np.array([first, one, self._number(largest), reach]),
            weights,
            dense.sum(axis=0).astype(np.float64),
            np.concatenate([[0], np.cumsum(np.bincount(column, minlength=width))]).astype(np.int64),
            rows.astype(np.int32),
            dense[column, rows].astype(np.uint8),
        )

    def _rows_of_bits(self, learned: str) -> NDArray[np.uint8]:
        """Return `b x m` bits of the learned rows, which may be packed."""
        if self._is(learned, "Cast"):
            learned = self._input(learned, "Cast")
        if not self._is(learned, "Slice"):
            return np.asarray(self._constants[learned])
        wide, _, columns, _ = self._inputs(learned, "Slice")
        shifted = self._input(self._input(wide, "Reshape"), "BitwiseAnd")
        packed = self._constants[self._input(shifted, "BitShift")]
        return np.unpackbits(packed[:, :, 0], axis=1, count=int(self._constants[columns][0]))

    def _ranks(self, root: str, weights: Floats, reach: float) -> RankTerm:
        above, smoothing = self._inputs(self._input(root, "Sqrt"), "Add")
        mean, _ = self._inputs(above, "Max")
        difference, width = self._inputs(mean, "Div")
        _, shared = self._inputs(difference, "Sub")
        scores, doubled = self._inputs(shared, "MatMul")
        summed, lowest = self._inputs(scores, "Add")
        within, rises = self._inputs(self._input(summed, "ReduceSum"), "Mul")
        way = self._input(within, "Clip")
        moved, widths = self._inputs(way, "Div")
        wide, starts = self._inputs(moved, "Sub")
        first, _ = self._slice(self._input(self._input(wide, "Unsqueeze"), "Cast"))
        return RankTerm(
            np.array([first, reach, self._number(width), self._number(smoothing)]),
            weights,
            (self._constants[doubled].T / 2).astype(np.float32),
            *(self._constants[name].astype(np.float64) for name in (lowest, starts, widths, rises)),
        )

    def _slice(self, name: str) -> tuple[int, int]:
        """Return first column and width of what is read of the features."""
        if name not in self._made:
            return 0, self._others.shape[1]
        _, start, stop, _ = self._inputs(name, "Slice")
        first = int(self._constants[start][0])
        return first, int(self._constants[stop][0]) - first

    def _is(self, name: str, operator: str) -> bool:
        return name in self._made and self._made[name].op_type == operator

    def _inputs(self, name: str, operator: str | None = None) -> Sequence[str]:
        node = self._made[name]
        if operator is not None and node.op_type != operator:
            raise LookupError(f"expected {operator}, got {node.op_type}")
        return list(node.input)

    def _input(self, name: str, operator: str) -> str:
        """Return the first input, which is the only one or the one that counts."""
        return self._inputs(name, operator)[0]

    def _number(self, name: str) -> float:
        return float(self._constants[name])
