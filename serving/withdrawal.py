"""Endpoints that were withdrawn: who asks for one is told since when, and why.

Belongs here: the answer to a request that names one.
Does not belong here: withdrawing (see `model_zoo/pointer.py`), listing them (see `page/operations.py`, `health.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from serving.problems import ProblemError
from serving.table import Table


def require_not_withdrawn(table: Table, *names: str) -> None:
    """Refuse names of endpoints that were withdrawn.

    Raises
    ------
    ProblemError
        `withdrawn`, with date and reason.
    """
    if told := list(_told(table, names)):
        raise ProblemError("withdrawn", "; ".join(told))


def _told(table: Table, names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if (entry := table.withdrawn.get(name)) is not None:
            yield f"{name} was withdrawn on {entry.since[:10]}: {entry.reason}"
