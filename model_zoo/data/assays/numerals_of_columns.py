"""How the numbers of a column are written, decided by all of its cells and never by one.

`1,234` alone is 1234 or 1.234. Beside `0,5` it can only be the latter, beside `12.5` only the former; alone it stays
open, and the caller is shown both readings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from model_zoo.data.curation import BELOW_LIMIT, says_no_value
from model_zoo.data.numerals import POINT, plain_number
from model_zoo.data.units import bare_number

CANDIDATES = (POINT, ",", ".,", ",.", ". ", ", ", ".'", ",'")
"""The simplest first."""
MOST = 0.5
"""Share of a column's filled cells that must be numbers."""


class Numerals(NamedTuple):
    """How the numbers of a column may be written."""

    readings: tuple[str, ...]
    """What fits as many cells as possible; one where it is clear. Those with equal values count as one."""
    numbers: int
    filled: int
    """`numbers` and `filled`: how many cells are numbers then, and how many are not empty and do not say that there is
    no value."""
    values: list[float]
    """The numbers under the first reading, `nan` for the others, per filled cell."""
    example: str = ""
    """A cell that the readings tell apart; empty where there is one reading."""

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.numbers > 0 and self.numbers >= MOST * self.filled

    def shown(self) -> str:
        """Say what the readings make of a cell.

        Examples
        --------
        >>> numerals_of(["1,234", "5,678"]).shown()
        "'1,234' is 1.234 (decimal ',') or 1234 (decimal '.', thousands ',')"
        """
        values = [(_value(self.example, each), in_words(each)) for each in self.readings]
        return f"{self.example!r} is " + " or ".join(
            f"{'not a number' if math.isnan(value) else format(value, 'g')} ({words})" for value, words in values
        )


def in_words(numerals: str) -> str:
    """Say how numbers are written, by the keys of an endpoint's source.

    Examples
    --------
    >>> in_words(",.")
    "decimal ',', thousands '.'"
    """
    return f"decimal {numerals[0]!r}" + (f", thousands {numerals[1]!r}" if numerals[1:] else "")


def numerals_of(cells: Sequence[str], wanted: str | None = None) -> Numerals:
    """Find how the numbers of a column are written.

    Examples
    --------
    >>> numerals_of(["1.234,5", "0,7", ""])[:3], numerals_of(["1,234", "12.5"]).readings, numerals_of(["7"]).readings
    (((',.',), 2, 2), ('.,',), ('.',))
    """
    missing = {"", *BELOW_LIMIT}
    bodies = [
        bare_number(cell) for cell in map(str.strip, cells) if cell.lower() not in missing and not says_no_value(cell)
    ]
    found: dict[str, list[float]] = {}
    # Most columns of words are known by their first cells; most of numbers have few distinct ways.
    for numerals in (wanted,) if wanted else CANDIDATES:
        found[numerals] = [_value(body, numerals) for body in bodies]
    counts = {numerals: sum(value == value for value in values) for numerals, values in found.items()}  # noqa: PLR0124
    most = max(counts.values(), default=0)
    readings: list[str] = []
    example = ""
    for numerals in (each for each, count in counts.items() if count == most):
        other = next(
            (body for known in readings for body, a, b in zip(bodies, found[known], found[numerals], strict=True)
             if a != b and (a == a or b == b)),  # noqa: PLR0124
            None,
        )  # fmt: skip
        if not readings:
            readings.append(numerals)
        elif other is not None and all(_differ(found[known], found[numerals]) for known in readings):
            readings.append(numerals)
            example = example or other
    return Numerals(tuple(readings), most, len(bodies), found[readings[0]], example)


def _differ(first: Sequence[float], other: Sequence[float]) -> bool:
    return any(a != b and (a == a or b == b) for a, b in zip(first, other, strict=True))  # noqa: PLR0124  NaN


def _value(body: str, numerals: str) -> float:
    try:
        value = float(plain_number(body, numerals))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
