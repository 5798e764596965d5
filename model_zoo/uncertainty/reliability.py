"""Three levels of how far to rely on a prediction, each with the error that was usual in it.

Belongs here: where the levels part, whether the parting is earned, and what was found in each.
Does not belong here: the expected error itself (see `error_model.py`), words for people (see `serving`).

A boundary is only where held-out errors on its two sides differ: where the error model cannot distinguish molecules,
it does not say that it can, and all of them are `medium`. `low` has a second meaning that needs no boundary: farther
from all training molecules than these were from each other, or beyond the range of their sizes and kinds. No error was
measured there, and as much is expected as of a molecule of which nothing is known.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model_zoo.uncertainty.error_model import ErrorModel, fit_error_model

Reliability = Literal["high", "medium", "low"]
NAMES: tuple[Reliability, ...] = ("high", "medium", "low")
PARTS = (0.5, 0.9)
"""Shares of the held-out training molecules below the two boundaries."""
FEWEST_OF_A_SIDE = 20
CLEAR = 2.0
"""By how many standard errors the mean errors on two sides of a boundary have to differ."""
BEYOND = 0.995
"""Share of the held-out training molecules that were no farther than what counts as far."""

Floats = NDArray[np.float64]


class Levels(BaseModel):
    """Where the levels part, by expected error on the scale of training, and what was usual in each."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    high_below: float | None = None
    low_from: float | None = None
    usual: tuple[float | None, float | None, float | None] = (None, None, None)
    """By level, highest first: the mean absolute error of the held-out training molecules in it, on the scale of
    training; of a binary endpoint the share of wrong labels. None where there were none."""
    farthest: tuple[float, float]
    """Distance to the nearest training molecule, and distance by properties, beyond which no error is known."""

    def place(
        self, model: ErrorModel, hard: Floats, beyond: NDArray[np.bool_]
    ) -> tuple[Floats, NDArray[np.int_], Floats]:
        """Return the expected error of `n` molecules, their level by its place in `NAMES`, and the usual error there.

        The last is NaN where none is known.

        Parameters
        ----------
        model
            What the levels were parted by.
        hard, beyond
            `n x signals` difficulties, and which molecules lie beyond the range of sizes and kinds.

        Examples
        --------
        >>> model = ErrorModel(center=(0,) * 3, spread=(1,) * 3, weights=(0, 0, 1, 0), low=-9, high=2)
        >>> levels = Levels(high_below=2.0, low_from=5.0, usual=(1.2, 3.1, 6.0), farthest=(0.9, 2.0))
        >>> hard = np.array([[0.1, 0, 1], [0.1, 1.7, 1], [0.1, 0, 9]])
        >>> [each.round(1).tolist() for each in levels.place(model, hard, np.zeros(3, dtype=bool))]
        [[1.0, 5.5, 7.4], [0, 2, 2], [1.2, 6.0, nan]]
        """
        far = self.is_far(hard) | beyond
        expected = np.where(far, np.exp(model.high), model.scale(hard))
        places = self.levels_of(expected)
        usual = np.array([np.nan if each is None else each for each in self.usual])[places]
        places[far], usual[far] = NAMES.index("low"), np.nan
        return expected, places, usual

    def levels_of(self, expected: Floats) -> NDArray[np.int_]:
        """Return the level that each of `n` expected errors alone leads to."""
        places = np.ones(len(expected), dtype=int)
        if self.high_below is not None:
            places[expected < self.high_below] = 0
        if self.low_from is not None:
            places[expected >= self.low_from] = 2
        return places

    def is_far(self, hard: Floats) -> NDArray[np.bool_]:
        """Return which of `n` molecules lie where no training molecule was while it was held out."""
        return np.asarray((hard[:, 0] > self.farthest[0]) | (hard[:, 2] > self.farthest[1]))


def fit_levels(expected: Floats, shown: Floats, hard: Floats) -> Levels:
    """Part the levels by what was expected of `n` molecules while they were held out, and found then.

    Parameters
    ----------
    expected
        Expected errors, by a model that was fitted without the molecule's fold.
    shown
        What is reported of a level is the mean of these: absolute errors, or 1 for a wrong label and 0 for a right one.
    hard
        `n x signals` difficulties.
    """
    farthest = (float(np.quantile(hard[:, 0], BEYOND)), float(np.quantile(hard[:, 2], BEYOND)))
    edges = [float(edge) for edge in np.quantile(expected, PARTS)]
    upper = edges[1] if _differ(shown, (expected >= edges[0]) & (expected < edges[1]), expected >= edges[1]) else None
    rest = expected >= edges[0] if upper is None else (expected >= edges[0]) & (expected < upper)
    lower = edges[0] if _differ(shown, expected < edges[0], rest) else None
    draft = Levels(high_below=lower, low_from=upper, farthest=farthest)
    places = draft.levels_of(expected)
    known = ~draft.is_far(hard)
    usual = [float(shown[known & (places == place)].mean()) if (known & (places == place)).any() else None
             for place in range(len(NAMES))]  # fmt: skip
    return draft.model_copy(update={"usual": tuple(usual)})


def held_out_expectations(hard: Floats, errors: Floats, folds: NDArray[np.int_], ceiling: float = 0.0) -> Floats:
    """Return the error expected by a model fitted without the molecule's fold; of a single fold by its own.

    Where the other folds have no error at all, nothing is expected.
    """
    expected = np.empty(len(errors))
    for fold in np.unique(folds):
        inside = folds == fold
        rest = ~inside if not inside.all() else inside
        model = fit_error_model(hard[rest], errors[rest], ceiling)
        expected[inside] = model.scale(hard[inside]) if errors[rest].any() else 0.0
    return expected


def _differ(shown: Floats, below: NDArray[np.bool_], above: NDArray[np.bool_]) -> bool:
    """Return whether what is above a boundary was worse than what is below, beyond chance."""
    if min(int(below.sum()), int(above.sum())) < FEWEST_OF_A_SIDE:
        return False
    typical = float(shown.mean()) or 1.0  # squares of errors in some units are no numbers
    less, more = shown[below] / typical, shown[above] / typical
    noise = float(np.sqrt(less.var(ddof=1) / len(less) + more.var(ddof=1) / len(more)))
    return bool(more.mean() - less.mean() > CLEAR * noise)
