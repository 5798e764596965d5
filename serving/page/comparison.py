"""Molecules side by side, and all of them as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from model_zoo.inference.predictor import Fault
from model_zoo.io.spreadsheets import safe_cell
from serving.champions.champion_registry import Champion
from serving.page import wording
from serving.page.radar import MOST_SHAPES
from serving.page.views import Card, Line, ShownMolecule, card, notes_of, radar

CLEAR = 0.1
"""Desirabilities nearer to each other than this count as equal: the models do not tell them apart."""
FIELDS = ("value", "lower", "upper", "unit", "percentile", "label", "domain", "reliability", "usual_error",
          "similarity", "champion", "provisional")  # fmt: skip

SHOWN = ("display_value", "display_lower", "display_upper", "display_unit")
"""Further fields of an endpoint that people read in another unit."""


@dataclass(frozen=True)
class Comparison:
    """Some molecules side by side.

    Attributes
    ----------
    cards
        At most four.
    best
        By endpoint, the place of the molecule that is clearly the most desirable; none where none is, or all are poor.
    left_out
        How many were picked beyond the four.
    """

    cards: tuple[Card, ...]
    best: Mapping[str, int]
    radar: Markup
    left_out: int


def picked(lines: Sequence[Line], picks: Sequence[int]) -> list[int]:
    """Give the places that were picked, in order, each once; all of them when none were.

    Examples
    --------
    >>> lines = [Line("C", ""), Line("CC", ""), Line("CCC", "")]
    >>> picked(lines, [2, 0, 2, 99]), picked(lines, [])
    ([0, 2], [0, 1, 2])
    """
    places = sorted({pick for pick in picks if 0 <= pick < len(lines)})
    return places or list(range(len(lines)))


def compare(
    lines: Sequence[Line], told: Sequence[ShownMolecule], places: Sequence[int], champions: Mapping[str, Champion]
) -> Comparison:
    """Set molecules side by side: the first four of those picked that were predicted."""
    able = [place for place in places if not isinstance(told[place].answer, Fault)]
    chosen = able[:MOST_SHAPES]
    cards = tuple(card(place + 1, lines[place], told[place]) for place in chosen)
    best = {}
    for index, name in enumerate(champions):
        scores = [None if (row := each.rows[index]) is None else row.score for each in cards]
        known = [score for score in scores if score is not None]
        if len(known) == len(cards) > 1 and wording.band(max(known)) != "poor":
            first, second = sorted(known, reverse=True)[:2]
            if first - second >= CLEAR:
                best[name] = known.index(first)
    return Comparison(cards, best, radar(cards), len(able) - len(chosen))


def csv_of(
    lines: Sequence[Line], told: Sequence[ShownMolecule], places: Sequence[int], champions: Mapping[str, Champion]
) -> str:
    """Write molecules as CSV: a row each, also for those that were not predicted, in the order of the request."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(
        ["smiles", "name", "standardised", "error_code", "error_detail", "notes"]
        + [f"{name}_{field}" for name, champion in champions.items() for field in _fields(champion)]
    )
    for place in places:
        line, answer = lines[place], told[place].answer
        start = [safe_cell(line.smiles), safe_cell(line.name)]
        if isinstance(answer, Fault):
            empty = [""] * sum(len(_fields(champion)) for champion in champions.values())
            writer.writerow([*start, "", answer.code, safe_cell(answer.detail), "", *empty])
            continue
        cells: list[object] = [*start, next(iter(answer.values())).smiles, "", "", "; ".join(notes_of(answer))]
        for name in champions:
            if name not in answer:
                cells += [""] * len(_fields(champions[name]))
                continue
            estimate, manifest = answer[name], told[place].champions[name].manifest
            domain = "inside" if estimate.inside else "outside"
            numbers = (estimate.value, estimate.lower, estimate.upper, estimate.percentile)
            value, lower, upper, percentile = ("" if each is None else f"{each:.6g}" for each in numbers)
            display = manifest.display
            label = "" if estimate.label is None else estimate.label
            usual = "" if estimate.usual_error is None else f"{estimate.usual_error:.4g}"
            cells += [value, lower, upper, manifest.unit, percentile, label, domain, estimate.reliability or "", usual]
            provisional = told[place].champions[name].provisional
            cells += [f"{estimate.similarity:.4f}", manifest.version, provisional]
            if champions[name].manifest.display is not None:
                seen = () if display is None else (display.value(estimate.value), *display.interval(*numbers[1:3]))
                cells += ["" if each is None else f"{each:.6g}" for each in seen] or ["", "", ""]
                cells += [manifest.display_unit or ""]
        writer.writerow(cells)
    return file.getvalue()


def _fields(champion: Champion) -> tuple[str, ...]:
    return FIELDS if champion.manifest.display is None else (*FIELDS, *SHOWN)
