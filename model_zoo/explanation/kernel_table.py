"""Kernel models as tables of numbers: how much each feature moves a Gaussian process or a support vector machine.

Belongs here: reading the learned rows out of a graph, and integrated gradients through their kernels.
Does not belong here: what features come from (see `attribution/`).

Source: Sundararajan et al., ICML 2017 (integrated gradients); Erion et al., Nature Machine Intelligence 2021, 3, 620
(real molecules as where the paths begin, one point of each path). The paths run in the features: counts may be
fractions on the way, for the MinMax kernel is defined for any amounts, and descriptors move by their normal scores. A
graph is read when a bundle is written; the service reads the finished table with NumPy alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.type_aliases import Numbers

Floats = NDArray[np.float64]

GOLDEN = 0.6180339887498949
"""Multiples of the golden ratio, modulo one, lie evenly however many there are: one point on each path."""


@dataclass(frozen=True)
class CountTerm:
    """A term over counts: a weighted sum over `m` learned rows of a function of the MinMax kernel.

    Attributes
    ----------
    numbers
        First column; what counts as one; the count that larger ones are cut to; and the reach of an exponential decay,
        0 where the kernel itself is summed.
    weights, sums
        `m` weights, and sums of the rows' counts.
    starts, rows, counts
        The counts that are not zero, column by column: those of column `c` are `starts[c]` to `starts[c + 1]`.
    """

    numbers: Floats
    weights: Floats
    sums: Floats
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]

    def columns(self) -> slice:
        """Give the columns of the features that the term reads."""
        first = int(self.numbers[0])
        return slice(first, first + len(self.starts) - 1)

    def values(self, X: Numbers) -> Floats:
        """Give the counts of `n` molecules as the model reads them."""
        _, one, largest, _ = self.numbers
        own = X[:, self.columns()].astype(np.float32)
        whole = own if one == 1 else np.round(own / np.float32(one))
        return np.minimum(whole, np.float32(largest)).astype(np.float64)

    def of(self, z: Floats) -> float:
        """Give the term for one molecule's values."""
        common = self._common(*self._entries(np.flatnonzero(z)), z)
        likeness = common / np.maximum(z.sum() + self.sums - common, 1)
        return float(self.weights @ (np.exp((likeness - 1) / self.reach) if self.reach else likeness))

    def slopes(self, x: Floats, others: Floats) -> Floats:
        """Give the slope of each column at one point of the path to `x` from each of the `k` others, `k x columns`."""
        result = np.zeros((len(others), len(x)))
        for k, other in enumerate(others):
            active = np.flatnonzero((x != 0) | (other != 0))
            rows, counts, column = self._entries(active)
            z = other + _at(k) * (x - other)
            common = self._common(rows, counts, column, z)
            union = np.maximum(z.sum() + self.sums - common, 1)
            weights = self.weights
            if self.reach:
                weights = weights * np.exp((common / union - 1) / self.reach) / self.reach
            gain = weights * (union + common) / union**2
            inside = counts > z[column]
            result[k] = np.bincount(column[inside], gain[rows[inside]], minlength=len(x))
            result[k, active] -= (weights * common / union**2).sum()
        return result

    @property
    def reach(self) -> float:
        """The reach of the decay; 0 where there is none."""
        return float(self.numbers[3])

    def _entries(self, active: NDArray[np.intp]) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.intp]]:
        """Give row, count and column of the learned counts in some columns."""
        sizes = self.starts[active + 1] - self.starts[active]
        column = np.repeat(active, sizes)
        places = np.arange(len(column)) + np.repeat(self.starts[active] - np.cumsum(sizes) + sizes, sizes)
        return self.rows[places], self.counts[places], column

    def _common(
        self, rows: NDArray[np.int32], counts: NDArray[np.uint8], column: NDArray[np.intp], z: Floats
    ) -> Floats:
        """Sum the smaller counts with each of the `m` learned rows."""
        return np.bincount(rows, np.minimum(counts, z[column]), minlength=len(self.sums)).astype(np.float64)


