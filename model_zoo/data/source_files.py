"""What a file of measurements holds: its rows as they came, whatever its format.

Belongs here: how a file is laid out, as an endpoint's YAML says it, and reading it into raw rows.
Does not belong here: where files are (see `sources.py`), formats and guesses (see `tables/`), judging a row (see
`curation.py`).

A raw table has one row per measurement as it came, nothing dropped, all text but `row`; an absent cell is an empty
text. `excluded` says why a row is none that the endpoint's source asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_zoo.chemistry.standardisation import cxsmiles
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import DELIMITERS, Form, Format, delimiter_of
from model_zoo.data.tables.names import numbered
from model_zoo.data.tables.reading import read_grid
from model_zoo.data.tables.sdf import property_names, read_sdf
from model_zoo.data.tables.text import UTF8, guess_encoding, read_lines
from model_zoo.errors import DataError

RAW_COLUMNS = (
    "file", "row", "smiles", "value", "relation", "unit", "split", "excluded", "numerals", "series", "measured_on",
    "weight",
)  # fmt: skip
UNIT_COLUMN = "unit"
"""A table with a column of this name says its own units, unless the endpoint's source says otherwise."""
ENCODINGS = {"utf-8": UTF8, "utf-16": "utf-16", "cp1252": "cp1252", "latin-1": "latin-1"}

RawRow = dict[str, str | int]


class Layout(BaseModel):
    """How a file is laid out; what a single file says overrides what its source says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format = "csv"
    """What kind of file it is."""
    encoding: Literal["utf-8", "utf-16", "cp1252", "latin-1"] = "utf-8"
    """Of text."""
    delimiter: str | None = None
    """Between cells: `comma`, `semicolon`, `tab`, `pipe` or one character; by the format when omitted."""
    header: bool = True
    """Whether a row names the columns; else they are `column_1`, `column_2` and so on."""
    skip_rows: int = Field(default=0, ge=0)
    """How many rows are before the header, or before the first row where there is none."""
    sheet: str | None = None
    """For `xlsx`: which sheet; its only one when omitted."""
    decimal: Literal[".", ","] = "."
    """The sign before the decimals of a number."""
    thousands: Literal["", ",", ".", " ", "'"] = ""
    """The sign between the thousands of a number, where there is one."""
    smiles_column: str = "smiles"
    """Ignored for `sdf` (the structure itself is read) and `smi` (its first column)."""
    value_column: str = "value"
    """Column, or property of an SDF, with the measured value."""
    relation_column: str | None = None
    """Column, or property of an SDF, with `=`, `<` or `>`; a value written as `>10` needs none."""
    unit: str | None = None
    """The unit of these values; the endpoint's `source_unit` when omitted."""
    unit_column: str | None = None
    """Column, or property, with the unit of each value. A CSV or TSV with a column named `unit` needs none."""
    date_column: str | None = None
    """Column, or property, with the day of each measurement as `2026-01-31`, for a split by time."""
    weight_column: str | None = None
    """Column, or property, with how much a measurement counts beside others of its molecule, such as the number of
    experiments behind it: a positive number, and 1 where the cell is empty."""
    group_column: str | None = None
    """Column, or property, with the series that a molecule belongs to, for a split by it."""
    split_column: str | None = None
    """Column, or property, that says `train` or `test`, for a split by it."""
    split: Literal["train", "test"] | None = None
    """The part that all rows of a file are of, for such a split."""
    where: dict[str, str | tuple[str, ...]] = {}
    """Columns, or properties, and the text or texts that a row must have there; other rows are left out, with that as
    their reason."""
    values_file: str | None = None
    """For `smi`: a CSV that holds the values, joined on the name in the second column of the `smi` file."""
    id_column: str | None = None
    """The column of `values_file` with those names."""

    @model_validator(mode="after")
    def _joined(self) -> Layout:
        if (self.values_file is None) != (self.id_column is None) or (self.format == "smi") != bool(self.values_file):
            raise ValueError("format 'smi' needs both values_file and id_column, other formats take neither")
        if self.unit is not None and self.unit_column is not None:
            raise ValueError("expected unit or unit_column, got both")
        if self.split is not None and self.split_column is not None:
            raise ValueError("expected split or split_column, got both")
        if self.thousands == self.decimal:
            raise ValueError(f"expected two signs for decimal and thousands, got {self.decimal!r} for both")
        if self.sheet is not None and self.format != "xlsx":
            raise ValueError(f"sheet: expected none for the format {self.format!r}")
        if self.delimiter is not None:
            try:
                delimiter_of(self.delimiter)
            except TableError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be there, but for the structure's."""
        named = (
            self.value_column, self.relation_column, self.unit_column, self.date_column, self.group_column,
            self.split_column, self.weight_column, *self.where,
        )  # fmt: skip
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def form(self) -> Form:
        """How the file is written."""
        usual = "\t" if self.format == "tsv" else ","
        delimiter = usual if self.delimiter is None else delimiter_of(self.delimiter)
        encoding = ENCODINGS[self.encoding]
        return Form(self.format, encoding, delimiter, self.header, self.skip_rows, self.sheet or "", self.decimal)

    @property
    def numerals(self) -> str:
        """How numbers are written; see `numerals.py`."""
        return self.decimal + self.thousands


