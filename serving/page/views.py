"""What the page says about predictions, as values that templates print.

Belongs here: the cards of molecules, the table over all of them, the comparison of some.
Does not belong here: wording (see `words.py`), HTTP (see `handlers.py`), mark-up (see `templates/`), what is fetched
on demand about one molecule (see `details.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from serving.page import words
from serving.page.axis import Axis, axis_of, axis_svg, decimals, number
from serving.page.drawing import structure_svg
from serving.page.radar import radar_svg
from serving.predictor import Answer, Estimate, Fault
from serving.table import Champion

MOST_CARDS = 10
"""Cards that a long list is answered with at once; the others are fetched when their row is opened."""
MOST_PICTURES = 64
"""Rows of the table that come with a structure: drawing is the slowest part of an answer."""


@dataclass(frozen=True)
class Line:
    """One line of the box: a SMILES and the name that may follow it."""

    smiles: str
    name: str

    @property
    def title(self) -> str:
        """What the molecule is called on the page."""
        return self.name or self.smiles


@dataclass(frozen=True)
class Row:
    """One endpoint of one molecule."""

    endpoint: str
    title: str
    direction: str
    raw: float
    value: str
    unit: str
    interval: str
    axis: Markup
    low: str
    high: str
    standing: str
    verdict: words.Verdict | None
    score: float | None
    """Desirability, 0 to 1."""
    band: words.Band
    band_word: str
    inside: bool
    similarity: str
    version: str
    quality: words.Quality | None


@dataclass(frozen=True)
class Card:
    """One molecule: rows of predictions, or why there are none."""

    position: int
    line: Line
    standardised: str
    drawing: Markup | None
    rows: tuple[Row, ...]
    radar: Markup
    fault: str = ""
    fault_detail: str = ""

    @property
    def inside(self) -> bool:
        """Whether every model knows molecules like this one."""
        return all(row.inside for row in self.rows)


@dataclass(frozen=True)
class Heading:
    """One column of the table: an endpoint."""

    endpoint: str
    title: str
    unit: str
    direction: str
    wanted: str


@dataclass(frozen=True)
class Results:
    """All that an answer shows.

    Attributes
    ----------
    headings, cards
        Columns and rows of the table, in the order of the request.
    shown
        Cards that are printed at once.
    comparison
        The molecules side by side, when that was asked for.
    """

    headings: tuple[Heading, ...]
    cards: tuple[Card, ...]
    shown: tuple[Card, ...]
    comparison: Markup | None = None


def parse_lines(text: str) -> list[Line]:
    r"""Split the box into lines: one SMILES each, a name after a blank or tab; empty lines do not count.

    Examples
    --------
    >>> parse_lines("CCO ethanol\n\n c1ccccc1 ")
    [Line(smiles='CCO', name='ethanol'), Line(smiles='c1ccccc1', name='')]
    """
    pairs = (line.strip().split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [Line(pair[0], pair[1] if len(pair) > 1 else "") for pair in pairs]


def results_of(lines: Sequence[Line], answers: Sequence[Answer], champions: Mapping[str, Champion]) -> Results:
    """Put an answer together, in the order of the request. Draws structures: slow enough for a worker thread."""
    cards = tuple(
        card(position, line, answer, champions, picture=position <= MOST_PICTURES)
        for position, (line, answer) in enumerate(zip(lines, answers, strict=True), start=1)
    )
    return Results(headings(champions), cards, cards if len(cards) <= MOST_CARDS else ())


def card(position: int, line: Line, answer: Answer, champions: Mapping[str, Champion], *, picture: bool = True) -> Card:
    """Make the card of one molecule."""
    if isinstance(answer, Fault):
        return Card(position, line, "", None, (), Markup(), words.fault_words(answer.code), answer.detail)
    standardised = next(iter(answer.values())).smiles
    rows = tuple(_row(name, champions[name], estimate) for name, estimate in answer.items())
    return Card(
        position,
        line,
        standardised if standardised != line.smiles else "",
        structure_svg(standardised) if picture else None,
        rows,
        radar([line], [answer], champions) if picture else Markup(),
    )


def headings(champions: Mapping[str, Champion]) -> tuple[Heading, ...]:
    """Describe the endpoints of an answer."""
    return tuple(
        Heading(
            name,
            champion.manifest.title,
            "" if champion.manifest.target.task == "binary" else champion.manifest.unit,
            words.DIRECTIONS[champion.manifest.direction],
            words.wanted(champion),
        )
        for name, champion in champions.items()
    )


def radar(lines: Sequence[Line], answers: Sequence[Answer], champions: Mapping[str, Champion]) -> Markup:
    """Draw how desirable molecules are, over the endpoints where that can be said; without those not predicted."""
    given = [(line, answer) for line, answer in zip(lines, answers, strict=True) if isinstance(answer, dict)]
    scores = {
        name: [words.desirability(champion, answer[name]) for _, answer in given]
        for name, champion in champions.items()
    }
    known = {
        name: [score for score in row if score is not None] for name, row in scores.items() if row and None not in row
    }
    titles = [champions[name].manifest.title for name in known]
    shapes = [[row[index] for row in known.values()] for index in range(len(given))]
    said = (
        f"{line.title}: " + ", ".join(f"{title} {score:.2f}" for title, score in zip(titles, shape, strict=True))
        for (line, _), shape in zip(given, shapes, strict=True)
    )
    return radar_svg(titles, shapes, "Desirability from 0 to 1. " + "; ".join(said))


def _row(endpoint: str, champion: Champion, estimate: Estimate) -> Row:
    manifest = champion.manifest
    axis = axis_of(manifest.target, champion.measured, estimate)
    binary = manifest.target.task == "binary"
    places = decimals(estimate)
    interval = _interval(estimate, places)
    low, high = ("0 %", "100 %") if binary else _axis_labels(axis)
    value = f"{100 * estimate.value:.0f} %" if binary else number(estimate.value, places)
    unit = "probability" if binary else manifest.unit
    score = words.desirability(champion, estimate)
    band = words.band(score)
    return Row(
        endpoint=endpoint,
        title=manifest.title,
        direction=words.DIRECTIONS[manifest.direction],
        raw=estimate.value,
        value=value,
        unit=unit,
        interval=interval,
        axis=axis_svg(
            axis, np.empty(0) if binary else champion.measured, estimate, _label(value, unit, interval, low, high)
        ),
        low=low,
        high=high,
        standing=words.standing(champion, estimate),
        verdict=words.verdict(estimate),
        score=score,
        band=band,
        band_word=words.BANDS[band],
        inside=estimate.similarity >= manifest.domain_threshold,
        similarity=f"{estimate.similarity:.2f}",
        version=manifest.version,
        quality=words.quality(champion.bundle.card),
    )


def _interval(estimate: Estimate, places: int) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{number(estimate.lower, places)} to {number(estimate.upper, places)}"


def _axis_labels(axis: Axis) -> tuple[str, str]:
    span = axis.high - axis.low
    places = 0 if span >= 50 else 1 if span >= 2 else 2
    return number(axis.low, places), number(axis.high, places)


def _label(value: str, unit: str, interval: str, low: str, high: str) -> str:
    between = f", 90 % interval {interval}" if interval else ""
    return f"{value} {unit}{between}, on an axis from {low} to {high}"
