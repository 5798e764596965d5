"""On which scale a column of amounts is trained on, as far as its numbers say."""

from __future__ import annotations

from collections.abc import Sequence

from model_zoo.data.units import is_logarithmic

DECADES = 100.0
"""Positive values that span more than this factor are trained on as logarithms."""
FEW = 0.2
"""Where more than this share is zero, nobody expects logarithms; nor where any number is negative."""


def scale_of(numbers: Sequence[float], unit: str) -> tuple[str, str]:
    """Return the transform that numbers suggest, and why; both empty where they suggest none.

    Examples
    --------
    >>> scale_of([1.0, 500.0], "uL/min/mg")
    ('log10', 'positive values from 1 to 500')
    >>> scale_of([0.0, 1.0, 20.0, 90.0, 300.0, 500.0], "uL/min/mg")[0], scale_of([5.0, 9.0], "log D")
    ('identity', ('', ''))
    """
    amounts = [number for number in numbers if number > 0]
    rest = len(numbers) - len(amounts)
    spans = amounts and max(amounts) > DECADES * min(amounts)
    if not spans or is_logarithmic(unit) or min(numbers) < 0 or rest > FEW * len(numbers):
        return "", ""
    span = f"positive values from {min(amounts):g} to {max(amounts):g}"
    if not rest:
        return "log10", span
    return "identity", (
        f"{rest} of {len(numbers)} numbers are 0, which has no logarithm. "
        f"`log10` suits the {span}, and leaves them out; to keep them, write what they mean, such as <{min(amounts):g}"
    )
