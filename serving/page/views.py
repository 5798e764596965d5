"""What the page says about predictions, as values that templates print.

The cards of molecules, the table over all of them, the comparison of some. Their wording is in `wording.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup
from rdkit import Chem

from model_zoo.chemistry.physchem import Physchem, physchem
from model_zoo.inference.answers import Answer, Estimate, Estimates, Fault
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.page import wording
from serving.page.axis import Axis, axis_svg, decimals, number, places, significant
from serving.page.categories import MOST_OPEN, category_of, in_categories
from serving.page.drawing import structure_svg
from serving.page.headings import Heading, headings
from serving.page.known import Measured, measured_values
from serving.page.radar import radar_of
from serving.page.shown import direction_words, shown_axis, shown_estimate, shown_values, spans_decades, value_and_unit
from serving.page.understood import Line

MOST_CARDS = 10
"""Cards that a long list is answered with at once; the others are fetched when their row is opened."""
MOST_ROWS = 400
"""Predictions on all those cards together: of many endpoints fewer cards come at once."""
MOST_PICTURES = 64
"""Rows of the table that come with a structure: drawing is the slowest part of an answer."""


@dataclass(frozen=True)
class ShownMolecule:
    """What is said of one molecule, and by which model."""

    answer: Answer
    champions: Mapping[str, Champion]
    """Who answered, by endpoint; a challenger where the split says so."""
    on_trial: frozenset[str] = frozenset()
    """Endpoints that a challenger answered."""
    alike: tuple[str, ...] = ()
    """What is predicted alike for its stereoisomers."""
    measured: bool = True
    """Whether this service shows measured values."""


@dataclass(frozen=True)
class Row:
    """One endpoint of one molecule; what a table does not show is made when it is asked for."""

    champion: Champion
    estimate: Estimate
    endpoint: str
    title: str
    direction: str
    raw: float
    value: str
    unit: str
    interval: str
    no_interval: str
    """Why there is none; empty where there is one, and for classes."""
    standing: str
    verdict: wording.Verdict | None
    score: float | None
    """Desirability, 0 to 1."""
    band: wording.Band
    band_word: str
    inside: bool
    trust: wording.Trust
    similarity: str
    version: str
    on_trial: bool
    """Whether a challenger predicted it."""
    measured: tuple[Measured, ...] = ()
    """What was measured for it, or for another of its stereoisomers."""

    @cached_property
    def axis(self) -> Markup:
        """The value on its endpoint's own axis."""
        word = "about 90 % interval" if self.trust.has_known_error else "perhaps"
        between = f", {word} {self.interval}" if self.interval else ""
        label = f"{self.value} {self.unit}{between}, on an axis from {self.low} to {self.high}"
        measured = np.empty(0) if self._binary else shown_values(self.champion)
        return axis_svg(self._axis, measured, shown_estimate(self.champion, self.estimate), label)

    @property
    def low(self) -> str:
        """Where that axis begins."""
        return "0 %" if self._binary else _axis_labels(self._axis)[0]

    @property
    def high(self) -> str:
        """Where it ends."""
        return "100 %" if self._binary else _axis_labels(self._axis)[1]

    @property
    def category(self) -> str:
        """Under which heading people look for the endpoint."""
        return category_of(self.champion)

    @property
    def quality(self) -> wording.Quality | None:
        """How good the model is."""
        return wording.quality(self.champion.bundle.card)

    @cached_property
    def provisional(self) -> str:
        """Why the model is provisional; empty where it is not."""
        return wording.provisional(self.champion.bundle.card)

    @cached_property
    def _axis(self) -> Axis:
        return shown_axis(self.champion, self.estimate)

    @property
    def _binary(self) -> bool:
        return self.champion.manifest.target.task == "binary"


@dataclass(frozen=True)
class Card:
    """One molecule: rows of predictions, or why there are none."""

    position: int
    line: Line
    standardised: str
    drawing: Markup | None
    rows: tuple[Row | None, ...]
    """One per endpoint, in the order of the headings; none where its model gave no number."""
    fault: str = ""
    fault_detail: str = ""
    read: str = ""
    """The structure that models see, as SMILES."""
    notes: tuple[str, ...] = ()
    """What was left out or not read of the structure, and which properties have no value."""

    @cached_property
    def radar(self) -> Markup:
        """How desirable the molecule is in every respect where that can be said."""
        return radar([self])

    @property
    def categories(self) -> tuple[tuple[str, tuple[Row, ...]], ...]:
        """The rows by category, where they are too many for one table; else all of them, under no heading."""
        rows = tuple(row for row in self.rows if row is not None)
        return in_categories(rows) if len(rows) > MOST_OPEN else (("", rows),)

    @cached_property
    def physchem(self) -> Physchem:
        """What is calculated from the structure that models see."""
        return physchem(Chem.MolFromSmiles(self.read))

    @property
    def inside(self) -> bool:
        """Whether every model knows molecules like this one."""
        return all(row.inside for row in self.rows if row is not None)

    @property
    def on_trial(self) -> bool:
        """Whether a challenger predicted some of it."""
        return any(row.on_trial for row in self.rows if row is not None)


