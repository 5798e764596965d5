"""The picture of one prediction on its endpoint's own axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from model_zoo.data.targets import Target
from model_zoo.inference.answers import Estimate

WIDTH, HEIGHT, BASE = 220.0, 40.0, 31.0
MARGIN = 6.0
"""Free units at both ends, so that a marker at the end of the axis is seen whole."""
BINS = 28
MOST_DECIMALS = 5
"""A number that needs more is written with an exponent."""


@dataclass(frozen=True)
class Axis:
    """Where an endpoint's values are, in the endpoint's unit; `logarithmic` for quantities that span decades."""

    low: float
    high: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Return the horizontal place of a value in the drawing; values beyond the ends lie at the ends.

        Examples
        --------
        >>> axis = Axis(0.0, 1.0, logarithmic=False)
        >>> axis.place(0.0), axis.place(0.5), axis.place(7.0)
        (6.0, 110.0, 214.0)
        """
        low, high, value = (self._scale(number) for number in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(MARGIN + min(1.0, max(0.0, share)) * (WIDTH - 2 * MARGIN), 1)

    def holds(self, value: float) -> bool:
        """Return whether a value is within the axis."""
        return self.low <= value <= self.high

    def _scale(self, value: float) -> float:
        return math.log10(max(value, 1e-30)) if self.logarithmic else value


def axis_of(
    target: Target, measured: NDArray[np.float64], estimate: Estimate, *, logarithmic: bool | None = None
) -> Axis:
    """Return the axis of an endpoint: the middle 99 % of its measured values, or 0 to 1 for a probability.

    An endpoint without measured values gets an axis around the estimate's own interval. `logarithmic` follows from the
    scale of training when omitted.
    """
    if target.task == "binary":
        return Axis(0.0, 1.0, logarithmic=False)
    logarithmic = target.transform == "log10" if logarithmic is None else logarithmic
    if len(measured) >= 2 and measured[0] < measured[-1]:
        low, high = (float(end) for end in np.quantile(measured, (0.005, 0.995)))
        if low < high:
            return Axis(low, high, logarithmic)
    lower, upper = _ends(estimate)
    room = (upper - lower) or abs(estimate.value) or 1.0
    return Axis(max(lower - room, estimate.value / 10) if logarithmic else lower - room, upper + room, logarithmic)


def axis_svg(axis: Axis, measured: NDArray[np.float64], estimate: Estimate | None, label: str) -> Markup:
    """Draw spread, interval and value. Colours are classes of the page's style sheet.

    Parameters
    ----------
    estimate
        The value to draw; none to draw the spread alone.
    label
        What the picture shows, in words, for those who do not see it.
    """
    parts = [
        f'<svg class="axis" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{Markup.escape(label)}">',
        _spread(axis, measured),
        f'<line class="rule" x1="{MARGIN}" y1="{BASE}" x2="{WIDTH - MARGIN}" y2="{BASE}"/>',
    ]
    if estimate is None:
        return Markup("".join([*parts, "</svg>"]))  # noqa: S704  numbers of ours and an escaped label
    if estimate.lower is not None and estimate.upper is not None:
        left, right = axis.place(estimate.lower), axis.place(estimate.upper)
        width = max(2.0, right - left)
        parts.append(f'<rect class="interval" x="{left}" y="{BASE - 4}" width="{width:.1f}" height="8" rx="4"/>')
    at = axis.place(estimate.value)
    if axis.holds(estimate.value):
        parts.append(f'<circle class="value" cx="{at}" cy="{BASE}" r="5"/>')
    else:  # an arrow says that the value is beyond the end
        tip = at + (6 if estimate.value > axis.high else -6)
        parts.append(f'<path class="value" d="M{at},{BASE - 5}L{tip},{BASE}L{at},{BASE + 5}Z"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704  numbers of ours and an escaped label


def decimals(estimate: Estimate) -> int:
    """Return how many decimals of a value mean something: two digits of the interval's half width, whatever the unit.

    Examples
    --------
    >>> decimals(Estimate("C", -2.71828, -3.6, -1.8, 1.0)), decimals(Estimate("C", 812.3, 700.0, 900.0, 1.0))
    (2, 0)
    """
    lower, upper = _ends(estimate)
    half = (upper - lower) / 2
    return max(0, 1 - math.floor(math.log10(half))) if half > 0 else places(estimate.value)


def places(*values: float) -> int:
    """Return how many decimals show these values: two, and more where the largest would not show two digits.

    Examples
    --------
    >>> places(-3.2), places(0.0, -0.0431), places(2e-6), places(0.0)
    (2, 3, 7, 2)
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return max(2, 1 - math.floor(math.log10(largest))) if largest > 0 else 2


def significant(value: float) -> int:
    """Return how many decimals show two digits of a number, which may be small beside others.

    Examples
    --------
    >>> significant(0.053), significant(4.8), significant(480.0), significant(0.0)
    (3, 1, 0, 0)
    """
    return max(0, 1 - math.floor(math.log10(abs(value)))) if value and math.isfinite(value) else 0


def number(value: float, decimals: int) -> str:
    r"""Write a number for a reader, with a true minus sign.

    Examples
    --------
    >>> number(-1.234, 2) == "\N{MINUS SIGN}1.23", number(12345.6, 0), number(-0.001, 1)
    (True, '12,346', '0.0')
    >>> number(2.46e-6, 7) == "2.46e\N{MINUS SIGN}06"
    True
    """
    text = f"{value:,.{decimals}f}" if abs(value) < 1e7 and decimals <= MOST_DECIMALS else f"{value:.3g}"
    if not text.strip("-0.,"):
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _ends(estimate: Estimate) -> tuple[float, float]:
    if estimate.lower is None or estimate.upper is None:
        return estimate.value, estimate.value
    return estimate.lower, estimate.upper


def _spread(axis: Axis, measured: NDArray[np.float64]) -> str:
    inside = measured[(measured >= axis.low) & (measured <= axis.high)]
    if len(inside) < 20:
        return ""
    places = np.array([axis.place(float(value)) for value in np.quantile(inside, np.linspace(0, 1, 201))])
    counts, edges = np.histogram(places, bins=BINS, range=(MARGIN, WIDTH - MARGIN))
    heights = (BASE - 5) * counts / counts.max()
    path = f"M{MARGIN},{BASE}" + "".join(
        f"V{BASE - height:.1f}H{edge:.1f}" for height, edge in zip(heights, edges[1:], strict=True)
    )
    return f'<path class="spread" d="{path}V{BASE}Z"/>'
