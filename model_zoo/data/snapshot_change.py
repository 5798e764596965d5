"""Whether a snapshot looks like the one before it, or like another file in its place.

A file that was replaced by one in another unit, or by half of itself, is read without a fault, and every score of it
looks as good as before: only the comparison with what was known shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.dataset import Dataset
from model_zoo.data.targets import Task

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 20
"""Molecules that an old snapshot needs to be compared with."""
FEWEST_SHARED = 5
MOST_LOST = 1 / 3
"""Share of the molecules that may go without a word."""
MOST_FLIPPED = 0.1
MOST_BEYOND = 0.1
"""Share of the values that may be further beyond the old range than the range is wide."""
MOST_SHIFT = 0.5
"""Of the width of the middle half of the old values: how far shared molecules' values may move together."""

Floats = NDArray[np.float64]


def suspicions(old: Dataset, new: Dataset, task: Task) -> list[str]:
    """Say what about a new snapshot looks unlike the last; nothing when it looks like it, or that was small."""
    if len(old.table) < FEWEST:
        return []
    before, after = _by_molecule(old), _by_molecule(new)
    shared = before.index.intersection(after.index)
    reasons = []
    lost = len(before) - len(shared)
    if lost > MOST_LOST * len(before):
        reasons.append(f"{lost} of {len(before)} molecules are gone")
    was, now = before[shared].to_numpy(dtype=np.float64), after[shared].to_numpy(dtype=np.float64)
    if task == "binary":
        flipped = int((was != now).sum())
        if len(shared) >= FEWEST_SHARED and flipped > MOST_FLIPPED * len(shared):
            reasons.append(f"{flipped} of {len(shared)} molecules that both hold have another class")
        return reasons
    values = before.to_numpy(dtype=np.float64)
    if len(shared) >= FEWEST_SHARED and (moved := _moved(was, now, values)):
        reasons.append(f"{moved} for the {len(shared)} molecules that both hold")
    return [*reasons, *_beyond(values, after.to_numpy(dtype=np.float64))]


def _by_molecule(dataset: Dataset) -> pd.Series:
    """Return the mean measured value of each molecule; bounds have no part in it."""
    table = dataset.table[dataset.exact]
    return table.groupby("inchikey", sort=False)["value"].mean()


def _moved(was: Floats, now: Floats, values: Floats) -> str:
    """Say how values of the same molecules moved together: by a factor, or by a step."""
    low, high = np.quantile(values, [0.25, 0.75])
    shift = float(np.median(now - was))
    if not np.median(np.abs(now - was)) > MOST_SHIFT * (high - low):
        return ""
    if (was != 0).all():
        ratio = float(np.median(now / was))
        if ratio and np.quantile(np.abs(now / was / ratio - 1), 0.75) < 0.05:
            return f"values are {ratio:.4g} times what they were (another unit?)"
    if np.quantile(np.abs(now - was - shift), 0.75) < 0.05 * abs(shift):
        return f"values moved by {shift:.4g} (another unit?)"
    return f"values differ by {np.median(np.abs(now - was)):.4g} (median)"


def _beyond(values: Floats, now: Floats) -> list[str]:
    low, high = float(values.min()), float(values.max())
    outside = int(((now < low - (high - low)) | (now > high + (high - low))).sum())
    if outside <= MOST_BEYOND * len(now):
        return []
    reach = f"{now.min():.4g} to {now.max():.4g}"
    return [f"{outside} of {len(now)} values are far outside the {low:.4g} to {high:.4g} of before: they are {reach}"]
