"""The order of a leaderboard.

Belongs here: which of an endpoint's trained models stands before which.
Does not belong here: metrics (see `metrics.py`), who serves (see `champion.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model_zoo.metrics import HIGHER_IS_BETTER


def ranked(rows: Iterable[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    """Give rows with a `model` and its scores over folds (`cv`), best first, equal ones by name.

    Examples
    --------
    >>> rows = [{"model": name, "cv": {"rmse": {"mean": mean}}} for name, mean in (("a", 2.0), ("c", 1.0), ("b", 1.0))]
    >>> [row["model"] for row in ranked(rows, "rmse")]
    ['b', 'c', 'a']
    """
    sign = -1 if HIGHER_IS_BETTER[metric] else 1
    return sorted(rows, key=lambda row: (sign * row["cv"][metric]["mean"], row["model"]))
