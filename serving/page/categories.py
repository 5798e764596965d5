"""Endpoints under their categories: how people find one among hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from serving.champions.champion_registry import Champion

MOST_OPEN = 24
"""More endpoints than this are folded by category."""
OTHERS = "Other properties"
"""The heading of endpoints without a category, where others have one."""


class _InCategory(Protocol):
    @property
    def category(self) -> str: ...


C = TypeVar("C", bound=_InCategory)


def in_categories(items: Sequence[C]) -> tuple[tuple[str, tuple[C, ...]], ...]:
    """Put endpoints under their categories, in the order in which these come first; those without one come last."""
    found: dict[str, list[C]] = {}
    for item in items:
        found.setdefault(item.category, []).append(item)
    rest = found.pop("", [])
    if rest:
        found[OTHERS if found else ""] = rest
    return tuple((title, tuple(under)) for title, under in found.items())


def category_of(champion: Champion) -> str:
    """Return the category that an endpoint's YAML said when its champion was made."""
    return champion.bundle.card.endpoint.category
