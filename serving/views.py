"""What the page says about a prediction, in a chemist's words.

Belongs here: wording, rounding and pictures of results, as values that a template prints.
Does not belong here: HTTP (see `page.py`), mark-up (see `templates/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from serving.axis import Axis, axis_of, axis_svg, decimals, number
from serving.drawing import structure_svg
from serving.predictor import Answer, Estimate, Fault
from serving.table import Champion, Table

DIRECTIONS = {"higher": "Higher is better", "lower": "Lower is better", "none": ""}
FAULTS = {
    "empty": "The line is empty.",
    "too-long": "The SMILES is too long for this service.",
    "too-large": "The molecule is too large for these models.",
    "invalid-smiles": "This is not a SMILES that can be read. Check brackets, ring numbers and valences.",
    "no-atoms": "There is no atom in it.",
    "standardise-failed": "The structure could not be brought to a standard form.",
    "timeout": "The models did not come to an end with this structure.",
    "prediction-failed": "The models cannot handle this structure.",
}
"""A sentence for each code of a molecule that was not predicted."""


@dataclass(frozen=True)
class Line:
    """One line of the box: a SMILES and the name that may follow it."""

    smiles: str
    name: str


@dataclass(frozen=True)
class Row:
    """One endpoint of one molecule."""

    title: str
    direction: str
    value: str
    unit: str
    interval: str
    axis: Markup
    low: str
    high: str
    standing: str
    inside: bool
    similarity: str
    version: str
    endpoint: str


@dataclass(frozen=True)
class Card:
    """One molecule: rows of predictions, or why there are none."""

    position: int
    name: str
    smiles: str
    standardised: str
    drawing: Markup | None
    rows: tuple[Row, ...]
    fault: str
    fault_detail: str


@dataclass(frozen=True)
class ChampionLine:
    """One endpoint in the page's footer."""

    endpoint: str
    title: str
    description: str
    unit: str
    direction: str
    model: str
    version: str
    measured: int


def parse_lines(text: str) -> list[Line]:
    r"""Split the box into lines: one SMILES each, a name after a blank or tab; empty lines do not count.

    Examples
    --------
    >>> parse_lines("CCO ethanol\n\n c1ccccc1 ")
    [Line(smiles='CCO', name='ethanol'), Line(smiles='c1ccccc1', name='')]
    """
    pairs = (line.strip().split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [Line(pair[0], pair[1] if len(pair) > 1 else "") for pair in pairs]


def cards(lines: Sequence[Line], answers: Sequence[Answer], champions: Mapping[str, Champion]) -> list[Card]:
    """Make one card per molecule, in order. Draws structures: slow enough for a worker thread."""
    return [
        _card(position, line, answer, champions)
        for position, (line, answer) in enumerate(zip(lines, answers, strict=True), start=1)
    ]


def champion_lines(table: Table) -> list[ChampionLine]:
    """Describe what serves, for the footer."""
    return [
        ChampionLine(
            endpoint=name,
            title=champion.manifest.title,
            description=champion.manifest.description,
            unit=champion.manifest.unit,
            direction=DIRECTIONS[champion.manifest.direction],
            model=champion.manifest.model,
            version=champion.manifest.version,
            measured=len(champion.measured),
        )
        for name, champion in table.champions.items()
    ]


def _card(position: int, line: Line, answer: Answer, champions: Mapping[str, Champion]) -> Card:
    if isinstance(answer, Fault):
        fault = FAULTS.get(answer.code, "This molecule could not be predicted.")
        return Card(position, line.name, line.smiles, "", None, (), fault, answer.detail)
    standardised = next(iter(answer.values())).smiles
    rows = tuple(_row(name, champions[name], estimate) for name, estimate in answer.items())
    changed = standardised if standardised != line.smiles else ""
    return Card(position, line.name, line.smiles, changed, structure_svg(standardised), rows, "", "")


def _row(endpoint: str, champion: Champion, estimate: Estimate) -> Row:
    manifest = champion.manifest
    axis = axis_of(manifest.target, champion.measured, estimate)
    binary = manifest.target.task == "binary"
    if binary:
        value, unit, interval, low, high = f"{100 * estimate.value:.0f} %", "probability", "", "0 %", "100 %"
    else:
        places = decimals(estimate)
        value, unit = number(estimate.value, places), manifest.unit
        interval = _interval(estimate, places)
        low, high = _axis_labels(axis)
    return Row(
        title=manifest.title,
        direction=DIRECTIONS[manifest.direction],
        value=value,
        unit=unit,
        interval=interval,
        axis=axis_svg(
            axis, np.empty(0) if binary else champion.measured, estimate, _label(value, unit, interval, low, high)
        ),
        low=low,
        high=high,
        standing="" if binary else _standing(champion, estimate),
        inside=estimate.similarity >= manifest.domain_threshold,
        similarity=f"{estimate.similarity:.2f}",
        version=manifest.version,
        endpoint=endpoint,
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


def _standing(champion: Champion, estimate: Estimate) -> str:
    """Say where the value lies among the measured ones; nothing when there are too few to say."""
    count = len(champion.measured)
    if count < 20:
        return ""
    share = float(np.searchsorted(champion.measured, estimate.value)) / count
    if share < 0.01:
        return "below 99 % of measured"
    if share > 0.99:
        return "above 99 % of measured"
    return f"above {100 * share:.0f} % of measured"
