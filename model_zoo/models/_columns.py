"""Columns of features as a network reads them: counts by their logarithm, measures by their quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.models._covariance import Block
from model_zoo.models._dmpnn_onnx import slopes
from model_zoo.models._onnx_graph import OnnxGraph
from model_zoo.type_aliases import Numbers

LEAST_MOLECULES = 5
"""A count that fewer molecules have is left out: nothing is learnt from it."""
KNOTS = 33
COUNTED, RANKED = 0.3, 3.0
"""Spread of the logarithm of a count, and range of a measure around zero, as the network sees them."""
SMALLEST_SPREAD = 0.1


@dataclass(frozen=True)
class Columns:
    """Which columns are read, and how."""

    width: int
    """How many columns the features have."""
    counts: NDArray[np.int64]
    factors: NDArray[np.float32]
    """`counts` and `factors`: places of the counts that are read, and what each logarithm is multiplied by."""
    measures: NDArray[np.int64]
    knots: NDArray[np.float32]
    """`measures` and `knots`: places of the measures that are read, and `33 x m` quantiles of them."""

    @classmethod
    def of(cls, X: Numbers, blocks: Sequence[Block]) -> Columns:
        """Read the scales off `n x d` features.

        Raises
        ------
        TrainingError
            When the blocks do not have as many columns, or no column varies.
        """
        total = sum(block.columns for block in blocks)
        if total != X.shape[1]:
            raise TrainingError(
                f"expected {total} columns of features for the {len(blocks)} blocks of the configuration, got "
                f"{X.shape[1]}. Give `blocks` in the order of `features`, each with the columns of its featurizer."
            )
        counted = np.repeat([block.distance == "minmax" for block in blocks], [block.columns for block in blocks])
        varying = (X[:1] != X).any(axis=0)
        counts = np.flatnonzero(counted & varying & ((X > 0).sum(axis=0) >= LEAST_MOLECULES))
        measures = np.flatnonzero(~counted & varying)
        if len(counts) + len(measures) == 0:
            raise TrainingError("expected features that differ: choose featurizers that distinguish these molecules")
        spread = np.log1p(np.maximum(X[:, counts].astype(np.float32), 0)).std(axis=0, dtype=np.float64)
        factors = (COUNTED / np.maximum(spread, SMALLEST_SPREAD)).astype(np.float32)
        knots = np.quantile(X[:, measures].astype(np.float64), np.linspace(0, 1, KNOTS), axis=0).astype(np.float32)
        return cls(X.shape[1], counts, factors, measures, knots)

    def scaled(self, X: Numbers) -> NDArray[np.float32]:
        """Return `n x m` inputs of a network.

        Examples
        --------
        >>> X = np.arange(33.0)[:, None]
        >>> Columns.of(X, [Block(columns=1, distance="rank")]).scaled(X[[0, 16, 32]])[:, 0].tolist()
        [-1.5, 0.0, 1.5]
        """
        counted = np.log1p(np.maximum(X[:, self.counts].astype(np.float32), 0)) * self.factors
        measured = X[:, self.measures].astype(np.float32)
        steep = slopes(self.knots)
        ranked = np.zeros(measured.shape, dtype=np.float32)
        for low, slope in zip(self.knots[:-1], steep, strict=True):
            ranked += np.clip((measured - low) * slope, 0, 1)
        mean = ranked / np.float32(KNOTS - 1) - np.float32(0.5)
        return np.hstack([counted, mean * np.float32(RANKED)])

    def nodes(self, graph: OnnxGraph, X: str) -> str:
        """Add the nodes that give the inputs from the features; give the name of the result."""
        zero, one = graph.constant(np.float32(0)), graph.constant(np.float32(1))
        counts = graph.add("Max", graph.add("Gather", X, graph.constant(self.counts), axis=1), zero)
        logarithm = graph.add("Log", graph.add("Add", counts, one))
        counted = graph.add("Mul", logarithm, graph.constant(self.factors))
        measured = graph.add("Gather", X, graph.constant(self.measures), axis=1)
        raw = graph.add("Unsqueeze", measured, graph.constant([1]))
        moved = graph.add(
            "Mul", graph.add("Sub", raw, graph.constant(self.knots[:-1])), graph.constant(slopes(self.knots))
        )
        mean = graph.add("ReduceMean", graph.add("Clip", moved, zero, one), graph.constant([1]), keepdims=0)
        centered = graph.add("Sub", mean, graph.constant(np.float32(0.5)))
        ranked = graph.add("Mul", centered, graph.constant(np.float32(RANKED)))
        return graph.add("Concat", counted, ranked, axis=1)
