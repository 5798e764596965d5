"""What champions say, in the unit that people read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundles.manifest import Manifest
from model_zoo.data.display_unit import Display
from model_zoo.data.units import is_logarithmic
from model_zoo.inference.answers import Estimate
from serving.champions.champion_registry import Champion
from serving.page.axis import Axis, axis_of, decimals, number, significant

FLIPPED: dict[str, str] = {"higher": "lower", "lower": "higher", "none": "none"}
_MIDDLE = np.array([0.0, 1.0])


def shown_number(display: Display, value: float) -> float:
    """Return a number as it is shown; infinite where it is too large for one."""
    shown = display.value(value)
    return math.inf if shown is None else shown


def shown_estimate(champion: Champion, estimate: Estimate) -> Estimate:
    """Return an estimate in the unit that people read."""
    display = champion.manifest.display
    if display is None:
        return estimate
    lower, upper = display.interval(estimate.lower, estimate.upper)
    return replace(estimate, value=shown_number(display, estimate.value), lower=lower, upper=upper)


def shown_values(champion: Champion) -> NDArray[np.float64]:
    """Return the measured values in the unit that people read, ascending."""
    display = champion.manifest.display
    if display is None:
        return champion.measured
    return np.sort([shown_number(display, float(value)) for value in champion.measured])


def shown_axis(champion: Champion, estimate: Estimate) -> Axis:
    """Return the axis of an endpoint, on which an estimate is, in the unit that people read."""
    target, seen = champion.manifest.target, shown_estimate(champion, estimate)
    return axis_of(target, shown_values(champion), seen, logarithmic=spans_decades(champion.manifest))


def value_and_unit(champion: Champion, estimate: Estimate) -> tuple[str, str]:
    """Write a value and its unit as a card does: as many digits as the interval supports, a probability in per cent."""
    if champion.manifest.target.task == "binary":
        return f"{100 * estimate.value:.0f} %", "probability"
    seen = shown_estimate(champion, estimate)
    shown = significant(seen.value) if spans_decades(champion.manifest) else decimals(seen)
    return number(seen.value, shown), champion.manifest.shown_unit


def direction_words(manifest: Manifest) -> str:
    """Say which way is better of what is shown: of pIC50 the higher, shown in nM the lower."""
    better = FLIPPED[manifest.direction] if manifest.flips else manifest.direction
    return f"{better.capitalize()} is better" if better != "none" else ""


def error_words(manifest: Manifest, size: float) -> str:
    """Say how large an error on the scale of training is, in the unit that people read; a factor of amounts."""
    target, display = manifest.target, manifest.display
    own = "" if display is None else f" in {manifest.unit}"
    if target.transform == "log1p":
        return f"a factor of {math.exp(size):.2g} in the value{own} plus one"
    if target.transform == "logit":
        ends = [value if display is None else shown_number(display, value) for value in target.to_unit(_MIDDLE * size)]
        return f"{abs(ends[1] - ends[0]):.2g} {manifest.shown_unit} in the middle of the range, less near its ends"
    if target.transform == "log10" and is_logarithmic(manifest.unit):
        return f"a factor of {10**size:.2g} in the value{own}"
    if spans_decades(manifest):
        return f"a factor of {10**size:.2g}"
    if is_logarithmic(manifest.unit):
        return f"{size:.2g} {'log units' if manifest.shown_unit.startswith('log10') else manifest.shown_unit}"
    return f"{size if display is None else abs(shown_number(display, size)):.2g} {manifest.shown_unit}"


def spans_decades(manifest: Manifest) -> bool:
    """Return whether what is shown is an amount that was learnt as a logarithm: its ends are a factor apart."""
    amount_of_logarithm = is_logarithmic(manifest.unit) and not is_logarithmic(manifest.shown_unit)
    return amount_of_logarithm or manifest.target.transform == "log10"
