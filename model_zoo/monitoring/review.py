"""What the record of use says of a model: drift, live accuracy and coverage over time, and a challenger's verdict.

The loss of one molecule is the absolute error of a regression, and the squared error of a probability: both are
means over molecules, so that their uncertainty can be found by drawing molecules again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Target, Task
from model_zoo.monitoring.prediction_log import MeasurementRow, PredictionRow
from model_zoo.type_aliases import Json

FEWEST = 30
"""Fewer molecules than this are counted and shown, but nothing is concluded from them."""
SEEN = 0.9999
"""A molecule this similar to a training molecule may have been one: it says nothing of live accuracy."""
WEEK_SECONDS = 7 * 86_400
DRAWS = 2000
LOSS: dict[Task, str] = {"regression": "mae", "binary": "brier"}
"""The metric whose mean over molecules the loss is."""
Outcome = Literal["too few", "undecided", "challenger better", "champion better"]


@dataclass(frozen=True)
class Accuracy:
    """How predictions compare with what was measured afterwards."""

    molecules: int
    """Measured molecules that the version had predicted and not learnt from."""
    seen: int
    """Measured molecules that were left out, because they may have been among the training molecules."""
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    """`loss`, `loss_low` and `loss_high`: mean loss, and its 95 % bootstrap interval; none without molecules."""
    coverage: float | None = None
    coverage_low: float | None = None
    coverage_high: float | None = None
    """`coverage`, `coverage_low` and `coverage_high`: share of measured values inside the 90 % interval, and its 95 %
    Wilson interval; none for a binary endpoint."""


@dataclass(frozen=True)
class Week:
    """One week of use: predictions by when they were given, losses by when the measurement came."""

    start: float
    predictions: int
    outside: float | None
    measured: int
    loss: float | None


@dataclass(frozen=True)
class Verdict:
    """A challenger against the champion on the same measured molecules."""

    challenger: str
    molecules: int
    outcome: Outcome
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    """`gain`, `low` and `high`: mean of champion's loss minus challenger's, with its 95 % bootstrap interval: above
    zero, the challenger is better. None without molecules."""


@dataclass(frozen=True)
class Review:
    """What the record says of an endpoint's champion."""

    endpoint: str
    version: str
    metric: str
    predictions: int
    molecules: int
    """`predictions` and `molecules`: how many the champion gave, for how many molecules."""
    latest: int
    """Molecules of its latest week: the seven days before its last prediction."""
    outside: float | None
    """Share of these outside the applicability domain."""
    drift: float | None
    """Population stability index of its predictions, each molecule once, latest week against all before; none with too
    few of either. By custom, under 0.1 is calm and over 0.25 a shift."""
    accuracy: Accuracy
    weeks: tuple[Week, ...]
    verdict: Verdict | None

    def as_json(self) -> dict[str, Json]:
        """Return the review as plain values."""
        return asdict(self)


def review(
    endpoint: str,
    task: Task,
    version: str,
    predictions: Iterable[PredictionRow],
    measurements: Sequence[MeasurementRow],
    challenger: str | None = None,
) -> Review:
    """Review an endpoint's champion, and its challenger when it has one.

    Parameters
    ----------
    endpoint, task
        The endpoint.
    version, challenger
        The versions to review.
    predictions, measurements
        The endpoint's rows of the record, oldest first.
    """
    measurements = [row for row in measurements if row.relation == "="]  # of a bound the true value is not known
    rows = list(predictions)
    mine = [row for row in rows if row.version == version]
    last = {row.molecule: row for row in mine}  # the latest prediction of each molecule counts
    accuracy, losses = _accuracy(task, mine, measurements)
    # What was predicted because its measured value came says nothing of what people ask for.
    asked = [row for row in mine if row.answered or row.role == "challenger"]
    before, latest = _split_by_week(asked)
    verdict = None
    if challenger is not None:
        theirs = {row.molecule: row for row in rows if row.version == challenger}
        verdict = _verdict(task, challenger, last, theirs, measurements)
    return Review(
        endpoint=endpoint,
        version=version,
        metric=LOSS[task],
        predictions=len(asked),
        molecules=len({row.molecule for row in asked}),
        latest=len(latest),
        outside=1 - float(np.mean([row.inside for row in latest])) if latest else None,
        drift=_drift(before, latest),
        accuracy=accuracy,
        weeks=_weeks(asked, losses),
        verdict=verdict,
    )


def for_training(
    target: Target, predictions: Iterable[PredictionRow], measurements: Iterable[MeasurementRow]
) -> tuple[list[PredictionRow], list[MeasurementRow]]:
    """Bring what was predicted and measured to the scale of training; what has no place on it is left out.

    Examples
    --------
    >>> rows = [MeasurementRow(0.0, b"", None, "e", value) for value in (100.0, 0.0)]
    >>> [row.value for row in for_training(Target(task="regression", transform="log10"), [], rows)[1]]
    [2.0]
    """

    def placed(value: float | None) -> float | None:
        if value is None or target.outside(np.array([value]))[0]:
            return None
        return float(target.to_training(np.array([value]))[0])

    scaled = [
        replace(row, value=value, lower=placed(row.lower), upper=placed(row.upper))
        for row in predictions
        if (value := placed(row.value)) is not None
    ]
    return scaled, [replace(row, value=value) for row in measurements if (value := placed(row.value)) is not None]


