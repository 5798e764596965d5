"""How much wider or narrower intervals have to be here, from measured values that came back.

Belongs here: which values count, the factor they lead to, and how it came about.
Does not belong here: keeping the values (see `prediction_log.py`), applying the factor (see `serving`).

Source: Gibbs & Candes, NeurIPS 2021 (adaptive conformal inference), as a tracker of the quantile itself with steps that
grow smaller (Angelopoulos, Barber & Bates, ICML 2024). In the order in which values came, each that was outside of the
interval moves the logarithm of the factor up by nine tenths of a step, each inside down by one tenth. So the share that
is outside comes to one tenth **whatever the values are**: no value is assumed to be like another one, nor like the
training data. After `T` values it differs from one tenth by at most `2 log(WIDEST / NARROWEST) / (SMALLEST_STEP T)`, as
long as the factor does not meet these bounds. How wrong a value is changes nothing beyond that it is outside.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from model_zoo.data.targets import Target
from model_zoo.monitoring.calibration_rows import Decision, PredictedInterval
from model_zoo.monitoring.prediction_log import MeasurementRow, same_unit
from model_zoo.monitoring.review import FEWEST, SEEN

OUTSIDE = 0.1
"""The share of values that is meant to lie outside of intervals."""
FIRST_STEP, SMALLEST_STEP = 0.4, 0.03
"""Of the logarithm of the factor, at the first value and at least; between them it falls with the root of their count.
What they lead to is measured in `docs/uncertainty.md`."""
NARROWEST, WIDEST = 0.7, 4.0
FEW_ALIKE = 10
"""So many molecules of a caller may have the same number, or a twentieth of the caller's: more are no measurements."""
RECENT = 50
HISTORY_EVERY = 10


@dataclass(frozen=True)
class Returned:
    """One measured molecule that counts: when it came, and its error in half widths of the bundle's own interval."""

    received: float
    error: float


@dataclass(frozen=True)
class Recalibration:
    """What the values that came back mean for the intervals of one version."""

    factor: float = 1.0
    """What half widths are multiplied by; 1 until there are `FEWEST` values, and where an administrator said so."""
    values: int = 0
    """How many molecules count."""
    own: float | None = None
    online: float | None = None
    """`own` and `online`: share of them inside the bundle's own intervals, and inside those that the factor of their
    time gave."""
    recent: float | None = None
    """Share of the last `RECENT` inside the bundle's own intervals: where it leaves `own`, something drifts."""
    active: bool = True
    since: float = 0.0
    """`active` and `since`: what an administrator decided: whether it is applied, and from when on values count."""
    callers: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    """`callers` and `left_out`: molecules by who sent them, and values that do not count by why."""
    history: tuple[tuple[float, int, float], ...] = ()
    """Time, number of values and factor, every `HISTORY_EVERY` values."""
    name: str = "bundle"
    """Names this calibration: equal values have equal names."""


def recalibrate(
    target: Target,
    unit: str,
    predicted: Mapping[bytes, PredictedInterval],
    measurements: Sequence[MeasurementRow],
    decision: Decision | None = None,
) -> Recalibration:
    """Follow the values of one version of one endpoint, in the order in which they came.

    Parameters
    ----------
    target, unit
        The endpoint's scale of training, and its unit: values of another one do not count.
    predicted
        What that version said of molecules that were measured.
    measurements
        The endpoint's measured values. Those of one report came at the same time: they are followed in an order that
        is drawn from the values, so that neither the order of a file nor the names of molecules in the record, which
        the installation's key changes, decide what the factor is.
    decision
        The last thing that an administrator decided about it.
    """
    decision = decision or Decision()
    counted, callers, left_out = _counted(target, unit, predicted, measurements, decision)
    level, inside, own, history = 0.0, 0, [], []
    for number, each in enumerate(counted, start=1):
        missed = each.error > math.exp(level)
        inside += not missed
        own.append(each.error <= 1)
        level += max(SMALLEST_STEP, FIRST_STEP / math.sqrt(number)) * (missed - OUTSIDE)
        level = min(max(level, math.log(NARROWEST)), math.log(WIDEST))
        if number % HISTORY_EVERY == 0:
            history.append((each.received, number, round(math.exp(level), 4)))
    applied = decision.active and len(counted) >= FEWEST
    factor = round(math.exp(level), 4) if applied else 1.0
    return Recalibration(
        factor=factor,
        values=len(counted),
        own=float(np.mean(own)) if own else None,
        online=inside / len(counted) if counted else None,
        recent=float(np.mean(own[-RECENT:])) if own else None,
        active=decision.active,
        since=decision.since,
        callers=callers,
        left_out=left_out,
        history=tuple(history),
        name=f"returned-{len(counted)}-{_digest(counted)}" if applied else "bundle",
    )


