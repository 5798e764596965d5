"""Covariances of molecules that fall with their distance, one term per block of features.

A term is `signal * exp(-distance / reach)`, which is a covariance for both distances: `minmax`, one less the MinMax
kernel of two rows of counts, and `rank`, the root of the mean squared difference of columns whose values were replaced
by the normal scores of their ranks, so that a descriptor's unit and its outliers do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from model_zoo.errors import TrainingError
from model_zoo.models._kernel import Unary, kernel
from model_zoo.models._onnx_graph import OnnxGraph
from model_zoo.type_aliases import Numbers

KNOTS = 25
SMOOTHING = 1e-8
"""Added to a squared distance: its root would otherwise turn rounding errors of 1e-14 into distances of 1e-7."""
WIDTH_OF_PRIOR = 3.0
"""Standard deviation of the logarithm of every parameter around where the search begins."""


class Block(BaseModel):
    """Neighbouring columns of the features that are compared together."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    columns: int = Field(ge=1)
    distance: Literal["minmax", "rank"] = "minmax"
    per_count: float = Field(default=1.0, gt=0)
    """For `minmax`: what counts as one. Values of columns that are not whole numbers are rounded to multiples of it."""
    largest: int = Field(default=255, ge=1)
    """For `minmax`: larger counts are cut."""


class Minmax:
    """Distance to `m` learned rows of counts: one less the MinMax kernel.

    Examples
    --------
    >>> learned = np.array([[1.0, 0.0], [1.0, 2.0]])
    >>> Minmax(learned, Block(columns=2)).distances(np.array([[1.0, 2.0]])).round(3).tolist()
    [[0.667, 0.0]]
    """

    def __init__(self, learned: Numbers, block: Block) -> None:
        self.block = block
        self.counts = _counts(learned, block)
        self.unary = Unary.of(self.counts)
        self.bits = self.unary.bits(self.counts)
        self.sums = self.counts.sum(axis=1, dtype=np.float64)

    def distances(self, X: Numbers) -> NDArray[np.float64]:
        """Return `n x m` distances in [0, 1]."""
        counts = _counts(X, self.block)
        found = kernel(self.unary.bits(counts), self.bits, (counts.sum(axis=1, dtype=np.float64), self.sums))
        return np.asarray(1 - found)

    def nodes(self, graph: OnnxGraph, X: str) -> str:
        """Add the nodes that give the distances from the columns `X`; give the name of the result."""
        block = self.block
        counts = X
        if block.per_count != 1:
            scaled = graph.add("Div", X, graph.constant(np.float32(block.per_count)))
            counts = graph.add("Round", scaled)
        counts = graph.add("Min", counts, graph.constant(np.float32(block.largest)))
        own = graph.add("ReduceSum", counts, graph.constant(np.array([1])), keepdims=1)
        both = graph.add("Add", graph.add("Cast", own, to=graph.types.DOUBLE), graph.constant(self.sums))
        common = (
            self._common(graph, counts) if len(self.unary.columns) else graph.constant(np.zeros((1, len(self.sums))))
        )
        union = graph.add("Max", graph.add("Sub", both, common), graph.constant(np.float64(1)))
        return graph.add("Sub", graph.constant(np.float64(1)), graph.add("Div", common, union))

    def _common(self, graph: OnnxGraph, counts: str) -> str:
        """Add the nodes that give the sums of the smaller of two counts, `n x m`."""
        spread = graph.add("Gather", counts, graph.constant(self.unary.columns), axis=1)
        reached = graph.add("GreaterOrEqual", spread, graph.constant(self.unary.thresholds))
        bits = graph.add("Cast", reached, to=graph.types.UINT8)
        # Of thousands of bits a molecule has hundreds: only what some row has is read of the learned ones.
        some = graph.add("ReduceMax", bits, graph.constant(np.array([0])), keepdims=0)
        # The first bit is always read: where no row has any, ONNX Runtime 1.31 returns whatever was in memory.
        first = np.eye(1, len(self.unary.columns), dtype=np.uint8)[0]
        some = graph.add("BitwiseOr", some, graph.constant(first))
        places = graph.add("Squeeze", graph.add("NonZero", some), graph.constant(np.array([0])))
        learned = graph.add("Gather", graph.unpacked(self.bits.T > 0), places, axis=0)
        shared = graph.add("MatMulInteger", graph.add("Gather", bits, places, axis=1), learned)
        return graph.add("Cast", shared, to=graph.types.DOUBLE)