@dataclass(frozen=True)
class Results:
    """All that an answer shows."""

    headings: tuple[Heading, ...]
    cards: tuple[Card, ...]
    """`headings` and `cards`: columns and rows of the table, in the order of the request."""
    shown: tuple[Card, ...]
    """Cards that are printed at once."""
    trials: tuple[str, ...]
    """A sentence per endpoint where a challenger answers for a share of the molecules."""
    provisional: str
    """A sentence on the endpoints whose champion is provisional; empty where there is none."""
    serving: Mapping[str, tuple[str, str, str, bool]]
    """Title, version, model and whether that is provisional, by endpoint: the page compares it with what serves
    later."""

    @property
    def categories(self) -> tuple[tuple[str, tuple[Heading, ...]], ...]:
        """The columns by category."""
        return in_categories(self.headings)


def results_of(lines: Sequence[Line], molecules: Sequence[ShownMolecule], table: ChampionRegistry) -> Results:
    """Put an answer together, in the order of the request. Draws structures: slow enough for a worker thread."""
    cards = tuple(
        card(position, line, each, picture=position <= MOST_PICTURES)
        for position, (line, each) in enumerate(zip(lines, molecules, strict=True), start=1)
    )
    endpoints = len(table.champions)
    return Results(
        headings=headings(table.champions),
        cards=cards,
        shown=cards if len(cards) == 1 or (len(cards) <= MOST_CARDS and len(cards) * endpoints <= MOST_ROWS) else (),
        trials=_trials(table),
        provisional=_provisional(table),
        serving={
            name: (each.manifest.title, each.manifest.version, each.manifest.model, each.provisional)
            for name, each in table.champions.items()
        },
    )


def _provisional(table: ChampionRegistry) -> str:
    """Say whose champions may soon be replaced, in one sentence for all of them."""
    titles = [champion.manifest.title for champion in table.champions.values() if champion.provisional]
    if not titles:
        return ""
    which = ", ".join(titles) if len(titles) < len(table.champions) else "every property"
    return f"{which}: the best of the models trained so far; others are still to be trained, and one may prove better."


def _trials(table: ChampionRegistry) -> tuple[str, ...]:
    """Say where a challenger answers for some molecules."""
    sentences = []
    for name, challenger in table.challengers.items():
        if share := table.share_on_trial(name):
            title, version = challenger.manifest.title, challenger.manifest.version
            sentences.append(
                f"{title}: {version} answers for {100 * share:.0f} % of the molecules, always the same ones."
            )
    return tuple(sentences)


def card(position: int, line: Line, molecule: ShownMolecule, *, picture: bool = True) -> Card:
    """Make the card of one molecule."""
    answer = molecule.answer
    if isinstance(answer, Fault):
        sentence = wording.fault_words(answer.code, answer.detail)
        detail = answer.detail if answer.code in wording.FAULTS else ""
        return Card(position, line, "", None, (), sentence, detail)
    standardised = next(iter(answer.values())).smiles
    rows = tuple(
        _row(name, champion, answer[name], on_trial=name in molecule.on_trial, known=molecule.measured)
        if name in answer
        else None
        for name, champion in molecule.champions.items()
    )
    return Card(
        position,
        line,
        standardised if standardised != line.smiles else "",
        structure_svg(standardised) if picture else None,
        rows,
        read=standardised,
        notes=(*filter(None, [line.note]), *notes_of(answer), *molecule.alike),
    )


def notes_of(answer: Estimates) -> list[str]:
    """Say what was left out or not read of a structure, and which endpoints have no value."""
    notes = dict.fromkeys(note.detail for estimate in answer.values() for note in estimate.notes)
    return [*notes, *(fault.detail for fault in answer.faults.values())]


def radar(cards: Sequence[Card]) -> Markup:
    """Draw how desirable molecules are, over the endpoints where that can be said of all of them."""
    given = [card for card in cards if not card.fault]
    return radar_of([card.line.title for card in given], [card.rows for card in given])


def _row(endpoint: str, champion: Champion, estimate: Estimate, *, on_trial: bool, known: bool) -> Row:
    manifest = champion.manifest
    seen = shown_estimate(champion, estimate)
    digits = significant if spans_decades(manifest) else lambda _: decimals(seen)
    interval = _interval(seen, digits)
    value, unit = value_and_unit(champion, estimate)
    score = wording.desirability(champion, estimate)
    band = wording.band(score)
    return Row(
        champion=champion,
        estimate=estimate,
        endpoint=endpoint,
        title=manifest.title,
        direction=direction_words(manifest),
        raw=seen.value,
        value=value,
        unit=unit,
        interval=interval,
        no_interval="" if interval else champion.no_interval,
        standing=wording.standing(champion, estimate),
        verdict=wording.verdict(estimate),
        score=score,
        band=band,
        band_word=wording.BANDS[band],
        inside=estimate.inside,
        trust=wording.trust(champion, estimate),
        similarity=f"{estimate.similarity:.2f}",
        version=manifest.version,
        on_trial=on_trial,
        measured=measured_values(champion, estimate.smiles, estimate.similarity) if known else (),
    )


def _interval(estimate: Estimate, digits: Callable[[float], int]) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{number(estimate.lower, digits(estimate.lower))} to {number(estimate.upper, digits(estimate.upper))}"


def _axis_labels(axis: Axis) -> tuple[str, str]:
    if axis.logarithmic:
        return number(axis.low, significant(axis.low)), number(axis.high, significant(axis.high))
    span = axis.high - axis.low
    shown = 0 if span >= 50 else 1 if span >= 2 else places(span)
    return number(axis.low, shown), number(axis.high, shown)
