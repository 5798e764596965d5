"""One value per molecule from several measurements of it, exact ones and bounds.

A bound is never averaged: of `>100`, `>10` and `>1` the first says all that the others say. An exact measurement says
more than a bound, and both must be possible at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from model_zoo.data.numerals import plain_number
from model_zoo.data.targets import Task
from model_zoo.data.units import is_logarithmic

Rule = Literal["median", "mean", "first", "keep"]
Spread = float | Literal["tenfold"] | None


class Measured(NamedTuple):
    """One measurement, in the endpoint's unit: `relation` is `=`, `<` or `>`; how much it counts beside others."""

    row: int
    value: float
    relation: str
    weight: float = 1.0


class Merged(NamedTuple):
    """What represents the measurements of one molecule."""

    value: float
    relation: str
    """`value` and `relation`: an exact value, or the tightest bound; NaN where `conflict` or `between` says why there
    is none."""
    spread: float = 0.0
    """Largest minus smallest exact measurement, in the endpoint's unit; zero for a single one."""
    conflict: str = ""
    """Why the measurements cannot all be true; empty where they can."""
    between: str = ""
    """Bounds on both sides and nothing exact: what is known, in words; empty else."""


def merge(measurements: Sequence[Measured], rule: Rule, max_spread: Spread, task: Task, unit: str) -> Merged:
    """Merge the measurements of one molecule.

    Parameters
    ----------
    measurements
        At least one.
    rule
        What represents several exact measurements.
    max_spread
        Exact measurements further apart than this contradict: a number in the endpoint's unit; `tenfold`, one
        logarithmic unit, or a factor of ten between positive amounts; or none. A bound may be missed by as much.

    Examples
    --------
    >>> def measured(*pairs):
    ...     found = [Measured(row, value, sign) for row, (value, sign) in enumerate(pairs)]
    ...     return merge(found, "median", "tenfold", "regression", "pIC50")
    >>> measured((7.0, ">"), (8.0, ">"), (9.0, ">"))[:2]
    (9.0, '>')
    >>> measured((8.0, "="), (5.0, "<")).conflict
    'contradiction: measured 8, and known to be < 5'
    >>> measured((6.0, ">"), (8.0, "<")).between
    'censored: only known to lie between 6 and 8'
    """
    exact = sorted(item.value for item in measurements if item.relation == "=")
    if task == "binary":
        return _majority(measurements)
    low = max((item.value for item in measurements if item.relation == ">"), default=-math.inf)
    high = min((item.value for item in measurements if item.relation == "<"), default=math.inf)
    if exact and _apart(exact[0], exact[-1], max_spread, unit):
        spread = exact[-1] - exact[0]
        return _none(f"contradiction: {len(exact)} measurements spread over {spread:.3g}")
    if not exact:
        if high < low and _apart(high, low, max_spread, unit, strict=True):
            return _none(f"contradiction: known to be > {low:g} and < {high:g}")
        if math.isinf(low) or math.isinf(high):
            return Merged(low, ">") if math.isinf(high) else Merged(high, "<")
        ends = f"{min(low, high):g} and {max(low, high):g}"
        return Merged(math.nan, "=", between=f"censored: only known to lie between {ends}")
    value = _chosen(measurements, rule)
    for bound, sign, missed in ((low, ">", value < low), (high, "<", value > high)):
        if missed and _apart(min(value, bound), max(value, bound), max_spread, unit, strict=True):
            return _none(f"contradiction: measured {value:g}, and known to be {sign} {bound:g}")
    return Merged(value, "=", exact[-1] - exact[0])


def weight_of(text: str, numerals: str) -> float:
    """Return how much a measurement counts; 1 where nothing says it.

    Raises
    ------
    ValueError
        For what is no positive number.

    Examples
    --------
    >>> weight_of("3", "."), weight_of("", ".")
    (3.0, 1.0)
    """
    try:
        weight = float(plain_number(text, numerals)) if text else 1.0
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError(f"weight: expected a positive number, got {text!r}")
    return weight


def _none(conflict: str) -> Merged:
    return Merged(math.nan, "=", conflict=conflict)


def _majority(measurements: Sequence[Measured]) -> Merged:
    whole = math.fsum(item.weight for item in measurements)
    share = math.fsum(item.value * item.weight for item in measurements) / whole
    if share == 0.5:
        return _none(f"contradiction: {len(measurements)} measurements, as many 0 as 1")
    return Merged(float(share > 0.5), "=")


def _chosen(measurements: Sequence[Measured], rule: Rule) -> float:
    exact = [item for item in measurements if item.relation == "="]
    whole = math.fsum(item.weight for item in exact)
    if rule == "mean":
        return math.fsum(item.value * item.weight for item in exact) / whole
    if rule == "first":
        return exact[0].value
    exact.sort(key=lambda item: item.value)
    below = 0.0
    for item, following in zip(exact, [*exact[1:], exact[-1]], strict=True):
        below += item.weight
        if 2 * below == whole:
            return (item.value + following.value) / 2
        if 2 * below > whole:
            break
    return item.value


def _apart(low: float, high: float, most: Spread, unit: str, *, strict: bool = False) -> bool:
    """Return whether two values are too far apart; with `strict`, also where nothing says how far is too far."""
    if most == "tenfold":
        if is_logarithmic(unit):
            return high - low > 1.0
        return high > 10.0 * low if low > 0 else strict
    return strict if most is None else high - low > most