def read_file(path: Path, name: str, layout: Layout, values_path: Path | None = None) -> list[RawRow]:
    """Read every row of a file.

    Parameters
    ----------
    path, name
        Where it is, and what it is called in reports.
    layout
        How it is laid out.
    values_path
        For `smi`: where the values are.

    Raises
    ------
    DataError
        When it is not readable, is empty, or lacks a column or property that is named; with what is there.
    """
    if layout.format == "sdf":
        return _read_sdf(path, name, layout)
    if layout.format == "smi":
        assert values_path is not None
        return _read_smi(path, name, layout, values_path)
    wanted = tuple(dict.fromkeys((layout.smiles_column, *layout.columns)))
    return [
        _row(name, number, cells[layout.smiles_column], cells.get, layout)
        for number, cells in records(path, layout.form, wanted)
    ]


def raw(file: str, row: int, smiles: str, value: str, **others: str) -> RawRow:
    """Make a raw row; `others` are any of its other columns.

    Examples
    --------
    >>> list(raw("a.csv", 1, " CCO", "7", unit="nM").values())[:6]
    ['a.csv', 1, 'CCO', '7', '', 'nM']
    """
    texts = {"smiles": smiles, "value": value, **others}
    numerals = {"numerals": others.get("numerals", "")}  # a blank between thousands is no blank around a text
    return {"file": file, "row": row, **{name: texts.get(name, "").strip() for name in RAW_COLUMNS[2:]}, **numerals}


