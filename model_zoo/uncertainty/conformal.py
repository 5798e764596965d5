"""Intervals of molecule-specific width that hold nine times in ten, from errors on held-out scaffolds.

Belongs here: the conformal factor that turns an expected error into a width, and measuring honestly how often such
intervals hold.
Does not belong here: the expected error (see `error_model.py`), probabilities of classes (see `calibration.py`).

A width is the expected error of the molecule times one factor: the one with which nine of ten held-out errors are
inside. That is so for molecules of the laboratories that the training values are from. Another laboratory's values
differ from these by more, of which held-out errors know nothing: where an endpoint states by how much
(`between_laboratories`), it is added as variances are. Which of this holds on assays that were withheld is measured
by `tests/benchmarks/bench_assays.py`. Sources: Papadopoulos et al., J. Artif. Intell. Res. 2011, 40, 815 (normalised
conformal prediction); Lei et al., J. Am. Stat. Assoc. 2018, 113, 1094.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_zoo.type_aliases import Json
from model_zoo.uncertainty.error_model import ErrorModel, fit_error_model

COVERAGE = 0.9


def conformal_half_width(residuals: NDArray[np.float64], coverage: float = COVERAGE) -> float:
    """Return the half width of a split-conformal interval from held-out residuals.

    Source: Lei et al., J. Am. Stat. Assoc. 2018, 113, 1094; the finite-sample quantile
    `ceil((n + 1) * coverage) / n` of the absolute residuals.

    Examples
    --------
    >>> conformal_half_width(np.arange(1.0, 101.0), 0.9)
    91.0

    Raises
    ------
    ValueError
        When there are fewer residuals than `fewest_errors`: no finite width reaches the coverage.
    """
    n = len(residuals)
    rank = int(np.ceil((n + 1) * coverage))
    if rank > n:
        raise ValueError(f"expected at least {fewest_errors(coverage)} residuals for coverage {coverage:g}, got {n}")
    return float(np.sort(np.abs(residuals))[rank - 1])


def fewest_errors(coverage: float = COVERAGE) -> int:
    """Return how many held-out errors an interval of this coverage takes: with fewer, no finite width is safe.

    Examples
    --------
    >>> fewest_errors(0.9), fewest_errors(0.5)
    (9, 1)
    """
    return next(n for n in range(1, 10_000) if np.ceil((n + 1) * coverage) <= n)


BINS = 5
WITHIN = 1.645
"""Standard deviations from the middle of a normal distribution within which nine of ten values are."""

Floats = NDArray[np.float64]


class IntervalRule(ErrorModel):
    """How wide an interval is, by how hard the molecule is."""

    factor: float
    """The conformal quantile of errors over expected errors."""
    between: float = 0.0
    """Standard deviation of one molecule's values between laboratories, on the scale of training; 0 where nobody said
    it, and in bundles up to format 4."""

    def half_width(self, difficulty: Floats) -> Floats:
        """Return half the width of the interval of `n` molecules, on the scale of training."""
        return self.around(self.scale(difficulty))

    def around(self, expected: Floats) -> Floats:
        """Return half the width of the interval for `n` expected errors, on the scale of training.

        Examples
        --------
        >>> rule = IntervalRule(factor=2.0, between=1.0)
        >>> rule.around(np.array([0.0, 3.0])).round(3).tolist()
        [1.645, 6.221]
        """
        return np.hypot(self.factor * expected, WITHIN * self.between)


def fit_interval_rule(
    hard: Floats,
    errors: Floats,
    folds: NDArray[np.int_],
    coverage: float = COVERAGE,
    ceiling: float = 0.0,
    between: float = 0.0,
) -> IntervalRule | None:
    """Fit the rule on absolute out-of-fold errors; none where there are too few for the coverage, see `fewest_errors`.

    Errors in another unit lead to the same rule in that unit: every scale is one of errors, learnt or their mean.

    Parameters
    ----------
    hard
        `n x signals`, see `held_out_difficulty`.
    errors
        `n` absolute out-of-fold errors on the scale of training.
    folds
        `n` fold numbers: an error is divided by an expectation that was learnt on the other folds.
    ceiling
        See `fit_error_model`.
    between
        See `IntervalRule`.
    """
    if len(errors) < fewest_errors(coverage):
        return None
    model = fit_error_model(hard, errors, ceiling)
    scores = np.empty(len(errors))
    for fold in np.unique(folds):
        inside = folds == fold
        # Errors that are all zero have no scale.
        known = errors[~inside].any()
        learnt = fit_error_model(hard[~inside], errors[~inside], ceiling) if known else model
        scores[inside] = errors[inside] / learnt.scale(hard[inside])
    return IntervalRule(**model.model_dump(), factor=conformal_half_width(scores, coverage), between=between)


def held_out_half_widths(
    hard: Floats, errors: Floats, folds: NDArray[np.int_], ceiling: float = 0.0, between: float = 0.0
) -> Floats:
    """Return the half width that each molecule gets from a rule fitted without its fold: what coverage is measured on.

    With a single fold nothing can be held out, and the widths are those of the rule itself. NaN where the other folds
    are too few for a rule: such a molecule says nothing of coverage.
    """
    widths = np.full(len(errors), np.nan)
    for fold in np.unique(folds):
        inside = folds == fold
        rest = ~inside if not inside.all() else inside
        rule = fit_interval_rule(hard[rest], errors[rest], folds[rest], ceiling=ceiling, between=between)
        if rule is not None:
            widths[inside] = rule.half_width(hard[inside])
    return widths


def bin_edges(similarity: Floats) -> list[float]:
    """Return the inner edges of five similarity bins of about equal size."""
    return [float(edge) for edge in np.unique(np.quantile(similarity, np.linspace(0, 1, BINS + 1)[1:-1]))]


def coverage_report(holds: NDArray[np.bool_], similarity: Floats, edges: list[float]) -> dict[str, Json]:
    """Return how often `n` statements hold, overall and by bins of similarity to the nearest training molecule.

    Examples
    --------
    >>> report = coverage_report(np.array([True, False]), np.array([0.2, 0.8]), [0.5])
    >>> report["coverage"], [(each["from"], each["to"], each["coverage"]) for each in report["bins"]]
    (0.5, [(0.0, 0.5, 1.0), (0.5, 1.0, 0.0)])
    """
    if len(holds) == 0:
        return {"molecules": 0, "coverage": None, "bins": []}
    bins, numbers = [], np.searchsorted(edges, similarity, side="right")
    ends = [0.0, *edges, 1.0]
    # Bin 0 is the least similar one; the report is for readers, so three digits are enough.
    for number in range(len(ends) - 1):
        inside = numbers == number
        share = round(float(holds[inside].mean()), 4) if inside.any() else None
        bins.append(
            {
                "from": round(ends[number], 3),
                "to": round(ends[number + 1], 3),
                "molecules": int(inside.sum()),
                "coverage": share,
            }
        )
    return {"molecules": len(holds), "coverage": round(float(holds.mean()), 4), "bins": bins}
