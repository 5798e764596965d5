"""Endpoints that were withdrawn: who asks for one is told since when, and why.

Belongs here: the answer to a request that names one.
Does not belong here: withdrawing (see `model_zoo/pointer.py`), listing them (see `page/operations.py`, `health.py`).
"""

from __future__ import annotations

from serving.problems import ProblemError
from serving.table import Table


def require_not_withdrawn(table: Table, *names: str) -> None:
    """Refuse names of endpoints that were withdrawn.

    Raises
    ------
    ProblemError
        `withdrawn`, with date and reason.
    """
    if told := withdrawal(table, *names):
        raise ProblemError("withdrawn", told)


def withdrawal(table: Table, *names: str) -> str:
    """Say since when and why those of some endpoints that were withdrawn are served no more; empty where none was."""
    gone = ((name, table.withdrawn[name]) for name in names if name in table.withdrawn)
    return "; ".join(f"{name} was withdrawn on {entry.since[:10]}: {entry.reason}" for name, entry in gone)