def records(path: Path, form: Form, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read rows as text: a number is parsed once, in curation, where a bad one gets its reason.

    A row that is longer than the header is shifted somewhere and is refused: 1,5 must not become 1.

    Raises
    ------
    DataError
        When the text is not readable, holds no row, or lacks one of the columns.
    """
    number = 0
    with _readable(path, form):
        rows: Iterator[list[str]] = filter(None, _skipped(read_grid(path, form), form.skip_rows))
        first = next(rows, None)
        if first is None:
            raise DataError(f"{path}: expected a header and rows, got an empty file")
        if form.header:
            header = [cell.strip() or f"column_{place}" for place, cell in enumerate(first, start=1)]
        else:
            header, rows = list(numbered(len(first))), chain([first], rows)
        _require(header, columns, path, form)
        for number, cells in enumerate(rows, start=1):
            if any(cells[len(header) :]):
                raise DataError(
                    f"{path} row {number}: expected {len(header)} cells as in the header, got {len(cells)}. Quote "
                    f"cells that contain {form.delimiter!r}, or correct the row."
                )
            yield number, dict.fromkeys(columns, "") | dict(zip(header, cells, strict=False))
    if number == 0:
        raise DataError(f"{path}: expected at least one measurement, got none")


def _skipped(rows: Iterator[list[str]], number: int) -> Iterator[list[str]]:
    for place, cells in enumerate(rows):
        if place >= number:
            yield cells


@contextmanager
def _readable(path: Path, form: Form) -> Iterator[None]:
    """Name the file in a fault of its table, and say which encoding it seems to have."""
    try:
        yield
    except TableError as error:
        raise DataError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        declared = next(name for name, codec in ENCODINGS.items() if codec == form.encoding)
        seems = guess_encoding(path, archives=True)
        found = next((name for name, codec in ENCODINGS.items() if codec == seems), seems)
        raise DataError(
            f"{path}: expected {declared.upper()} text, and it is none ({error.reason}). It seems to be {found}: "
            f"save it as UTF-8, or say `encoding: {found}` in the endpoint's source after a look at its names "
            "and signs."
        ) from error


def _row(name: str, number: int, smiles: str, cell: Callable[[str, str], str], layout: Layout) -> RawRow:
    """Make a raw row of the cells that a layout names; `cell` returns one by its name, or the default."""
    columns = {
        "value": layout.value_column,
        "relation": layout.relation_column,
        "split": layout.split_column,
        "series": layout.group_column,
        "measured_on": layout.date_column,
        "weight": layout.weight_column,
    }
    texts = {key: cell(column, "") for key, column in columns.items() if column is not None}
    if layout.split is not None:
        texts["split"] = layout.split
    texts["unit"] = layout.unit if layout.unit is not None else cell(layout.unit_column or UNIT_COLUMN, "")
    return raw(name, number, smiles, **texts, excluded=_excluded(cell, layout.where), numerals=layout.numerals)


def _excluded(cell: Callable[[str, str], str], where: Mapping[str, str | tuple[str, ...]]) -> str:
    for column, wanted in where.items():
        texts = (wanted,) if isinstance(wanted, str) else wanted
        came = cell(column, "").strip()
        if came not in texts:
            return f"where: expected {' or '.join(map(repr, texts))} in {column!r}, got {came!r}"
    return ""


def _read_sdf(path: Path, name: str, layout: Layout) -> list[RawRow]:
    from rdkit import Chem

    def lines() -> Iterator[str]:
        return read_lines(path, layout.form.encoding, strict=True, archives=True)

    rows = []
    with _readable(path, layout.form):
        properties = property_names(lines())
        missing = [column for column in layout.columns if column not in properties]
        for number, (values, block, _) in enumerate(read_sdf(lines(), properties), start=1):
            cells = dict(zip(properties, values[1:], strict=True))
            if layout.unit_column is None:
                cells.pop(UNIT_COLUMN, None)
            mol = Chem.MolFromMolBlock(block) if block else None
            row = _row(name, number, "" if mol is None else cxsmiles.written(mol), cells.get, layout)
            if mol is None and not row["excluded"]:
                row["excluded"] = "invalid-structure: expected a structure block that RDKit can read"
            rows.append(row)
    if not rows:
        raise DataError(f"{path}: expected an SDF with at least one molecule, got none")
    if missing:
        raise DataError(
            f"{path}: expected the property {missing[0]!r} in its molecules, found it in none; there are "
            f"{', '.join(map(repr, properties)) or 'no properties'}"
        )
    return rows


def _read_smi(path: Path, name: str, layout: Layout, values_path: Path) -> list[RawRow]:
    values: dict[str, dict[str, str]] = {}
    id_column = str(layout.id_column)
    written = layout.form._replace(format="csv")
    for number, cells in records(values_path, written, tuple(dict.fromkeys((id_column, *layout.columns)))):
        if cells[id_column] in values:
            raise DataError(f"{values_path} row {number}: expected each {id_column} once, got {cells[id_column]} again")
        values[cells[id_column]] = cells
    rows = []
    with _readable(path, layout.form):
        for number, line in enumerate(read_lines(path, layout.form.encoding, strict=True, archives=True), start=1):
            if line.strip():
                smiles, label = cxsmiles.split_line(line)
                found = values.get(label, {})
                rows.append(_row(name, number, smiles, found.get, layout))
    if not rows:
        raise DataError(f"{path}: expected at least one molecule, got none")
    return rows


def _require(header: list[str], columns: tuple[str, ...], path: Path, form: Form) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        for word, sign in DELIMITERS.items():
            if form.format in ("csv", "tsv") and sign != form.delimiter and missing[0] in sign.join(header).split(sign):
                raise DataError(
                    f"{path}: expected the column {missing[0]!r}, and the file is separated by {word}s. Say "
                    f"`delimiter: {word}` in the endpoint's source, and `decimal: ','` if its numbers are written so."
                )
        raise DataError(
            f"{path}: expected the column {missing[0]!r}, got the columns {', '.join(map(repr, header))}. Correct the "
            "file, or name its columns in the endpoint's source."
        )
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise DataError(f"{path}: expected each column once, got {twice[0]!r} twice")
