"""Molecules side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from model_zoo.inference.answers import Fault
from serving.champions.champion_registry import Champion
from serving.page import wording
from serving.page.radar import MOST_SHAPES
from serving.page.understood import Line
from serving.page.views import Card, ShownMolecule, card, radar

CLEAR = 0.1
"""Desirabilities nearer to each other than this count as equal: the models do not distinguish them."""


@dataclass(frozen=True)
class Comparison:
    """Some molecules side by side."""

    cards: tuple[Card, ...]
    """At most four."""
    best: Mapping[str, int]
    """By endpoint, the place of the molecule that is clearly the most desirable; none where none is, or all are
    poor."""
    radar: Markup
    left_out: int
    """How many were picked beyond the four."""


def picked(lines: Sequence[Line], picks: Sequence[int]) -> list[int]:
    """Return the places that were picked, in order, each once; all of them when none were.

    Examples
    --------
    >>> lines = [Line("C", ""), Line("CC", ""), Line("CCC", "")]
    >>> picked(lines, [2, 0, 2, 99]), picked(lines, [])
    ([0, 2], [0, 1, 2])
    """
    places = sorted({pick for pick in picks if 0 <= pick < len(lines)})
    return places or list(range(len(lines)))


def compare(
    lines: Sequence[Line], molecules: Sequence[ShownMolecule], places: Sequence[int], champions: Mapping[str, Champion]
) -> Comparison:
    """Set molecules side by side: the first four of those picked that were predicted."""
    able = [place for place in places if not isinstance(molecules[place].answer, Fault)]
    chosen = able[:MOST_SHAPES]
    cards = tuple(card(place + 1, lines[place], molecules[place]) for place in chosen)
    best = {}
    for index, name in enumerate(champions):
        scores = [None if (row := each.rows[index]) is None else row.score for each in cards]
        known = [score for score in scores if score is not None]
        if len(known) == len(cards) > 1 and wording.band(max(known)) != "poor":
            first, second = sorted(known, reverse=True)[:2]
            if first - second >= CLEAR:
                best[name] = known.index(first)
    return Comparison(cards, best, radar(cards), len(able) - len(chosen))