class Rank:
    """Distance to `m` learned rows of descriptors by normal scores of ranks, linear between 25 quantiles of a column.

    Examples
    --------
    >>> learned = np.array([[1.0], [10.0], [100.0]])
    >>> Rank(learned, Block(columns=1, distance="rank")).distances(np.array([[10.0], [1e9]])).round(3).tolist()
    [[0.674, 0.0, 0.674], [1.349, 0.674, 0.0]]
    """

    def __init__(self, learned: Numbers, block: Block) -> None:
        from scipy.stats import norm, rankdata

        self.block = block
        values = np.asarray(learned, dtype=np.float64)
        count, width = values.shape
        self.starts = np.zeros((width, KNOTS - 1))
        self.widths = np.ones((width, KNOTS - 1))
        self.rises = np.zeros((width, KNOTS - 1))
        self.lowest = np.zeros(width)
        for column in range(width):
            scores = norm.ppf(rankdata(values[:, column]) / (count + 1))
            places = np.unique(np.argsort(values[:, column])[np.linspace(0, count - 1, KNOTS).round().astype(int)])
            knots, first = np.unique(values[places, column], return_index=True)
            heights = scores[places][first]
            steps = len(knots) - 1
            self.starts[column, :steps] = knots[:-1]
            self.widths[column, :steps] = np.diff(knots)
            self.rises[column, :steps] = np.diff(heights)
            self.lowest[column] = heights[0]
        self.scores = self._scores(values)
        self.squares = (self.scores**2).sum(axis=1)

    def distances(self, X: Numbers) -> NDArray[np.float64]:
        """Return `n x m` distances, one where columns differ by a standard deviation on average."""
        scores = self._scores(np.asarray(X, dtype=np.float64))
        squared = (scores**2).sum(axis=1)[:, None] + self.squares - 2 * (scores @ self.scores.T)
        return np.asarray(np.sqrt(np.maximum(squared / self.block.columns, 0) + SMOOTHING) - np.sqrt(SMOOTHING))

    def _scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        result = np.tile(self.lowest, (len(values), 1))
        for knot in range(KNOTS - 1):
            way = (values - self.starts[:, knot]) / self.widths[:, knot]
            result += np.clip(way, 0, 1) * self.rises[:, knot]
        return result

    def nodes(self, graph: OnnxGraph, X: str) -> str:
        """Add the nodes that give the distances from the columns `X`; give the name of the result."""
        wide = graph.add("Unsqueeze", graph.add("Cast", X, to=graph.types.DOUBLE), graph.constant(np.array([2])))
        moved = graph.add("Sub", wide, graph.constant(self.starts))
        way = graph.add("Div", moved, graph.constant(self.widths))
        within = graph.add("Clip", way, graph.constant(np.float64(0)), graph.constant(np.float64(1)))
        risen = graph.add("Mul", within, graph.constant(self.rises))
        summed = graph.add("ReduceSum", risen, graph.constant(np.array([2])), keepdims=0)
        scores = graph.add("Add", summed, graph.constant(self.lowest))
        squares = graph.add("Mul", scores, scores)
        own = graph.add("ReduceSum", squares, graph.constant(np.array([1])), keepdims=1)
        both = graph.add("Add", own, graph.constant(self.squares))
        shared = graph.add("MatMul", scores, graph.constant(2 * self.scores.T))
        mean = graph.add("Div", graph.add("Sub", both, shared), graph.constant(np.float64(self.block.columns)))
        above = graph.add("Max", mean, graph.constant(np.float64(0)))
        root = graph.add("Sqrt", graph.add("Add", above, graph.constant(np.float64(SMOOTHING))))
        return graph.add("Sub", root, graph.constant(np.sqrt(np.float64(SMOOTHING))))


DISTANCES: dict[str, type[Minmax | Rank]] = {"minmax": Minmax, "rank": Rank}


