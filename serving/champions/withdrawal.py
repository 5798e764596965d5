"""Endpoints that were withdrawn: requests for one are answered with the date and the reason."""

from __future__ import annotations

from serving.champions.champion_registry import ChampionRegistry
from serving.http.problems import ProblemError


def require_not_withdrawn(table: ChampionRegistry, *names: str) -> None:
    """Refuse names of endpoints that were withdrawn."""
    if reason := withdrawal(table, *names):
        raise ProblemError("withdrawn", reason)


def withdrawal(table: ChampionRegistry, *names: str) -> str:
    """Say since when and why those of some endpoints that were withdrawn are served no longer; empty where none was."""
    gone = ((name, table.withdrawn[name]) for name in names if name in table.withdrawn)
    return "; ".join(f"{name} was withdrawn on {entry.since[:10]}: {entry.reason}" for name, entry in gone)
