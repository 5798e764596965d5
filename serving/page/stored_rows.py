"""Rows of a stored result as the page's table shows them: a list of numbers per endpoint, and what marks each of them.

A prediction in the interface's JSON is half a kilobyte; ten thousand molecules of two hundred endpoints would be a
gigabyte of it. Here a prediction is two numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import UNSET, Struct, UnsetType

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.data.pasted.columns import find_name_column
from model_zoo.data.tables.row import Row
from model_zoo.inference.answers import Estimate
from serving.champions.champion_registry import Champion
from serving.jobs.database import Job
from serving.jobs.folder import JobFolder
from serving.page import wording
from serving.page.known import amount

ROWS = 500
"""Most rows of one answer."""
MOST_CELLS = 3_000_000
"""Of a result with more predictions than this the first rows are shown; a file holds all."""
GOOD, FAIR, POOR, FAR, MEASURED, TRIAL, PROVISIONAL, TOO_LARGE = (1 << bit for bit in range(8))
_BANDS: Mapping[str, int] = {"good": GOOD, "fair": FAIR, "poor": POOR, "": 0}


class _Prediction(Struct):
    """Of a stored prediction what the table shows; earlier releases stored fewer fields."""

    value: float
    standardised: str
    champion: str
    similarity: float = 0.0
    domain: str = "inside"
    percentile: float | None = None
    label: int | None = None
    display_value: float | UnsetType | None = UNSET
    role: str = "champion"
    provisional: bool = False


class _Message(Struct):
    code: str
    detail: str


class _Entry(Struct):
    """Of a stored row what the table shows."""

    smiles: str
    endpoints: dict[str, _Prediction] = {}
    error: _Message | None = None
    notes: list[_Message] = []


class _Unit(Struct):
    unit: str
    display_unit: str = ""


class _Units(Struct):
    endpoints: dict[str, _Unit] = {}


_units_decoder = msgspec.json.Decoder(list[_Units])
_decoder = msgspec.json.Decoder(list[_Entry])


class Column(Struct):
    """One endpoint's part of some rows: a value each (none where there is no number), and its marks as bits."""

    values: list[float | None] = []
    marks: list[int] = []
    measured: dict[int, str] = {}
    """By place among the rows, what was measured for this very molecule."""


class StoredRows(Struct):
    """Some rows of a job, from `start`; faults and notes by their place among them."""

    start: int
    columns: dict[str, Column]
    names: list[str] = []
    smiles: list[str] = []
    notes: dict[int, str] = {}
    faults: dict[int, str] = {}


def rows_shown(job: Job) -> int:
    """Return how many rows of a job its table shows."""
    return min(job.total, max(ROWS, MOST_CELLS // max(1, len(job.champions))))


def stored_rows(
    job: Job, folder: JobFolder, start: int, champions: Mapping[str, Champion], *, measured: bool
) -> StoredRows:
    """Read up to `ROWS` rows, as far as they are done. Slow: it decodes megabytes.

    Bands and measured values are shown where the champion that predicted still serves: no other one's wishes and data
    are those of the prediction.
    """
    stored = StoredRows(start, {name: Column() for name in job.champions})
    same = {
        name: each
        for name, each in champions.items()
        if name in job.champions and job.champions[name].version == each.manifest.version
    }
    known = {name: _Known(each) for name, each in same.items()} if measured else {}
    named = find_name_column(job.plan.columns, job.plan.smiles_column)
    at = job.plan.columns.index(named) if named in job.plan.columns else -1
    for row, entry in _read(job, folder, start, min(job.done, rows_shown(job), start + ROWS)):
        place = len(stored.smiles)
        stored.names.append(row.cells[at] if at >= 0 else "")
        stored.smiles.append(_structure(entry))
        if entry.error is not None:
            stored.faults[place] = wording.fault_words(entry.error.code, entry.error.detail)
        if entry.notes:
            stored.notes[place] = "; ".join(note.detail for note in entry.notes)
        for name, column in stored.columns.items():
            _add(column, place, entry.endpoints.get(name), same.get(name), known.get(name))
    return stored


def units_of(job: Job, folder: JobFolder) -> dict[str, str]:
    """Return the unit that each endpoint's shown values are in, from the first rows that have some."""
    for number in range(min(3, -(-job.done // job.plan.chunk_rows))):
        for entry in folder.read_results_as(number, _units_decoder):
            if entry.endpoints:
                return {name: stored.display_unit or stored.unit for name, stored in entry.endpoints.items()}
    return {}


def _read(job: Job, folder: JobFolder, start: int, stop: int) -> Iterator[tuple[Row, _Entry]]:
    size = job.plan.chunk_rows
    for number in range(start // size, -(-stop // size)):
        part = slice(max(0, start - number * size), stop - number * size)
        entries = folder.read_results_as(number, _decoder)[part]
        yield from zip(folder.read_rows(number)[part], entries, strict=True)


def _structure(entry: _Entry) -> str:
    """Return a structure on one line: as it was sent, or what the models saw of one that came as a block."""
    sent, first = entry.smiles.strip(), next(iter(entry.endpoints.values()), None)
    return first.standardised if first is not None and ("\n" in sent or not sent) else sent.split("\n")[0]


def _add(
    column: Column, place: int, stored: _Prediction | None, champion: Champion | None, known: _Known | None
) -> None:
    if stored is None:
        column.values.append(None)
        column.marks.append(0)
        return
    shown = stored.value if stored.display_value is UNSET else stored.display_value
    marks = (
        FAR * (stored.domain == "outside") + TRIAL * (stored.role == "challenger") + PROVISIONAL * stored.provisional
    )
    marks += TOO_LARGE * (shown is None)
    if champion is not None and stored.champion == champion.manifest.version:
        estimate = Estimate(
            stored.standardised, stored.value, None, None, stored.similarity, stored.percentile, stored.label
        )
        marks += _BANDS[wording.band(wording.desirability(champion, estimate))]
    if known is not None and (found := known.of(stored.standardised)):
        marks += MEASURED
        column.measured[place] = found
    column.values.append(None if shown is None else float(shown))
    column.marks.append(marks)


class _Known:
    """What was measured for a champion's training molecules, by their standardised SMILES."""

    def __init__(self, champion: Champion) -> None:
        self._champion, self._places = champion, dict[str, list[int]]()
        for place, smiles in enumerate(champion.bundle.neighbours.smiles):
            self._places.setdefault(smiles, []).append(place)

    def of(self, smiles: str) -> str:
        """Say what was measured for a molecule; nothing where it is none of them."""
        if smiles not in self._places:
            return ""
        near = self._champion.bundle.neighbours
        found = [
            Neighbour(smiles, 1.0, float(near.values[place]), near.relations[place] if near.relations else "=")
            for place in self._places[smiles]
        ]
        return "; ".join(amount(each, self._champion) for each in found)
