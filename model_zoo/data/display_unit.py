"""The unit that people read, beside the one that a model answers in: `%` of `log10 %`, `nM` of `pIC50`.

It changes no model, no score and no field of an answer that was there before: what is shown is beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from model_zoo.data.units import FLIPPED_RELATION, Conversion, conversion, is_logarithmic, unit_name
from model_zoo.errors import ConfigError

LOGARITHM = "log10 "


class Display(NamedTuple):
    """How values of an endpoint's unit are shown."""

    unit: str
    """The unit that is shown."""
    show: Callable[[float], float]
    read: Callable[[float], float]
    """`show` and `read`: from the endpoint's unit to the shown one, and back."""
    flips: bool = False
    """Whether a larger value is shown as a smaller one."""

    def value(self, value: float | None) -> float | None:
        """Return a value as it is shown; none where there is none, or it is too large to be written.

        Examples
        --------
        >>> display("pIC50", "nM").value(7.0).__round__(6), display("log10 %", "%").value(900.0)
        (100.0, None)
        """
        if value is None:
            return None
        try:
            shown = self.show(value)
        except OverflowError:
            return None
        return shown if math.isfinite(shown) else None

    def interval(self, lower: float | None, upper: float | None) -> tuple[float | None, float | None]:
        """Return the ends of an interval as they are shown, the lower one first.

        Examples
        --------
        >>> [round(end, 6) for end in display("pIC50", "uM").interval(5.0, 7.0)]
        [0.1, 10.0]
        """
        shown = (self.value(lower), self.value(upper))
        return shown[::-1] if self.flips else shown

    def relation(self, sign: str) -> str:
        """Return the sign before a shown bound."""
        return FLIPPED_RELATION[sign] if self.flips else sign


def display(unit: str, shown: str) -> Display:
    """Find how an endpoint's values are shown in another unit.

    Parameters
    ----------
    unit, shown
        The endpoint's unit and the one to show: one that `conversion` knows a way to, or the amount `X` that a unit
        `log10 X` is the logarithm of.

    Raises
    ------
    ConfigError
        When no conversion between the two is known, or not every value and every molecule has one.

    Examples
    --------
    >>> round(display("log10 mL/min/kg", "mL/min/kg").show(2.0), 6)
    100.0
    """
    if not shown.strip():
        raise ConfigError("display_unit: expected the name of a unit, got an empty one. Leave the key out to show none")
    if unit.startswith(LOGARITHM) and unit_name(unit.removeprefix(LOGARITHM)) == unit_name(shown):
        return Display(shown, lambda value: float(10.0**value), math.log10)
    way, back = _conversion(unit, shown), _conversion(shown, unit)
    if way.by_weight:
        raise ConfigError(
            f"display_unit: {shown!r} of {unit!r} depends on each molecule's weight: expected a unit of the same kind"
        )
    if is_logarithmic(shown) and not is_logarithmic(unit):
        raise ConfigError(
            f"display_unit: {shown!r} is a logarithm, which values of zero and below in {unit!r} do not have: expected "
            "an amount"
        )
    return Display(
        shown, lambda value: way.convert(value, math.nan), lambda value: back.convert(value, math.nan), way.flips
    )


def _conversion(unit: str, shown: str) -> Conversion:
    try:
        return conversion(unit, shown)
    except ConfigError as error:
        raise ConfigError(f"display_unit: {error}") from error
