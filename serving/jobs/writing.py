"""From chunks to a result: CSV, NDJSON and SDF, piece by piece.

Parquet: see `parquet.py`.

Every row of the upload is one row of the result, in order. The columns that came are first and are unchanged; then
`standardised`, `error_code`, `error_detail` and `notes`; then the columns of each endpoint, named
`<endpoint>_<field>`. A column that came with the name of one of ours keeps it, and ours gets a number.
"""

from __future__ import annotations

import csv
import io
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from rdkit import Chem
from rdkit.Chem import rdDepictor

from model_zoo.data.tables.names import unique
from model_zoo.data.tables.row import Row
from model_zoo.io.spreadsheets import safe_cell
from model_zoo.type_aliases import Json
from serving.http.problems import ProblemError
from serving.http.schemas import EndpointPrediction
from serving.inference.annotations import INCLUDES
from serving.jobs.database import Job
from serving.jobs.folder import JobFolder

Cell = str | float | int | bool | None
NOT_A_COLUMN = {"standardised", "role", "model", "signature", "reference_name", "threshold", "no_interval",
                "usual_error_unit"}  # fmt: skip
"""The first is one column for all endpoints; the others are the same in every row, and the model card states them."""
ASKED_FOR = set(INCLUDES)
"""Fields that are there only when the job includes them."""
SHOWN = {"display_value", "display_interval", "display_unit"}
"""Fields of endpoints that people read in another unit."""
OF_OTHER_TASKS = {
    "regression": {"label", "prediction_set"},
    "binary": {"interval", "interval_factor", "calibration"},
}
"""Fields that an endpoint of this task never has."""
INTERVALS = {"interval": "", "display_interval": "display_"}
"""Fields of two numbers, and how the names of their columns begin."""
EMPTY_BLOCK = "\n     RDKit          2D\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"


@dataclass(frozen=True)
class Columns:
    """The columns of a result."""

    sent: tuple[str, ...]
    """Those that came with the upload."""
    made: tuple[str, ...]
    """Ours, in the same order as the cells that `cells` gives."""
    kinds: tuple[type, ...]
    """What each of ours holds."""
    fields: Mapping[str, tuple[str, ...]]
    """Which fields of a prediction are columns, by endpoint."""
    with_smiles: bool
    with_alerts: bool

    def cells(self, entry: Mapping[str, Json]) -> list[Cell]:
        """Return our cells of one row."""
        error = entry.get("error") or {}
        endpoints = entry.get("endpoints") or {}
        first: Mapping[str, Any] = next(iter(endpoints.values()), {})
        cells: list[Cell] = [entry["smiles"] or None] if self.with_smiles else []
        cells += [first.get("standardised"), error.get("code"), error.get("detail"), _notes(entry)]
        if self.with_alerts:
            cells.append("; ".join(alert["name"] for alert in entry["alerts"]) if "alerts" in entry else None)
        for name, fields in self.fields.items():
            estimate = endpoints.get(name) or {}
            for field in fields:
                cells += _flat(field, estimate.get(field))
        return cells


def columns_of(job: Job) -> Columns:
    """Return which columns a job's result has."""
    kinds = {endpoint: (pin.task, pin.displayed) for endpoint, pin in job.champions.items()}
    return make_columns(job.plan.columns, job.plan.include, kinds, with_smiles=job.plan.smiles_column is None)


def make_columns(
    sent: tuple[str, ...],
    include: Collection[str],
    endpoints: Mapping[str, tuple[str, bool]],
    *,
    with_smiles: bool = False,
) -> Columns:
    """Return which columns a result has: those that came, and those of endpoints by task and by having another unit."""
    hints = get_type_hints(EndpointPrediction)
    absent = NOT_A_COLUMN | (ASKED_FOR - set(include))
    every = EndpointPrediction.__struct_fields__
    fields = {
        endpoint: tuple(
            name for name in every if name not in absent | OF_OTHER_TASKS[task] | (set() if displayed else SHOWN)
        )
        for endpoint, (task, displayed) in endpoints.items()
    }
    with_alerts = "alerts" in include
    names = [*["smiles"][:with_smiles], "standardised", "error_code", "error_detail", "notes"]
    names += ["alerts"][:with_alerts]
    kinds: list[type] = [str] * len(names)
    for endpoint, its_fields in fields.items():
        for field in its_fields:
            for suffix, kind in _columns_of_field(field, hints[field]):
                names.append(f"{endpoint}_{suffix}")
                kinds.append(kind)
    return Columns(sent, unique(names, sent), tuple(kinds), fields, with_smiles, with_alerts)


