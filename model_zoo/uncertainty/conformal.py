"""Intervals of molecule-specific width that hold nine times in ten, from errors on held-out scaffolds.

Belongs here: how hard a molecule is, the rule that turns this into a width, fitting the rule on out-of-fold errors,
and measuring honestly how often such intervals hold.
Does not belong here: probabilities of classes (see `calibration.py`), similarity itself (see
`applicability_domain.py`).

A width is a scale that depends on the molecule, times one conformal factor. The scale is log-linear in two numbers:
how unlike the molecule is to its nearest training molecule, and how wrong the model was, out of fold, on the training
molecules nearest to it. `tests/benchmarks/bench_trust.py` compares this with one width for all and with one per
similarity bin. Sources: Papadopoulos et al., J. Artif. Intell. Res. 2011, 40, 815 (normalised conformal prediction);
Lei et al., J. Am. Stat. Assoc. 2018, 113, 1094.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model_zoo.chemistry.similarity import tanimoto_nearest
from model_zoo.type_aliases import Json

COVERAGE = 0.9


def conformal_half_width(residuals: NDArray[np.float64], coverage: float = COVERAGE) -> float:
    """Give the half width of a split-conformal interval from held-out residuals.

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
    """Give how many held-out errors an interval of this coverage takes: with fewer, no finite width is safe.

    Examples
    --------
    >>> fewest_errors(0.9), fewest_errors(0.5)
    (9, 1)
    """
    return next(n for n in range(1, 10_000) if np.ceil((n + 1) * coverage) <= n)


NEIGHBOURS = 5
"""Training molecules whose errors are looked at."""
FEWEST_ROWS = 50
"""With fewer errors than this, a scale cannot be learnt: every molecule gets the same one, the mean error."""
SHRINKAGE = 0.01
BINS = 5

Floats = NDArray[np.float64]