@dataclass(frozen=True)
class Terms:
    """What the marginal likelihood found, for values of variance one: `signals` and `reaches` per block, and noise."""

    signals: NDArray[np.float64]
    reaches: NDArray[np.float64]
    noise: float

    def covariance(self, distances: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Sum the terms of all blocks, whose distances need not be in memory at once."""
        parts = zip(self.signals, self.reaches, distances, strict=True)
        return np.asarray(sum(signal * np.exp(-distance / reach) for signal, reach, distance in parts))


def find_terms(distances: list[NDArray[np.float64]], y: NDArray[np.float64], smallest_noise: float) -> Terms:
    """Maximise the marginal likelihood, each parameter held within reason by a wide prior on its logarithm.

    Parameters
    ----------
    distances
        Per block, `n x n`.
    y
        `n` values of mean zero and variance one.
    smallest_noise
        The least variance of the noise.

    Examples
    --------
    >>> X = np.linspace(0, 3, 40)
    >>> terms = find_terms([np.abs(X[:, None] - X)], np.sin(3 * X), 1e-3)
    >>> bool(terms.noise < 0.01 < terms.signals[0])
    True
    """
    from scipy.optimize import minimize

    blocks = len(distances)
    start = np.log(np.concatenate([np.full(blocks, 1 / blocks), np.full(blocks, 1.0), [max(0.3, smallest_noise)]]))
    bounds = [(value - 8, value + 5) for value in start[:-1]] + [(np.log(smallest_noise), 3.0)]
    found = minimize(
        _loss, start, args=(distances, y, start), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
    )
    values = np.exp(found.x)
    return Terms(values[:blocks], values[blocks : 2 * blocks], float(values[-1]))


def _loss(
    logarithms: NDArray[np.float64], distances: list[NDArray[np.float64]], y: NDArray[np.float64], start: Numbers
) -> tuple[float, NDArray[np.float64]]:
    """Return the negative logarithm of the posterior, and its gradient (Rasmussen & Williams, equation 5.9)."""
    from scipy.linalg import cho_solve

    blocks = len(distances)
    values = np.exp(logarithms)
    parts = [
        signal * np.exp(-distance / reach)
        for signal, reach, distance in zip(values, values[blocks:], distances, strict=False)
    ]
    factor = factored(np.asarray(sum(parts)), values[-1])
    weights = cho_solve(factor, y, check_finite=False)
    away = (logarithms - start) / WIDTH_OF_PRIOR
    loss = 0.5 * y @ weights + np.log(np.diagonal(factor[0])).sum() + 0.5 * away @ away
    slope = cho_solve(factor, np.eye(len(y)), check_finite=False) - np.outer(weights, weights)
    of_signals = [0.5 * np.vdot(slope, part) for part in parts]
    reaches = values[blocks : 2 * blocks]
    triples = zip(parts, distances, reaches, strict=True)
    of_reaches = [0.5 * np.vdot(slope, part * distance) / reach for part, distance, reach in triples]
    gradient = np.array([*of_signals, *of_reaches, 0.5 * values[-1] * np.trace(slope)])
    return float(loss), gradient + away / WIDTH_OF_PRIOR


def factored(covariance: NDArray[np.float64], noise: float) -> tuple[NDArray[np.float64], bool]:
    """Return the Cholesky factor of a covariance with noise on its diagonal; the covariance is overwritten.

    Raises
    ------
    TrainingError
        When it has none.
    """
    from scipy.linalg import LinAlgError, cho_factor

    covariance[np.diag_indices_from(covariance)] += noise
    try:
        # Symmetric, and turned over in the order of LAPACK, which would copy it else.
        factor, lower = cho_factor(covariance.T, lower=True, overwrite_a=True, check_finite=False)
    except (LinAlgError, ValueError) as error:
        raise TrainingError(f"gp: the covariance of {len(covariance)} molecules cannot be factored: {error}") from error
    return factor, bool(lower)


def _counts(X: Numbers, block: Block) -> NDArray[np.float32]:
    """Round to counts and cut them."""
    whole = block.per_count == 1
    if not np.all(np.isfinite(X) & (X >= 0) & (np.floor(X) == X if whole else True)):
        raise TrainingError(
            "gp: expected counts (whole numbers from 0), got other features. Name fingerprints in its YAML, such as "
            "`features: [morgan_count]`, or say in `blocks` which columns are compared by rank."
        )
    scaled = X.astype(np.float32) if whole else np.round(X.astype(np.float32) / np.float32(block.per_count))
    return np.minimum(scaled, np.float32(block.largest))
