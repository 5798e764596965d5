"""Fold numbers, and who is trained on when a fold is held out.

`TEST_FOLD` is the test split. Folds that are spans of time are chained forward: each is held out against older ones
alone. The oldest span, `OLDEST`, has nothing before it: it is trained on and never scored. A model of the later ones
predicts it, so that an error is known of each training molecule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TEST_FOLD = -1
OLDEST = -2


class HeldOut(NamedTuple):
    """One fit of a cross-validation: which fold is held out, and which of the `n` rows are trained on and predicted."""

    fold: int
    fitted: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


def training_rows(folds: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Say which rows a model is trained on in the end: all but the test split."""
    return np.asarray(folds != TEST_FOLD, dtype=bool)


def held_out(folds: NDArray[np.int_]) -> Iterator[HeldOut]:
    """Yield the fits of a cross-validation; a fold that is scored is 0 or more.

    Examples
    --------
    >>> [(each.fold, each.fitted.tolist()) for each in held_out(np.array([0, 1, TEST_FOLD]))]
    [(0, [False, True, False]), (1, [True, False, False])]
    >>> for each in held_out(np.array([OLDEST, 0, 1, TEST_FOLD])):
    ...     print(each.fold, each.fitted.tolist())
    -2 [False, True, True, False]
    0 [True, False, False, False]
    1 [True, True, False, False]
    """
    rows, forward = training_rows(folds), bool((folds == OLDEST).any())
    for fold in (*((OLDEST,) if forward else ()), *range(int(folds.max()) + 1)):
        inside = folds == fold
        before = folds < fold if forward and fold != OLDEST else ~inside
        yield HeldOut(fold, rows & before, inside)
