"""Kernel models as tables of numbers: how much each feature moves a Gaussian process or a support vector machine.

Belongs here: integrated gradients through kernels.
Does not belong here: how a table is read out of a model (see `kernel_graph.py`), what features come from (see
`attribution.py`).

Source: Sundararajan et al., ICML 2017 (integrated gradients); Erion et al., Nature Machine Intelligence 2021, 3, 620
(real molecules as where the paths begin, one point of each path). The paths run in the features: counts may be
fractions on the way, for the MinMax kernel is defined for any amounts, and descriptors move by their normal scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_zoo.type_aliases import Numbers

Floats = NDArray[np.float64]

GOLDEN = 0.6180339887498949
"""Multiples of the golden ratio, modulo one, lie evenly however many there are: one point on each path."""


@dataclass(frozen=True)
class CountTerm:
    """A term over counts: a weighted sum over `m` learned rows of a function of the MinMax kernel."""

    numbers: Floats
    """First column; what counts as one; the count that larger ones are cut to; and the reach of an exponential decay, 0
    where the kernel itself is summed."""
    weights: Floats
    sums: Floats
    """`weights` and `sums`: `m` weights, and sums of the rows' counts."""
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]
    """`starts`, `rows` and `counts`: the counts that are not zero, column by column: those of column `c` are
    `starts[c]` to `starts[c + 1]`."""

    def columns(self) -> slice:
        """Return the columns of the features that the term reads."""
        first = int(self.numbers[0])
        return slice(first, first + len(self.starts) - 1)

    def values(self, X: Numbers) -> Floats:
        """Return the counts of `n` molecules as the model reads them."""
        _, one, largest, _ = self.numbers
        own = X[:, self.columns()].astype(np.float32)
        whole = own if one == 1 else np.round(own / np.float32(one))
        return np.minimum(whole, np.float32(largest)).astype(np.float64)

    def of(self, z: Floats) -> float:
        """Return the term for one molecule's values."""
        common = self._common(*self._entries(np.flatnonzero(z)), z)
        likeness = common / np.maximum(z.sum() + self.sums - common, 1)
        return float(self.weights @ (np.exp((likeness - 1) / self.reach) if self.reach else likeness))

    def slopes(self, x: Floats, others: Floats) -> Floats:
        """Return each column's slope at one point of the path to `x` from each of the `k` others, `k x columns`."""
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
        """Return row, count and column of the learned counts in some columns."""
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
    """A term over descriptors: a weighted sum over `m` learned rows that decays with the distance of normal scores."""

    numbers: Floats
    """First column, reach of the decay, what a squared distance is divided by, and what is added to it."""
    weights: Floats
    learned: NDArray[np.float32]
    """`weights` and `learned`: `m` weights, and `m x d` normal scores."""
    lowest: Floats
    starts: Floats
    widths: Floats
    rises: Floats
    """`lowest`, `starts`, `widths` and `rises`: how a value becomes a score: the score below all knots, and per column
    where each step begins, how wide it is, and how far it rises."""

    def columns(self) -> slice:
        """Return the columns of the features that the term reads."""
        first = int(self.numbers[0])
        return slice(first, first + len(self.lowest))

    def values(self, X: Numbers) -> Floats:
        """Return the normal scores of `n` molecules."""
        own = X[:, self.columns()].astype(np.float64)
        way = np.clip((own[:, :, None] - self.starts) / self.widths, 0, 1)
        return np.asarray(self.lowest + (way * self.rises).sum(axis=2))

    def of(self, z: Floats) -> float:
        """Return the term for one molecule's values."""
        return float(self.weights @ self._decayed(((z - self.learned) ** 2).sum(axis=1))[0])

    def slopes(self, x: Floats, others: Floats) -> Floats:
        """Return each column's slope at one point of the path to `x` from each of the `k` others, `k x columns`."""
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
    """A kernel model: a sum of terms, and the molecules that a prediction is set against."""

    terms: tuple[CountTerm | RankTerm, ...]
    """The sum, which is a regression's value or a decision."""
    line: tuple[float, float, float]
    """What is added to the sum; slope and offset that turn it into log-odds, 1 and 0 for a regression."""
    log_odds: bool
    """Whether the sum is the log-odds of class 1 instead of the prediction itself."""
    others: NDArray[np.float32]
    """Features of `k` training molecules."""

    def sums(self, X: Numbers) -> Floats:
        """Return the sum of all terms for `n` molecules."""
        added, slope, offset = self.line
        total = np.full(len(X), added)
        for term in self.terms:
            total += [term.of(values) for values in term.values(X)]
        return total * slope + offset

    def slopes(self, x: Numbers) -> Floats:
        """Return how much each of `d` columns moves the sum, per unit of the column, on the way from other molecules.

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
        """Yield the table as named arrays."""
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
    """Return where on its path the point of one of the others is, in (0, 1)."""
    return (number + 1) * GOLDEN % 1.0
