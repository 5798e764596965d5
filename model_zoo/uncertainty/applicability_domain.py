"""The training molecules, to say how near a new one is: by its parts, and by size and kind.

Belongs here: what a bundle stores of them for that.
Does not belong here: what follows for a prediction (see `error_model.py`, `reliability.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.similarity import PackedFingerprints, nearest_rows, rows_asked, tanimoto_nearest
from model_zoo.uncertainty.property_distance import PropertySpace


@dataclass(frozen=True)
class Domain:
    """The training molecules as packed fingerprints, to say how near a new molecule is."""

    packed: NDArray[np.uint8]
    """`n x 128` bytes: 1024 bits per training molecule, by the version of the rule that its bundle names."""
    threshold: float
    """The 5th percentile of the training molecules' own similarity to their nearest neighbour in another fold. In
    bundles up to format 3, a molecule at or above it counts as inside."""
    properties: NDArray[np.float64] | None = None
    """`n x p` sizes and kinds, see `size_and_kind`; none in bundles up to format 3."""

    def nearest(self, packed: NDArray[np.uint8], k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the `k` highest Tanimoto similarities and the training rows they belong to, both `n x k`.

        Parameters
        ----------
        packed
            `n` molecules as `pack` gives them.
        """
        return nearest_rows(packed, self._references, k)

    def distance(self, properties: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far `n` molecules lie from the training molecules by size and kind, see `PropertySpace`."""
        return self._space.distance(properties)

    def beyond(self, properties: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of `n` molecules lie beyond the range of the training molecules by size or kind."""
        return self._space.beyond(properties)

    @cached_property
    def _space(self) -> PropertySpace:
        assert self.properties is not None, "a bundle whose rule asks for distances has them"
        return PropertySpace(self.properties)

    @cached_property
    def _references(self) -> PackedFingerprints:
        return PackedFingerprints(self.packed)


def fit_domain(packed: NDArray[np.uint8], properties: NDArray[np.float64], folds: NDArray[np.int_]) -> Domain:
    """Build the domain of training molecules, its threshold from similarity across folds.

    Of more than `similarity.MOST_ASKED` molecules the threshold is that of so many drawn ones; the domain holds all.

    Parameters
    ----------
    packed, properties
        The `n` training molecules as `similarity.pack` and `size_and_kind` give them.
    folds
        Their fold numbers: a molecule's nearest neighbour is sought in the other folds only, which is
        how far apart the molecules were when the model was scored.
    """
    asked = rows_asked(len(packed))
    nearest, fold_of = np.zeros(len(asked)), folds[asked]
    for fold in np.unique(fold_of):
        inside, others = fold_of == fold, folds != fold
        if not others.any():
            nearest[inside] = 1.0
            continue
        nearest[inside] = tanimoto_nearest(packed[asked[inside]], packed[others])[0][:, 0]
    return Domain(packed, float(np.percentile(nearest, 5)), properties)
