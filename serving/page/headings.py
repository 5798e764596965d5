"""The columns of the page's tables: one per endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serving.champions.champion_registry import Champion
from serving.page import wording
from serving.page.categories import category_of
from serving.page.shown import direction_words


@dataclass(frozen=True)
class Heading:
    """One column of the table: an endpoint."""

    endpoint: str
    title: str
    unit: str
    direction: str
    wanted: str
    category: str = ""
    binary: bool = False


def headings(champions: Mapping[str, Champion]) -> tuple[Heading, ...]:
    """Describe the endpoints of an answer."""
    return tuple(
        Heading(
            name,
            champion.manifest.title,
            "" if champion.manifest.target.task == "binary" else champion.manifest.shown_unit,
            direction_words(champion.manifest),
            wording.wanted(champion),
            category_of(champion),
            champion.manifest.target.task == "binary",
        )
        for name, champion in champions.items()
    )