def population_stability(before: NDArray[np.float64], now: NDArray[np.float64], bins: int = 10) -> float:
    """Return the population stability index between two samples, over bins that hold equal shares of the first.

    Source: Siddiqi, Credit Risk Scorecards, 2006. An empty bin counts as half a sample.

    Examples
    --------
    >>> x = np.linspace(0, 1, 200)
    >>> population_stability(x, x), population_stability(x, x + 0.5) > 0.25
    (0.0, True)
    """
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for sample in (before, now):
        counts = np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts, 0.5) / len(sample))
    old, new = shares
    return float(np.sum((new - old) * np.log(new / old)))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share.

    Examples
    --------
    >>> [round(end, 2) for end in wilson(9, 10)]
    [0.6, 0.98]
    """
    z = 1.959964
    share = hits / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def _loss(task: Task, value: float, measured: float) -> float:
    return abs(value - measured) if task == "regression" else (value - measured) ** 2


def _accuracy(
    task: Task, mine: Sequence[PredictionRow], measurements: Sequence[MeasurementRow]
) -> tuple[Accuracy, list[tuple[float, float]]]:
    """Return the accuracy, and each molecule's time of measurement and loss."""
    joined, seen = [], 0
    unaware = _unaware(mine, measurements)
    for molecule, received, value in _measured(task, measurements):
        row = unaware.get(molecule)
        if row is not None and row.similarity >= SEEN:
            seen += 1
        elif row is not None:
            joined.append((received, row, value))
    losses = [(received, _loss(task, row.value, value)) for received, row, value in joined]
    if not joined:
        return Accuracy(0, seen), losses
    loss, low, high = _bootstrap(np.array([item for _, item in losses]))
    ranges = [(row.lower, value, row.upper) for _, row, value in joined]
    within = [low_ <= value <= high_ for low_, value, high_ in ranges if low_ is not None and high_ is not None]
    if not within:
        return Accuracy(len(joined), seen, loss, low, high), losses
    share = sum(within) / len(within)
    return Accuracy(len(joined), seen, loss, low, high, share, *wilson(sum(within), len(within))), losses


def _unaware(mine: Sequence[PredictionRow], measurements: Sequence[MeasurementRow]) -> dict[bytes, PredictionRow]:
    """Return the last prediction of each molecule before its value came, as intervals follow values from then on.

    Where there is none, the first one after.
    """
    came: dict[bytes, float] = {}
    for each in measurements:
        came[each.molecule] = min(each.received, came.get(each.molecule, each.received))
    found: dict[bytes, PredictionRow] = {}
    for row in mine:
        if row.molecule not in found or row.at <= came.get(row.molecule, math.inf):
            found[row.molecule] = row
    return found


def _measured(task: Task, measurements: Sequence[MeasurementRow]) -> list[tuple[bytes, float, float]]:
    """Return each measured molecule once: its latest time, and the median of its values.

    Molecules with as many 0 as 1 have no class, as in training data.
    """
    by_molecule: dict[bytes, list[MeasurementRow]] = {}
    for row in measurements:
        by_molecule.setdefault(row.molecule, []).append(row)
    found = [
        (molecule, max(row.received for row in rows), float(np.median([row.value for row in rows])))
        for molecule, rows in by_molecule.items()
    ]
    return [each for each in found if task != "binary" or each[2] in (0, 1)]


def _weeks(mine: Sequence[PredictionRow], losses: Sequence[tuple[float, float]]) -> tuple[Week, ...]:
    given: dict[int, list[bool]] = {}
    for row in mine:
        given.setdefault(int(row.at // WEEK_SECONDS), []).append(row.inside)
    lost: dict[int, list[float]] = {}
    for received, loss in losses:
        lost.setdefault(int(received // WEEK_SECONDS), []).append(loss)
    return tuple(
        Week(
            start=float(number * WEEK_SECONDS),
            predictions=len(given.get(number, ())),
            outside=1 - float(np.mean(given[number])) if number in given else None,
            measured=len(lost.get(number, ())),
            loss=float(np.mean(lost[number])) if number in lost else None,
        )
        for number in sorted({*given, *lost})
    )


def _split_by_week(asked: Sequence[PredictionRow]) -> tuple[list[PredictionRow], list[PredictionRow]]:
    """Return what was predicted before the latest week and in it, each molecule once: some are asked for every minute.

    The latest week is the seven days before the last prediction, not one of the calendar, which has just begun on some
    nights.
    """
    border = asked[-1].at - WEEK_SECONDS if asked else 0.0
    before = {row.molecule: row for row in asked if row.at <= border}
    latest = {row.molecule: row for row in asked if row.at > border}
    return list(before.values()), list(latest.values())


def _drift(before: Sequence[PredictionRow], latest: Sequence[PredictionRow]) -> float | None:
    if min(len(before), len(latest)) < FEWEST:
        return None
    return population_stability(np.array([row.value for row in before]), np.array([row.value for row in latest]))


def _verdict(
    task: Task,
    challenger: str,
    champion_rows: Mapping[bytes, PredictionRow],
    challenger_rows: Mapping[bytes, PredictionRow],
    measurements: Sequence[MeasurementRow],
) -> Verdict:
    gains = []
    for molecule, _, value in _measured(task, measurements):
        ours, theirs = champion_rows.get(molecule), challenger_rows.get(molecule)
        if ours is None or theirs is None or max(ours.similarity, theirs.similarity) >= SEEN:
            continue
        gains.append(_loss(task, ours.value, value) - _loss(task, theirs.value, value))
    if not gains:
        return Verdict(challenger, 0, "too few")
    gain, low, high = _bootstrap(np.array(gains))
    outcome: Outcome = "undecided"
    if len(gains) < FEWEST:
        outcome = "too few"
    elif low > 0:
        outcome = "challenger better"
    elif high < 0:
        outcome = "champion better"
    return Verdict(challenger, len(gains), outcome, gain, low, high)


def _bootstrap(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean and its 95 % percentile bootstrap interval, always the same for the same values."""
    draws = np.random.default_rng(0).integers(0, len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)
