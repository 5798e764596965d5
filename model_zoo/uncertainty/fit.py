"""How far to trust a champion: the rules its bundle stores, and what its model card says about them.

Belongs here: putting expected errors, levels, intervals, probabilities and the distribution over reference drugs
together from out-of-fold predictions; the test split is only reported.
Does not belong here: the rules themselves (see `conformal.py`, `calibration.py`), bundles (see `bundles/reader.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model_zoo.chemistry.similarity import rows_asked, tanimoto_nearest
from model_zoo.data.targets import Target
from model_zoo.type_aliases import Json
from model_zoo.uncertainty import calibration, conformal
from model_zoo.uncertainty.calibration import ProbabilityRule
from model_zoo.uncertainty.conformal import COVERAGE, IntervalRule, fewest_errors
from model_zoo.uncertainty.error_model import (
    NEIGHBOURS,
    ErrorModel,
    difficulty,
    doubt,
    fit_error_model,
    held_out_difficulty,
)
from model_zoo.uncertainty.property_distance import PropertySpace
from model_zoo.uncertainty.reliability import NAMES, Levels, fit_levels, held_out_expectations
from model_zoo.uncertainty.withheld_report import withheld_report

QUANTILES = 201

Floats = NDArray[np.float64]
Asked = tuple[Floats, NDArray[np.bool_]]
"""How hard new molecules are, and which are beyond the range of sizes and kinds."""
_NOTHING = (np.empty(0, dtype=bool), np.empty(0))


class ReferenceDistribution(BaseModel):
    """How a champion's own predictions for a list of drugs are spread."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    licence: str
    molecules: int
    quantiles: tuple[float, ...]
    """Evenly spaced quantiles of the predictions, in the endpoint's unit, from the lowest to the highest."""

    def percentile(self, values: Floats) -> Floats:
        """Return the share of the list, in percent, that `n` values are above; equal ones count half.

        Examples
        --------
        >>> drugs = ReferenceDistribution(name="drugs", licence="", molecules=3, quantiles=(0.0, 1.0, 2.0))
        >>> drugs.percentile(np.array([-5.0, 0.5, 1.0, 9.0])).tolist()
        [0.0, 25.0, 50.0, 100.0]
        """
        ends = self._ends
        return np.asarray((_percent_below(values, ends) + 100.0 - _percent_below(-values, -ends[::-1])) / 2)

    @cached_property
    def _ends(self) -> Floats:
        return np.array(self.quantiles)


def _percent_below(values: Floats, ends: Floats) -> Floats:
    """Interpolate between ascending quantiles by shares of their distance: the slope of `np.interp` may overflow."""
    if len(ends) < 2:
        return np.asarray(np.where(values >= ends[0], 100.0, 0.0))
    upper = np.clip(np.searchsorted(ends, values, side="right"), 1, len(ends) - 1)
    low, high = ends[upper - 1], ends[upper]
    share = np.ones(len(values))
    np.divide(values - low, high - low, out=share, where=high > low)
    percent: Floats = 100.0 * (upper - 1 + np.clip(share, 0.0, 1.0)) / (len(ends) - 1)
    return np.where(values >= ends[0], percent, 0.0)


class Uncertainty(BaseModel):
    """The rules that a bundle stores beside its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: IntervalRule | None = None
    """Of regression endpoints."""
    probability: ProbabilityRule | None = None
    """Of binary endpoints."""
    reference: ReferenceDistribution | None = None
    error: ErrorModel | None = None
    """Of binary endpoints; the interval of a regression is one itself."""
    levels: Levels | None = None


@dataclass(frozen=True)
class OutOfFoldPredictions:
    """What a trained model said of molecules it was not fitted on."""

    predicted: Floats
    """`n` predictions on the scale of training."""
    values: Floats
    """`n` measured values on that scale."""
    packed: NDArray[np.uint8]
    properties: Floats
    """`packed` and `properties`: `n x b` packed fingerprints, see `similarity.pack`, and `n x p` sizes and kinds, see
    `size_and_kind`."""
    folds: NDArray[np.int_]
    """`n` fold numbers; -1 throughout for the test split."""
    side: NDArray[np.int_] | None = None
    """Of `n` values: 0 where it was measured, 1 where the true one is known to lie above it, -1 where below. None when
    all were measured."""

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Which values were measured."""
        return np.ones(len(self.values), dtype=bool) if self.side is None else self.side == 0

    @property
    def errors(self) -> Floats:
        """`n` absolute errors; of a bound, by how much the prediction is beyond it."""
        wrong = self.predicted - self.values
        if self.side is None:
            return np.abs(wrong)
        return np.where(self.side == 0, np.abs(wrong), np.maximum(0.0, -self.side * wrong))

    def measured(self) -> OutOfFoldPredictions:
        """Return the part that was measured: bounds say nothing of how often an interval holds."""
        if self.exact.all():
            return self
        measured = self.rows(np.flatnonzero(self.exact))
        return replace(measured, side=None)

    def rows(self, chosen: NDArray[np.intp]) -> OutOfFoldPredictions:
        """Return some of the molecules."""
        side = None if self.side is None else self.side[chosen]
        arrays = (self.predicted[chosen], self.values[chosen], self.packed[chosen], self.properties[chosen])
        return OutOfFoldPredictions(*arrays, self.folds[chosen], side)


