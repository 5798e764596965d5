"""Exact path-dependent tree SHAP with numpy alone: how much each feature moves a prediction from the average one.

Source: Lundberg et al., Nature Machine Intelligence 2020, 2, 56 defines the values. Here the weights of the Shapley
value are written as an integral, `|S|! (d - |S| - 1)! / d! = int t^|S| (1 - t)^(d - |S| - 1) dt`, so that what a leaf
gives is the integral of a product with one factor per feature of its path; Gauss-Legendre quadrature with half as many
points as there are features is exact for it. Products run down the trees and sums run up, one level of all trees at a
time.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model_zoo.explanation.tree_tables import TreeTable
from model_zoo.type_aliases import Numbers

MOST_POINTS = 8
"""Points of quadrature for the deepest forests: exact for 16 features on a path. Forests with paths of 75 edges gave
the same to 1e-14 with 8, 16 and 24 points."""

Floats = NDArray[np.float64]


def contributions(table: TreeTable, x: Numbers) -> tuple[Floats, float]:
    """Return the contribution of each of `d` columns for one molecule, and the ensemble's sum for it.

    Parameters
    ----------
    table
        The ensemble.
    x
        `d` features of the molecule.

    Returns
    -------
    tuple
        `d` contributions; and the sum, which is `table.baseline` plus all contributions.
    """
    t, weight = _quadrature(min(MOST_POINTS, max(1, (table.depth + 1) // 2)))
    has_feature = table.feature >= 0
    asked = x[np.where(has_feature, table.feature, 0)]
    agrees = ((table.low < asked) & (asked <= table.high)) | ~has_feature
    factor = np.outer(table.share, 1.0 - t) + agrees[:, None] * t
    # No training molecule agrees, nor does this one: nothing below counts, and nothing must be divided by zero.
    dead = (table.share == 0) & ~agrees
    factor[dead] = 1.0
    again = np.flatnonzero(table.before >= 0)
    step = factor.copy()
    step[again] /= factor[table.before[again]]
    step[dead] = 0.0
    total = _leaf_sums(table, step)
    gain = agrees - table.share
    moved = gain * ((total / factor) @ weight)
    result: Floats = np.bincount(table.feature[has_feature], moved[has_feature], minlength=len(x)).astype(np.float64)
    # What is below a second question about a feature was counted with the first question too: take it back.
    first = table.before[again]
    twice = gain[first] * ((total[again] / factor[first]) @ weight)
    result = result - np.bincount(table.feature[again], twice, minlength=len(x))
    return result, float(table.start + table.value[_reached(table, agrees)].sum())


def _leaf_sums(table: TreeTable, step: Floats) -> Floats:
    """Multiply the steps down to the leaves, and sum the leaves' values times that up again: `m x q`."""
    for start, stop in pairwise(table.levels[1:]):
        step[start:stop] *= step[table.parent[start:stop]]
    total = step * table.value[:, None]
    for start, stop in reversed(list(pairwise(table.levels[1:]))):
        pairs = total[start:stop].reshape(-1, 2, total.shape[1]).sum(axis=1)
        total[table.parent[start:stop:2]] += pairs
    return total


def _reached(table: TreeTable, agrees: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nodes the molecule passes."""
    passes = agrees.copy()
    for start, stop in pairwise(table.levels[1:]):
        passes[start:stop] &= passes[table.parent[start:stop]]
    return passes


@lru_cache(maxsize=32)
def _quadrature(points: int) -> tuple[Floats, Floats]:
    at, weight = np.polynomial.legendre.leggauss(points)
    return (at + 1.0) / 2.0, weight / 2.0
