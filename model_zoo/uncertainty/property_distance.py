"""How far a molecule is from the training molecules by size and kind, which similarity of parts does not show."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

NEAREST = 5
MOST = 2_000
"""Training molecules that are looked at: of more, evenly chosen ones."""
LEAST_SPREAD = 0.1
"""A property that hardly varies in training is measured by this instead: a first ring is far, not infinitely far."""
BLOCK = 500
ROUNDING = 1e-5
"""Bundles hold single precision: a training molecule is not beyond itself."""

Floats = NDArray[np.float64]


class PropertySpace:
    """The properties of the training molecules, each in units of its own spread.

    Parameters
    ----------
    properties
        `n x p`, see `size_and_kind`.

    Examples
    --------
    >>> space = PropertySpace(np.linspace(0, 1, 11)[:, None])
    >>> space.distance(np.array([[0.5], [30.0]])).round(1).tolist()
    [0.4, 92.3]
    """

    def __init__(self, properties: Floats) -> None:
        self.properties = np.asarray(properties, dtype=np.float64)

    def distance(self, properties: Floats) -> Floats:
        """Return the mean distance of `m` molecules to their nearest training molecules, in spreads per property."""
        return self._distance(properties, self._chosen)

    def held_out(self, folds: NDArray[np.int_]) -> Floats:
        """Return the distance of each training molecule to those of other folds; with a single fold, to all."""
        found = np.empty(len(folds))
        for fold in np.unique(folds):
            inside = folds == fold
            others = self.properties[~inside] if not inside.all() else self.properties
            found[inside] = self._distance(self.properties[inside], self._scaled(evenly(others)))
        return found

    def beyond(self, properties: Floats) -> NDArray[np.bool_]:
        """Return which of `m` molecules are larger, or smaller, by some property than every training molecule."""
        if not len(self.properties):
            return np.zeros(len(properties), dtype=bool)
        low, high = self._range
        return np.asarray(((properties < low - ROUNDING) | (properties > high + ROUNDING)).any(axis=1))

    @cached_property
    def _range(self) -> tuple[Floats, Floats]:
        return self.properties.min(axis=0), self.properties.max(axis=0)

    @cached_property
    def _scale(self) -> tuple[Floats, Floats]:
        if not len(self.properties):
            return np.zeros(self.properties.shape[1]), np.ones(self.properties.shape[1])
        return self.properties.mean(axis=0), np.maximum(self.properties.std(axis=0), LEAST_SPREAD)

    @cached_property
    def _chosen(self) -> Floats:
        return self._scaled(evenly(self.properties))

    def _scaled(self, properties: Floats) -> Floats:
        center, spread = self._scale
        return (properties - center) / spread

    def _distance(self, properties: Floats, references: Floats) -> Floats:
        asked, count = self._scaled(np.asarray(properties, dtype=np.float64)), min(NEAREST, len(references))
        if not count:
            return np.zeros(len(asked))
        found = np.empty(len(asked))
        squares = (references**2).sum(axis=1)
        for start in range(0, len(asked), BLOCK):
            some = asked[start : start + BLOCK]
            apart = (some**2).sum(axis=1)[:, None] + squares - 2 * some @ references.T
            nearest = np.partition(apart, count - 1, axis=1)[:, :count]
            found[start : start + BLOCK] = np.sqrt(np.maximum(nearest, 0.0) / references.shape[1]).mean(axis=1)
        return found


def evenly(properties: Floats) -> Floats:
    """Choose at most so many rows, evenly over their order by size: which ones does not depend on the rows' order."""
    if len(properties) <= MOST:
        return properties
    order = np.lexsort(properties.T[::-1])
    return np.asarray(properties[order[np.linspace(0, len(order) - 1, MOST).round().astype(int)]])