def fit_uncertainty(
    target: Target, out_of_fold: OutOfFoldPredictions, test: OutOfFoldPredictions, between: float = 0.0
) -> tuple[Uncertainty, Floats, dict[str, Json]]:
    """Fit the rules on out-of-fold predictions, and report how they did there, leave-fold-out, and on the test split.

    Of more than `similarity.MOST_ASKED` measured molecules, in either, so many are drawn: the rules are fitted and
    judged on these, their neighbours sought among all.

    Parameters
    ----------
    target
        The endpoint's task and scale.
    out_of_fold, test
        What the model said of molecules while they were held out, and of the test split.
    between
        Standard deviation of one molecule's values between laboratories, on the scale of training.

    Returns
    -------
    Uncertainty
        The rules, without a reference; without one for intervals where there are too few errors for their coverage.
    array
        `n` absolute out-of-fold errors on the scale of training, which intervals of new molecules are computed from.
    dict
        For the model card. Under `held_out`, each fold is judged by rules that were fitted without it.
    """
    errors, test, exact = out_of_fold.errors, test.measured(), np.flatnonzero(out_of_fold.exact)
    asked, test = exact[rows_asked(len(exact))], test.rows(rows_asked(len(test.values)))
    hard = held_out_difficulty(out_of_fold.packed, errors, out_of_fold.folds, out_of_fold.properties, asked)
    near, rows = tanimoto_nearest(test.packed, out_of_fold.packed, NEIGHBOURS)
    space = PropertySpace(out_of_fold.properties)
    new = difficulty(near, errors[rows], space.distance(test.properties))
    beyond = space.beyond(test.properties)
    edges, sample = conformal.bin_edges(1.0 - hard[:, 0]), out_of_fold.rows(asked)
    if target.task == "binary":
        trust, report = _binary(sample, test, hard, (new, beyond), edges)
    else:
        trust, report = _regression(sample, test, hard, (new, beyond), edges, between)
    return trust, errors, report


def _regression(
    out_of_fold: OutOfFoldPredictions,
    test: OutOfFoldPredictions,
    hard: Floats,
    asked: Asked,
    edges: list[float],
    between: float,
) -> tuple[Uncertainty, dict[str, Json]]:
    errors, folds, ceiling = out_of_fold.errors, out_of_fold.folds, _naive_error(out_of_fold.values)
    rule = conformal.fit_interval_rule(hard, errors, folds, ceiling=ceiling, between=between)
    report: dict[str, Any] = {"nominal": COVERAGE}
    if rule is None:
        report |= {"missing": no_interval(len(errors)), "held_out": conformal.coverage_report(*_NOTHING, edges)}
        return Uncertainty(), {"interval": report}
    widths = conformal.held_out_half_widths(hard, errors, folds, ceiling, between)
    places = 1.0 - hard[:, 0]
    report["held_out"] = _interval_report(widths, errors, places, edges)
    if "half_width" not in report["held_out"]:  # enough molecules in all, too few without any of the folds
        report["held_out"]["half_width"] = _half_widths(rule.half_width(hard))
    expected = held_out_expectations(hard, errors, folds, ceiling)
    levels = fit_levels(expected, errors, hard)
    new, wrong = asked[0], test.errors
    test_expected, places_of_test, _ = levels.place(rule, *asked)
    test_widths = rule.around(test_expected)
    report["test"] = _interval_report(test_widths, wrong, 1.0 - new[:, 0], edges)
    return Uncertainty(interval=rule, levels=levels), {
        "interval": report,
        "reliability": {
            "held_out": _levels_report(levels.levels_of(expected), errors, errors <= widths),
            "test": _levels_report(places_of_test, wrong, wrong <= test_widths),
        },
        **_withheld(expected, errors, widths, out_of_fold),
    }


def _withheld(expected: Floats, shown: Floats, widths: Floats | None, held: OutOfFoldPredictions) -> dict[str, Json]:
    report = withheld_report(expected, shown, widths, held.packed)
    return {"withheld": report} if report else {}


