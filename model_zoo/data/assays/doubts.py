"""Where the numbers of a column do not look like the amounts that it states: below zero, or all within a few units."""

from __future__ import annotations

import math
from collections.abc import Sequence

from model_zoo.data.assays.units_of_columns import UNKNOWN, is_molar

MANY = 20
"""So many amounts of an assay span decades."""
LOWEST, HIGHEST = 2, 13
"""Negative logarithms of molar potencies."""


def doubt_about(values: Sequence[float], stated: str, unit: str) -> str:
    """Return what speaks against a unit of concentrations; empty where nothing does.

    Parameters
    ----------
    values
        The numbers of the column; those that are NaN do not count.
    stated, unit
        The unit that the file states, and the one that is believed: `unknown` where numbers below zero may all be
        logarithms.

    Examples
    --------
    >>> doubt_about([12.0, -5.0, 300.0], "nM", "pIC50")
    'with 1 of 3 numbers below zero, as no amount is: they are left out'
    >>> doubt_about([12.0, 300.0], "nM", "pIC50")
    ''
    """
    numbers = [number for number in values if not math.isnan(number)]
    if not numbers or not is_molar(stated):
        return ""
    if negative := sum(number < 0 for number in numbers):
        what = f"{negative} of {len(numbers)} numbers below zero, as no amount is"
        if unit == UNKNOWN:
            return f"stated is {stated}, with {what}. If all are logarithms, say --unit 'log10 {stated}'"
        return f"with {what}: they are left out"
    fractions = sum(not number.is_integer() for number in numbers)
    if 2 * fractions > len(numbers) >= MANY and min(numbers) >= LOWEST and max(numbers) <= HIGHEST:
        return (
            f"though all {len(numbers)} numbers are between {min(numbers):g} and {max(numbers):g}, as few amounts are. "
            "If they are negative logarithms, say --unit pIC50 (or pKi, ...)"
        )
    return ""
