"""Probabilities that mean what they say, the label they lead to, and sets of labels that hold nine times in ten.

Sources: Platt, Advances in Large Margin Classifiers 1999, 61; Vovk, Asian Conf. Mach. Learn. 2012 (conformal
prediction conditional on the class).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from model_zoo.type_aliases import Json
from model_zoo.uncertainty.conformal import COVERAGE, conformal_half_width, fewest_errors

FLOOR = 1e-3
"""Probabilities are drawn in by this before log-odds are taken: a forest says exactly 0 and 1."""

MOST_BINS = 5
FEWEST_OF_A_CLASS = 50
"""Molecules of each class that a similarity bin needs for margins of its own."""

Floats = NDArray[np.float64]


class ProbabilityRule(BaseModel):
    """What is made of the probability that a model gives.

    Calibration is strictly increasing, so that it changes no ranking. With slope 1 and intercept 0 there is none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0
    threshold: float = Field(ge=0, le=1)
    """Calibrated probability from which the label is 1."""
    edges: tuple[float, ...] = ()
    """Ascending similarities to the nearest training molecule that part the bins of `margins`."""
    margins: tuple[tuple[float, float], ...]
    """By similarity bin: class `c` belongs to the set when 1 minus its calibrated probability is at most the
    `c`-th margin."""

    def calibrate(self, probability: Floats) -> Floats:
        """Return `n` calibrated probabilities of class 1.

        Examples
        --------
        >>> rule = ProbabilityRule(slope=0.5, threshold=0.5, margins=((0.9, 0.9),))
        >>> rule.calibrate(np.array([0.5, 0.9])).round(3).tolist()
        [0.5, 0.749]
        """
        if (self.slope, self.intercept) == (1.0, 0.0):
            return probability
        return _sigmoid(self.slope * _log_odds(probability) + self.intercept)

    def label(self, calibrated: Floats) -> NDArray[np.int_]:
        """Return `n` labels, 0 or 1."""
        return (calibrated >= self.threshold).astype(int)

    def contains(self, calibrated: Floats, similarity: Floats) -> NDArray[np.bool_]:
        """Return which classes belong to the set of each molecule, `n x 2`; both or none is an answer too.

        A set that would hold nothing but the label's opposite holds both: an answer does not contradict itself.

        Examples
        --------
        >>> rule = ProbabilityRule(threshold=0.5, margins=((0.6, 0.6),))
        >>> rule.contains(np.array([0.1, 0.55]), np.array([1.0, 1.0])).tolist()
        [[True, False], [True, True]]
        """
        margins = np.array(self.margins)[np.searchsorted(self.edges, similarity, side="right")]
        sets = np.column_stack([calibrated, 1.0 - calibrated]) <= margins
        label = self.label(calibrated)
        rows = np.arange(len(label))
        sets[rows, label] |= sets[rows, 1 - label]
        return sets


def fit_probability_rule(
    probability: Floats, labels: Floats, similarity: Floats, folds: NDArray[np.int_]
) -> ProbabilityRule:
    """Fit calibration, threshold and sets on out-of-fold predictions.

    The calibration is kept only where, fitted without a fold, it lowers both log loss and Brier score on that fold.
    The threshold has the highest balanced accuracy.

    Parameters
    ----------
    probability, labels
        `n` out-of-fold probabilities of class 1 and the true classes, 0 or 1.
    similarity, folds
        `n` similarities to the nearest training molecule of another fold, and fold numbers.
    """
    slope, intercept = _platt(probability, labels)
    if slope <= 0 or not _helps(probability, labels, folds):
        slope, intercept = 1.0, 0.0
    draft = ProbabilityRule(slope=slope, intercept=intercept, threshold=0.5, margins=((1.0, 1.0),))
    calibrated = draft.calibrate(probability)
    edges = _edges(similarity, labels)
    bins = np.searchsorted(edges, similarity, side="right")
    margins = tuple(
        (
            _margin(calibrated[(labels == 0) & (bins == number)]),
            _margin(1.0 - calibrated[(labels == 1) & (bins == number)]),
        )
        for number in range(len(edges) + 1)
    )
    return draft.model_copy(update={"threshold": _threshold(calibrated, labels), "edges": edges, "margins": margins})