def _counted(
    target: Target,
    unit: str,
    predicted: Mapping[bytes, PredictedInterval],
    measurements: Sequence[MeasurementRow],
    decision: Decision,
) -> tuple[list[Returned], dict[str, int], dict[str, int]]:
    """Return each measured molecule that counts once, oldest first; who sent them; and why others do not count."""
    left_out: Counter[str] = Counter()
    alike: dict[tuple[str, float], set[bytes]] = {}
    sent = Counter(caller for caller, _ in {(row.caller, row.molecule) for row in measurements})
    by_molecule: dict[bytes, dict[str, list[MeasurementRow]]] = {}
    for row in sorted(measurements, key=lambda row: (row.received, _drawn(row.value, _raw(predicted, row)))):
        why = _reason(target, predicted.get(row.molecule), row, decision)
        if not why and not same_unit(row, unit):
            why = "another unit"
        same = alike.setdefault((row.caller, row.value), set())
        if not why and row.molecule not in same and len(same) >= max(FEW_ALIKE, sent[row.caller] // 20):
            why = "the same number too often"
        if why:
            left_out[why] += 1
        else:
            same.add(row.molecule)  # of one molecule the same number may come often: a standard in each run
            by_molecule.setdefault(row.molecule, {}).setdefault(row.caller, []).append(row)
    found, callers = [], Counter[str]()
    for molecule, rows in by_molecule.items():
        callers.update(rows.keys())
        # A client that sends a molecule often has one vote: the median of their values; then that of all who sent it.
        value = float(np.median([np.median([row.value for row in own]) for own in rows.values()]))
        interval = predicted[molecule]
        error = abs(float(target.to_training(np.array([value]))[0]) - interval.raw) / interval.half_width
        found.append(Returned(min(row.received for own in rows.values() for row in own), error))
    found.sort(key=lambda each: (each.received, _drawn(each.error)))
    return found, dict(sorted(callers.items())), dict(sorted(left_out.items()))


def _reason(target: Target, interval: PredictedInterval | None, row: MeasurementRow, decision: Decision) -> str:
    """Say why a value does not count; nothing where it does."""
    if row.relation != "=":
        return "a bound"
    if row.received <= decision.since:
        return "before the restart"
    if row.caller in decision.without:
        return "a caller that was left out"
    if interval is None or not interval.half_width > 0:
        return "not predicted by this version"
    if interval.similarity >= SEEN:
        return "like a training molecule"
    return "no place on the scale" if target.outside(np.array([row.value]))[0] else ""


def _raw(predicted: Mapping[bytes, PredictedInterval], row: MeasurementRow) -> float:
    interval = predicted.get(row.molecule)
    return math.nan if interval is None else interval.raw


def _drawn(*numbers: float) -> str:
    """Return a place among values that came together: by chance, and the same wherever the numbers are.

    Six digits of them, as another processor computes the last ones otherwise.
    """
    return hashlib.sha256(" ".join(f"{number:.6g}" for number in numbers).encode()).hexdigest()


def _digest(counted: Sequence[Returned]) -> str:
    text = ";".join(f"{each.received!r},{each.error!r}" for each in counted)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
