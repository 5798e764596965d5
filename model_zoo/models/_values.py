"""Values as every model learns them, so that the unit they came in changes nothing but the unit of what is predicted.

A regression learns values of mean zero and variance one, rounded to a grid that `float32` holds exactly. The grid is
what makes a unit harmless: kcal and kJ differ in the last bits of a standardised value, and those bits decide between
two splits of a tree that are equally good.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Task
from model_zoo.type_aliases import Numbers

GRID = 2.0**-20
"""A millionth of the spread: no assay is that precise, and `float32` holds every step up to sixteen spreads."""


class Standardised(NamedTuple):
    """The values of a fit."""

    values: NDArray[np.float64]
    """`n` values as they are learnt: of mean zero and variance one; classes as they are."""
    center: float
    scale: float
    """`center` and `scale`: `value = center + scale * learnt`."""
    size: float
    """The largest absolute value as it came, which is what differences between two libraries are measured by."""


def standardised(y: Numbers, task: Task) -> Standardised:
    """Bring `n` values of a fit to the scale of learning; equal values are all zero there.

    Examples
    --------
    >>> standardised(np.array([1.0, 3.0]), "regression")
    Standardised(values=array([-1.,  1.]), center=2.0, scale=1.0, size=3.0)
    >>> thousand = standardised(np.array([1.0, 2.0, 4.5]) * 1e3, "regression")
    >>> bool((standardised(np.array([1.0, 2.0, 4.5]), "regression").values == thousand.values).all())
    True
    """
    values = np.asarray(y, dtype=np.float64)
    if task == "binary":
        return Standardised(values, 0.0, 1.0, 1.0)
    center = float(values.mean())
    scale = float(values.std()) if np.ptp(values) > 0 else 0.0  # equal values have a spread of rounding errors
    size = float(np.abs(values).max())
    if not scale > 0:
        return Standardised(np.zeros(len(values)), float(values[0]), 1.0, size or 1.0)
    return Standardised(np.round((values - center) / scale / GRID) * GRID, center, scale, size)