def held_out(
    probability: Floats, labels: Floats, similarity: Floats, folds: NDArray[np.int_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return calibrated probability and set of each molecule by a rule fitted without its fold: `n` and `n x 2`."""
    calibrated, sets = np.empty(len(labels)), np.empty((len(labels), 2), dtype=bool)
    for fold in np.unique(folds):
        inside = folds == fold
        rest = ~inside if not inside.all() else inside
        rule = fit_probability_rule(probability[rest], labels[rest], similarity[rest], folds[rest])
        calibrated[inside] = rule.calibrate(probability[inside])
        sets[inside] = rule.contains(calibrated[inside], similarity[inside])
    return calibrated, sets


def probability_report(probability: Floats, labels: Floats) -> dict[str, Json]:
    """Return how well `n` probabilities fit `n` labels: log loss, Brier score, and shares of class 1 by tenths.

    Examples
    --------
    >>> report = probability_report(np.array([0.05, 0.95]), np.array([0.0, 1.0]))
    >>> report["brier"], [(each["predicted"], each["observed"]) for each in report["reliability"]]
    (0.0025, [(0.05, 0.0), (0.95, 1.0)])
    """
    tenth = np.minimum((probability * 10).astype(int), 9)
    return {
        "molecules": len(labels),
        "log_loss": round(_log_loss(probability, labels), 4),
        "brier": round(float(np.mean((probability - labels) ** 2)), 4),
        "reliability": [
            {
                "predicted": round(float(probability[tenth == number].mean()), 4),
                "observed": round(float(labels[tenth == number].mean()), 4),
                "molecules": int((tenth == number).sum()),
            }
            for number in range(10)
            if (tenth == number).any()
        ],
    }


def decision_report(
    rule: ProbabilityRule, calibrated: Floats, sets: NDArray[np.bool_], labels: Floats
) -> dict[str, Json]:
    """Return how often labels and sets are right, by class, and how often a set says nothing."""
    predicted, size = rule.label(calibrated), sets.sum(axis=1)
    holds = sets[np.arange(len(labels)), labels.astype(int)]

    def share(right: NDArray[np.bool_], label: int) -> float | None:
        inside = labels == label
        return round(float(right[inside].mean()), 4) if inside.any() else None

    return {
        "specificity": share(predicted == 0, 0),
        "sensitivity": share(predicted == 1, 1),
        "set_coverage": {"0": share(holds, 0), "1": share(holds, 1)},
        "sets_with_one_label": round(float((size == 1).mean()), 4),
        "sets_with_both": round(float((size == 2).mean()), 4),
        "sets_with_none": round(float((size == 0).mean()), 4),
    }


def _sigmoid(values: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(values, -500, 500)))


def _log_odds(probability: Floats) -> Floats:
    inner = FLOOR + (1.0 - 2.0 * FLOOR) * probability
    return np.log(inner / (1.0 - inner))


def _log_loss(probability: Floats, labels: Floats) -> float:
    inner = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(labels == 1, np.log(inner), np.log(1.0 - inner))))


def _platt(probability: Floats, labels: Floats) -> tuple[float, float]:
    """Fit slope and intercept on the log-odds by Newton's method, with Platt's targets for few molecules."""
    ones, zeros = float((labels == 1).sum()), float((labels == 0).sum())
    wanted = np.where(labels == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    inputs = np.column_stack([_log_odds(probability), np.ones(len(labels))])
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        got = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (got - wanted)
        curvature = (inputs * (got * (1 - got))[:, None]).T @ inputs + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[0]), float(weights[1])


def _helps(probability: Floats, labels: Floats, folds: NDArray[np.int_]) -> bool:
    calibrated = probability.copy()
    for fold in np.unique(folds):
        inside = folds == fold
        if inside.all():
            return False
        slope, intercept = _platt(probability[~inside], labels[~inside])
        calibrated[inside] = _sigmoid(slope * _log_odds(probability[inside]) + intercept)
    brier = (float(np.mean((each - labels) ** 2)) for each in (calibrated, probability))
    return next(brier) < next(brier) and _log_loss(calibrated, labels) < _log_loss(probability, labels)


def _margin(distances: Floats) -> float:
    """Return the largest accepted distance of a class; a class that was never seen is never excluded."""
    # Of fewer than nine no distance is one that nine of ten stay below: nothing can be excluded.
    return conformal_half_width(distances, COVERAGE) if len(distances) >= fewest_errors(COVERAGE) else 1.0


def _edges(similarity: Floats, labels: Floats) -> tuple[float, ...]:
    """Part similarities into as many as five bins of about equal size, each with enough molecules of both classes."""
    for bins in range(MOST_BINS, 1, -1):
        edges = np.unique(np.quantile(similarity, np.linspace(0, 1, bins + 1)[1:-1]))
        numbers = np.searchsorted(edges, similarity, side="right")
        counts = [np.bincount(numbers[labels == label], minlength=len(edges) + 1).min() for label in (0, 1)]
        if min(counts) >= FEWEST_OF_A_CLASS:
            return tuple(map(float, edges))
    return ()


def _threshold(calibrated: Floats, labels: Floats) -> float:
    values = np.unique(calibrated)
    ones, zeros = np.sort(calibrated[labels == 1]), np.sort(calibrated[labels == 0])
    if len(values) < 2 or not len(ones) or not len(zeros):
        return 0.5
    candidates = (values[1:] + values[:-1]) / 2
    sensitivity = 1.0 - np.searchsorted(ones, candidates) / len(ones)
    specificity = np.searchsorted(zeros, candidates) / len(zeros)
    return float(candidates[int(np.argmax(sensitivity + specificity))])
