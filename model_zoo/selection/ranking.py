"""The order of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable

from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.selection.leaderboard import Row


def ranked(rows: Iterable[Row], metric: str) -> tuple[Row, ...]:
    """Return rows by their scores over folds, best first, equal ones by name.

    Examples
    --------
    >>> rest = {"asset": "", "signature": "", "snapshot": "", "test": {}, "train_s": 1.0, "ms_per_molecule": 1.0}
    >>> rest["rows"] = {"train": 8, "test": 2}
    >>> scores = {"a": 2.0, "c": 1.0, "b": 1.0}
    >>> rows = [
    ...     Row(model=name, cv={"rmse": {"folds": (mean,), "mean": mean, "std": 0.0}}, **rest)
    ...     for name, mean in scores.items()
    ... ]
    >>> [row.model for row in ranked(rows, "rmse")]
    ['b', 'c', 'a']
    """
    sign = -1 if HIGHER_IS_BETTER[metric] else 1
    return tuple(sorted(rows, key=lambda row: (sign * row.cv[metric].mean, row.model)))