def write_csv(columns: Columns, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Yield a CSV file: UTF-8, a header, lines ended as RFC 4180 wants them, no cell that is run as a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(_safe([*columns.sent, *columns.made]))
    for rows, entries in chunks:
        writer.writerows(_safe([*row.cells, *columns.cells(entry)]) for row, entry in zip(rows, entries, strict=True))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _safe(cells: Sequence[Cell]) -> list[Cell]:
    return [safe_cell(cell) if isinstance(cell, str) else cell for cell in cells]


def write_ndjson(columns: Columns, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Yield one JSON object per line: an entry as `POST /v1/predict` gives it, and the columns that came."""
    for rows, entries in chunks:
        lines = (
            msgspec.json.encode({**entry, "columns": dict(zip(columns.sent, row.cells, strict=True))})
            for row, entry in zip(rows, entries, strict=True)
        )
        yield b"".join(line + b"\n" for line in lines)


def write_sdf(columns: Columns, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Yield an SDF file; a row without a readable structure is a record without atoms."""
    names = unique([_one_line(name) for name in (*columns.sent, *columns.made)])
    for rows, entries in chunks:
        records = (_sdf_record(names, columns, row, entry) for row, entry in zip(rows, entries, strict=True))
        yield "".join(records).encode()


Chunk = tuple[Sequence[Row], Sequence[Mapping[str, Any]]]
Writer = Callable[[Columns, Iterator[Chunk]], Iterator[bytes]]


def chunks_of(job: Job, folder: JobFolder, start: int, stop: int) -> Iterator[Chunk]:
    """Read the rows from `start` to before `stop`, chunk by chunk.

    Raises
    ------
    ProblemError
        `job-gone` when a chunk is: the job was removed meanwhile.
    """
    size = job.plan.chunk_rows
    for number in range(start // size, -(-stop // size)):
        first = number * size
        part = slice(max(0, start - first), stop - first)
        try:
            chunk = folder.read_rows(number)[part], folder.read_results(number)[part]
        except FileNotFoundError as error:
            raise ProblemError("job-gone", "the job's result was removed: submit it again") from error
        yield chunk


def _notes(entry: Mapping[str, Json]) -> str | None:
    """Say what was left out, which endpoints have no value although others have, and which read another SMILES."""
    notes = [note["detail"] for note in entry.get("notes") or ()]
    for name, fault in (entry.get("failed") or {}).items():
        notes.append(fault["detail"] if name in fault["detail"] else f"{name}: {fault['detail']}")
    read = {name: each.get("standardised") for name, each in (entry.get("endpoints") or {}).items()}
    first = next(iter(read.values()), None)
    notes += [f"{name}: predicted as {smiles}" for name, smiles in read.items() if smiles != first]
    return "; ".join(notes) or None


def _flat(field: str, value: Any) -> list[Cell]:
    if field in INTERVALS:
        return list(value) if value is not None else [None, None]
    if value is None or isinstance(value, str | float | int | bool):
        return [value]
    return [msgspec.json.encode(value).decode()]


def _columns_of_field(field: str, hint: Any) -> list[tuple[str, type]]:
    """Name the columns of one field and what they hold; whatever is no plain value becomes JSON text."""
    if field in INTERVALS:
        return [(f"{INTERVALS[field]}lower", float), (f"{INTERVALS[field]}upper", float)]
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [type(get_args(option)[0]) if get_origin(option) is Literal else option for option in options]
    plain = [kind for kind in kinds if kind in (float, int, bool)]
    return [(field, plain[0] if len(plain) == 1 else str)]


def _sdf_record(names: Sequence[str], columns: Columns, row: Row, entry: Mapping[str, Json]) -> str:
    block = _block(row, entry)
    pairs = zip(names, (*row.cells, *columns.cells(entry)), strict=True)
    lines = [f">  <{name}>\n{_property(value)}\n\n" for name, value in pairs if value not in (None, "")]
    return f"{block}{''.join(lines)}$$$$\n"


def _block(row: Row, entry: Mapping[str, Json]) -> str:
    """Return a row's structure: the block that came, or one drawn from the SMILES."""
    if "\n" in row.structure.strip():
        return _as_it_came(row.structure)
    if "error" in entry:
        return EMPTY_BLOCK
    mol = Chem.MolFromSmiles(entry["smiles"].strip())
    if mol is None:
        return EMPTY_BLOCK
    rdDepictor.Compute2DCoords(mol)
    return Chem.MolToMolBlock(mol)


def _as_it_came(text: str) -> str:
    """Return a structure block that RDKit reads, else one without atoms; a cell may end without its line end.

    What follows its end in a cell, or a line end that is missing there, would shift all records after it.
    """
    lines = re.split(r"\r\n|\r|\n", text)
    ends = [number for number, line in enumerate(lines) if line.startswith("M  END")]
    block = "".join(f"{line}\n" for line in lines[: ends[0] + 1]) if len(ends) == 1 else ""
    return block if block and Chem.MolFromMolBlock(block, sanitize=False) is not None else EMPTY_BLOCK


def _property(value: Cell) -> str:
    """Return a property's text: an empty line or a separator inside it would end it."""
    lines = re.split(r"\r\n|\r|\n", str(value))
    kept = [f" {line}" if line.startswith(("$$$$", ">")) else line for line in lines if line.strip()]
    return "\n".join(kept)


def _one_line(name: str) -> str:
    return re.sub(r"[\r\n<>]+", " ", name)


WRITERS: dict[str, tuple[str, Writer]] = {
    "csv": ("text/csv", write_csv),
    "ndjson": ("application/x-ndjson", write_ndjson),
    "sdf": ("chemical/x-mdl-sdfile", write_sdf),
}
"""Media type and writer of each format but Parquet."""
