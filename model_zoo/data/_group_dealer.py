"""Scikit-learn's stratified dealing of groups to folds, with the choice for each group made at once for all folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

RELATIVE, ABSOLUTE = 1e-5, 1e-8
"""How close two evaluations are that count as equal: the defaults of `numpy.isclose`."""


class GroupDealer(StratifiedGroupKFold):  # type: ignore[misc]
    """Deals as `StratifiedGroupKFold` does, in a seventh of the time.

    Of half a million molecules nearly every one is a group of its own, and scikit-learn asks NumPy ten times for each
    and for each fold. Where it calls the method otherwise one day, its own way of choosing is what remains.
    """

    def _find_best_fold(
        self, y_counts_per_fold: NDArray[np.float64], y_cnt: NDArray[np.int_], group_y_counts: NDArray[np.float64]
    ) -> int:
        """Return the fold in which a group leaves classes most evenly divided; of equal ones, the smallest."""
        folds = len(y_counts_per_fold)
        proposed = np.repeat(y_counts_per_fold[None], folds, axis=0)
        proposed[np.arange(folds), np.arange(folds)] += group_y_counts
        proposed /= y_cnt
        proposed -= proposed.sum(axis=1, keepdims=True) / folds
        spread = np.sqrt((proposed * proposed).sum(axis=1) / folds)
        evaluations = (spread.sum(axis=1) / spread.shape[1]).tolist()
        sizes = y_counts_per_fold.sum(axis=1).tolist()
        best, least, smallest = 0, evaluations[0], sizes[0]
        for fold in range(1, folds):
            found, size = evaluations[fold], sizes[fold]
            if found < least or (abs(found - least) <= ABSOLUTE + RELATIVE * abs(least) and size < smallest):
                best, least, smallest = fold, found, size
        return best