class IntervalRule(BaseModel):
    """How wide an interval is, by how hard the molecule is.

    The scale is `exp(clip(weights . (1, (difficulty - center) / spread), low, high))`, on the scale of training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    center: tuple[float, float] = (0.0, 0.0)
    spread: tuple[float, float] = (1.0, 1.0)
    weights: tuple[float, float, float] = (0.0, 0.0, 0.0)
    low: float = 0.0
    high: float = 0.0
    factor: float
    """The conformal quantile of errors over scales."""

    def scale(self, difficulty: Floats) -> Floats:
        """Give the scale of `n` molecules from their `n x 2` difficulty."""
        inputs = (difficulty - np.array(self.center)) / np.array(self.spread)
        log_scale: Floats = np.clip(self.weights[0] + inputs @ np.array(self.weights[1:]), self.low, self.high)
        return np.exp(log_scale)

    def half_width(self, difficulty: Floats) -> Floats:
        """Give half the width of the interval of `n` molecules, on the scale of training."""
        return self.factor * self.scale(difficulty)


def difficulty(similarity: Floats, errors: Floats) -> Floats:
    """Give how hard `n` molecules are, `n x 2`: distance to the nearest training molecule, error in its neighbourhood.

    Parameters
    ----------
    similarity
        `n x k` Tanimoto similarities to the nearest training molecules, most similar first.
    errors
        `n x k` absolute out-of-fold errors of these, on the scale of training.

    Examples
    --------
    >>> difficulty(np.array([[1.0, 0.5]]), np.array([[0.2, 0.2]])).round(6).tolist()
    [[0.0, 0.2]]
    """
    weights = similarity**2 + 1e-3
    return np.column_stack([1.0 - similarity[:, 0], (weights * errors).sum(axis=1) / weights.sum(axis=1)])


def held_out_difficulty(
    packed: NDArray[np.uint8], errors: Floats, folds: NDArray[np.int_], rows: NDArray[np.intp]
) -> Floats:
    """Give how hard `m` of `n` training molecules were while their fold was held out, `m x 2`.

    Neighbours are sought in the other folds only, among all molecules there; with a single fold, among all.

    Parameters
    ----------
    packed, errors, folds
        `n` fingerprints, absolute out-of-fold errors, and fold numbers.
    rows
        The `m` rows that are asked for.
    """
    result = np.empty((len(rows), 2))
    asked = folds[rows]
    for fold in np.unique(asked):
        inside = asked == fold
        others = np.flatnonzero(folds != fold)
        others = others if len(others) else np.arange(len(packed))
        similarity, found = tanimoto_nearest(packed[rows[inside]], packed[others], NEIGHBOURS)
        result[inside] = difficulty(similarity, errors[others][found])
    return result


def fit_interval_rule(
    hard: Floats, errors: Floats, folds: NDArray[np.int_], coverage: float = COVERAGE
) -> IntervalRule | None:
    """Fit the rule on absolute out-of-fold errors; none where there are too few for the coverage, see `fewest_errors`.

    Errors in another unit give the same rule in that unit: every scale is one of errors, learnt or their mean.

    Parameters
    ----------
    hard
        `n x 2`, see `held_out_difficulty`.
    errors
        `n` absolute out-of-fold errors on the scale of training.
    folds
        `n` fold numbers: an error is divided by a scale that was learnt on the other folds.
    """
    if len(errors) < fewest_errors(coverage):
        return None
    rule = _fit_scale(hard, errors)
    scores = np.empty(len(errors))
    for fold in np.unique(folds):
        inside = folds == fold
        # Errors that are all zero tell no scale.
        learnt = _fit_scale(hard[~inside], errors[~inside]) if errors[~inside].any() else rule
        scores[inside] = errors[inside] / learnt.scale(hard[inside])
    return rule.model_copy(update={"factor": conformal_half_width(scores, coverage)})


def held_out_half_widths(hard: Floats, errors: Floats, folds: NDArray[np.int_]) -> Floats:
    """Give the half width that each molecule gets from a rule fitted without its fold: what coverage is measured on.

    With a single fold nothing can be held out, and the widths are those of the rule itself. NaN where the other folds
    are too few for a rule: such a molecule says nothing of coverage.
    """
    widths = np.full(len(errors), np.nan)
    for fold in np.unique(folds):
        inside = folds == fold
        rest = ~inside if not inside.all() else inside
        rule = fit_interval_rule(hard[rest], errors[rest], folds[rest])
        if rule is not None:
            widths[inside] = rule.half_width(hard[inside])
    return widths


def bin_edges(similarity: Floats) -> list[float]:
    """Give the inner edges of five similarity bins of about equal size."""
    return [float(edge) for edge in np.unique(np.quantile(similarity, np.linspace(0, 1, BINS + 1)[1:-1]))]


def coverage_report(holds: NDArray[np.bool_], similarity: Floats, edges: list[float]) -> dict[str, Json]:
    """Tell how often `n` statements hold, overall and by bins of similarity to the nearest training molecule.

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


def _fit_scale(hard: Floats, errors: Floats) -> IntervalRule:
    """Fit the scale by the likelihood of a Laplace distribution: the mean of log(scale) + error / scale, by Newton."""
    typical = float(errors.mean())
    if not typical > 0:
        return IntervalRule(factor=1.0)
    start = float(np.log(typical))
    if len(errors) < FEWEST_ROWS:
        return IntervalRule(weights=(start, 0.0, 0.0), low=start, high=start, factor=1.0)
    # The first input is a similarity, the second an error: what counts as no spread at all is one in its own unit.
    center, spread = hard.mean(axis=0), np.maximum(hard.std(axis=0), 1e-9 * np.array([1.0, typical]))
    inputs = np.column_stack([np.ones(len(hard)), (hard - center) / spread])
    weights = np.array([start, 0.0, 0.0])
    ridge = np.diag([0.0, SHRINKAGE, SHRINKAGE])
    for _ in range(50):
        ratio = errors / np.exp(inputs @ weights)
        gradient = inputs.T @ (1.0 - ratio) / len(errors) + ridge @ weights
        curvature = (inputs * ratio[:, None]).T @ inputs / len(errors) + ridge + 1e-6 * np.eye(3)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    # Beyond what was seen the scale stays: no molecule is much harder than the hardest that was measured.
    low, high = np.quantile(inputs @ weights, [0.005, 0.995])
    return IntervalRule(
        center=(float(center[0]), float(center[1])),
        spread=(float(spread[0]), float(spread[1])),
        weights=(float(weights[0]), float(weights[1]), float(weights[2])),
        low=float(low),
        high=float(high),
        factor=1.0,
    )