def _naive_error(values: Floats) -> float:
    """Return the mean error of predicting the mean for every molecule."""
    return float(np.abs(values - values.mean()).mean())


def _levels_report(places: NDArray[np.int_], shown: Floats, holds: NDArray[np.bool_]) -> list[dict[str, Json]]:
    """Report per level how many molecules, how wrong on average, and how often the statement at 90 % held."""
    return [
        {
            "level": name,
            "molecules": int((places == place).sum()),
            "error": float(f"{shown[places == place].mean():.4g}"),
            "coverage": round(float(holds[places == place].mean()), 4),
        }
        for place, name in enumerate(NAMES)
        if (places == place).any()
    ]


def no_interval(molecules: int) -> str:
    """Say why a regression of so few training molecules has no interval.

    Examples
    --------
    >>> no_interval(8)
    'no 90 % interval: it takes the held-out errors of at least 9 training molecules, there are 8'
    """
    fewest = fewest_errors()
    return (
        f"no {COVERAGE:.0%} interval: it takes the held-out errors of at least {fewest} training molecules, there are "
        f"{molecules}"
    ).replace("0% ", "0 % ")


def reference_of(name: str, licence: str, values: Floats) -> ReferenceDistribution:
    """Sum up the predictions for `n` reference drugs."""
    quantiles = np.quantile(values, np.linspace(0, 1, QUANTILES))
    return ReferenceDistribution(
        name=name, licence=licence, molecules=len(values), quantiles=tuple(map(float, quantiles))
    )


def _interval_report(widths: Floats, errors: Floats, similarity: Floats, edges: list[float]) -> dict[str, Json]:
    """Return how often `n` intervals held; widths that are NaN, where there was no rule, have no part in it."""
    known = np.isfinite(widths)
    report = conformal.coverage_report(errors[known] <= widths[known], similarity[known], edges)
    if known.any():
        report["half_width"] = _half_widths(widths[known])
    return report


def _half_widths(widths: Floats) -> dict[str, float]:
    """Sum up `n` half widths, to four digits: decimals would be of a unit."""
    low, median, high = (float(f"{width:.4g}") for width in np.quantile(widths, [0.05, 0.5, 0.95]))
    return {"low": low, "median": median, "high": high}


def _binary(
    out_of_fold: OutOfFoldPredictions, test: OutOfFoldPredictions, hard: Floats, asked: Asked, edges: list[float]
) -> tuple[Uncertainty, dict[str, Json]]:
    labels, folds, similarity = out_of_fold.values, out_of_fold.folds, 1.0 - hard[:, 0]
    rule = calibration.fit_probability_rule(out_of_fold.predicted, labels, similarity, folds)
    calibrated, sets = calibration.held_out(out_of_fold.predicted, labels, similarity, folds)
    test_calibrated = rule.calibrate(test.predicted)
    hard, new = np.column_stack([hard, doubt(calibrated)]), np.column_stack([asked[0], doubt(test_calibrated)])
    wrong, ceiling = np.abs(labels - calibrated), _naive_error(labels)
    model = fit_error_model(hard, wrong, ceiling)
    expected = held_out_expectations(hard, wrong, folds, ceiling)
    label_errors = (rule.label(calibrated) != labels).astype(float)
    levels = fit_levels(expected, label_errors, hard)
    report: dict[str, Any] = {
        "probability": {
            "calibrated": (rule.slope, rule.intercept) != (1.0, 0.0),
            "threshold": rule.threshold,
            "before": calibration.probability_report(out_of_fold.predicted, labels),
        },
        "prediction_set": {"nominal": COVERAGE},
        "reliability": {},
        **_withheld(expected, label_errors, None, out_of_fold),
    }
    levels_held_out, (_, test_levels, _) = levels.levels_of(expected), levels.place(model, new, asked[1])
    for name, probabilities, contains, true, hardness, places in (
        ("held_out", calibrated, sets, labels, hard, levels_held_out),
        ("test", test_calibrated, rule.contains(test_calibrated, 1.0 - new[:, 0]), test.values, new, test_levels),
    ):
        if len(true):
            holds = contains[np.arange(len(true)), true.astype(int)]
            report["probability"][name] = calibration.probability_report(probabilities, true)
            report["prediction_set"][name] = {
                **conformal.coverage_report(holds, 1.0 - hardness[:, 0], edges),
                **calibration.decision_report(rule, probabilities, contains, true),
            }
            errors = (rule.label(probabilities) != true).astype(float)
            report["reliability"][name] = _levels_report(places, errors, holds)
    return Uncertainty(probability=rule, error=model, levels=levels), report