@dataclass(frozen=True)
class RankTerm:
    """A term over descriptors: a weighted sum over `m` learned rows that decays with the distance of normal scores.

    Attributes
    ----------
    numbers
        First column, reach of the decay, what a squared distance is divided by, and what is added to it.
    weights, learned
        `m` weights, and `m x d` normal scores.
    lowest, starts, widths, rises
        How a value becomes a score: the score below all knots, and per column where each step begins, how wide it is,
        and how far it rises.
    """

    numbers: Floats
    weights: Floats
    learned: NDArray[np.float32]
    lowest: Floats
    starts: Floats
    widths: Floats
    rises: Floats

    def columns(self) -> slice:
        """Give the columns of the features that the term reads."""
        first = int(self.numbers[0])
        return slice(first, first + len(self.lowest))

    def values(self, X: Numbers) -> Floats:
        """Give the normal scores of `n` molecules."""
        own = X[:, self.columns()].astype(np.float64)
        way = np.clip((own[:, :, None] - self.starts) / self.widths, 0, 1)
        return np.asarray(self.lowest + (way * self.rises).sum(axis=2))

    def of(self, z: Floats) -> float:
        """Give the term for one molecule's values."""
        return float(self.weights @ self._decayed(((z - self.learned) ** 2).sum(axis=1))[0])

    def slopes(self, x: Floats, others: Floats) -> Floats:
        """Give the slope of each column at one point of the path to `x` from each of the `k` others, `k x columns`."""
        result = np.zeros((len(others), len(x)))
        for k, other in enumerate(others):
            away = other + _at(k) * (x - other) - self.learned
            decayed, distance = self._decayed((away**2).sum(axis=1))
            result[k] = (self.weights * decayed / (-self.numbers[1] * self.numbers[2] * distance)) @ away
        return result

    def _decayed(self, squared: Floats) -> tuple[Floats, Floats]:
        _, reach, width, smoothing = self.numbers
        distance = np.sqrt(squared / width + smoothing)
        return np.exp((np.sqrt(smoothing) - distance) / reach), distance


@dataclass(frozen=True)
class KernelTable:
    """A kernel model: a sum of terms, and the molecules that a prediction is set against.

    Attributes
    ----------
    terms
        The sum, which is a regression's value or a decision.
    line
        What is added to the sum; slope and offset that turn it into log-odds, 1 and 0 for a regression.
    log_odds
        Whether the sum is the log-odds of class 1 instead of the prediction itself.
    others
        Features of `k` training molecules.
    """

    terms: tuple[CountTerm | RankTerm, ...]
    line: tuple[float, float, float]
    log_odds: bool
    others: NDArray[np.float32]

    def sums(self, X: Numbers) -> Floats:
        """Give the sum of all terms for `n` molecules."""
        added, slope, offset = self.line
        total = np.full(len(X), added)
        for term in self.terms:
            total += [term.of(values) for values in term.values(X)]
        return total * slope + offset

    def slopes(self, x: Numbers) -> Floats:
        """Give how much each of `d` columns moves the sum, per unit of the column, on the way from other molecules.

        It is the slope of the line through the origin that fits best, over all paths, what a column adds against how
        far it moves.
        """
        moved = np.zeros(len(x))
        away = x.astype(np.float64) - self.others
        for term, others in zip(self.terms, self._values_of_others, strict=True):
            at = term.columns()
            values = term.values(x[None])[0]
            gain = term.slopes(values, others) * (values - others)
            moved[at] += (gain * away[:, at]).sum(axis=0)
        squared = (away**2).sum(axis=0)
        return np.asarray(self.line[1] * np.divide(moved, squared, out=np.zeros(len(x)), where=squared > 0))

    @cached_property
    def _values_of_others(self) -> tuple[Floats, ...]:
        """What each term reads of the others, which is the same for every molecule that is explained."""
        return tuple(term.values(self.others) for term in self.terms)

    def arrays(self) -> Iterator[tuple[str, Numbers]]:
        """Give the table as named arrays."""
        yield "kernel", np.array([*self.line, float(self.log_odds), len(self.terms)])
        yield "others", self.others
        for number, term in enumerate(self.terms):
            for name in type(term).__dataclass_fields__:
                yield f"{number}/{name}", getattr(term, name)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Numbers]) -> KernelTable:
        """Read what `arrays` gave."""
        added, slope, offset, log_odds, count = map(float, arrays["kernel"])
        terms: list[CountTerm | RankTerm] = []
        for number in range(int(count)):
            prefix = f"{number}/"
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            terms.append(CountTerm(**own) if "sums" in own else RankTerm(**own))
        return cls(tuple(terms), (added, slope, offset), bool(log_odds), arrays["others"])


def _at(number: int) -> float:
    """Give where on its path the point of one of the others lies, in (0, 1)."""
    return (number + 1) * GOLDEN % 1.0


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
        if self._is(learned, "Cast"):
            learned = self._input(learned, "Cast")
        spread, _ = self._inputs(self._input(bits, "Cast"), "GreaterOrEqual")
        counts, columns = self._inputs(spread, "Gather")
        source, largest = self._inputs(counts, "Min")
        one = 1.0
        if self._is(source, "Round"):
            source, scale = self._inputs(self._input(source, "Round"), "Div")
            one = self._number(scale)
        first, width = self._slice(source)
        rows_of_bits = self._constants[learned]
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
        """Give first column and width of what is read of the features."""
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
        """Give the first input, which is the only one or the one that counts."""
        return self._inputs(name, operator)[0]

    def _number(self, name: str) -> float:
        return float(self._constants[name])
