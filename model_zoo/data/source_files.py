"""What a file of measurements holds: its rows as they came, whatever its format.

Belongs here: how a file is laid out, and reading CSV, TSV, SDF and SMILES files into raw rows.
Does not belong here: where files lie (see `sources.py`), judging a row (see `curation.py`).

A raw table has one row per measurement as it came, nothing dropped: `file, row (1-based), smiles, value, relation,
unit, split, excluded`, all text but `row`; an absent cell is an empty text. `excluded` says why a row is none that the
endpoint's source asks for.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from model_zoo.chemistry.standardisation import cxsmiles
from model_zoo.errors import DataError

RAW_COLUMNS = ("file", "row", "smiles", "value", "relation", "unit", "split", "excluded")
UNIT_COLUMN = "unit"
"""A table with a column of this name says its own units, unless the endpoint's source says otherwise."""

RawRow = dict[str, str | int]


class Layout(BaseModel):
    """How a file is laid out; what a single file says overrides what its source says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["csv", "tsv", "sdf", "smi"] = "csv"
    smiles_column: str = "smiles"
    """Ignored for `sdf` (the structure itself is read) and `smi` (its first column)."""
    value_column: str = "value"
    relation_column: str | None = None
    """Column, or property of an SDF, with `=`, `<` or `>`; a value written as `>10` needs none."""
    unit: str | None = None
    """The unit of these values; the endpoint's `source_unit` when omitted."""
    unit_column: str | None = None
    """Column, or property, with the unit of each value. A CSV or TSV with a column named `unit` needs none."""
    where: dict[str, str | tuple[str, ...]] = {}
    """Columns, or properties, and the text or texts that a row must have there; other rows are left out, with that as
    their reason."""
    values_file: str | None = None
    """For `smi`: a CSV that holds the values, joined on the name in the second column of the `smi` file."""
    id_column: str | None = None

    @model_validator(mode="after")
    def _joined(self) -> Layout:
        if (self.values_file is None) != (self.id_column is None) or (self.format == "smi") != bool(self.values_file):
            raise ValueError("format 'smi' needs both values_file and id_column, other formats take neither")
        if self.unit is not None and self.unit_column is not None:
            raise ValueError("expected unit or unit_column, got both")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be there, but for the structure's."""
        named = (self.value_column, self.relation_column, self.unit_column, *self.where)
        return tuple(dict.fromkeys(name for name in named if name is not None))


def read_file(path: Path, name: str, layout: Layout, values_path: Path | None = None) -> list[RawRow]:
    """Read every row of a file.

    Parameters
    ----------
    path, name
        Where it lies, and what it is called in reports.
    layout
        How it is laid out.
    values_path
        For `smi`: where the values lie.

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
    delimiter = "\t" if layout.format == "tsv" else ","
    wanted = tuple(dict.fromkeys((layout.smiles_column, *layout.columns)))
    return [
        _row(name, number, cells[layout.smiles_column], cells.get, layout)
        for number, cells in records(path, delimiter, wanted)
    ]


def raw(file: str, row: int, smiles: str, value: str, **others: str) -> RawRow:
    """Make a raw row; `others` are any of relation, unit, split and excluded.

    Examples
    --------
    >>> list(raw("a.csv", 1, " CCO", "7", unit="nM").values())
    ['a.csv', 1, 'CCO', '7', '', 'nM', '', '']
    """
    texts = {"smiles": smiles, "value": value, **others}
    return {"file": file, "row": row, **{name: texts.get(name, "").strip() for name in RAW_COLUMNS[2:]}}


def records(path: Path, delimiter: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read rows as text: a number is parsed once, in curation, where a bad one gets its reason.

    A row that is longer than the header is shifted somewhere and is refused: 1,5 must not become 1.

    Raises
    ------
    DataError
        When the text is not readable, holds no row, or lacks one of the columns.
    """
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = next(reader, None)
            if header is None:
                raise DataError(f"{path}: expected a header and rows, got an empty file")
            _require(header, columns, path)
            for number, cells in enumerate(filter(None, reader), start=1):
                if any(cells[len(header) :]):
                    raise DataError(
                        f"{path} row {number}: expected {len(header)} cells as in the header, got {len(cells)}. Quote "
                        f"cells that contain {delimiter!r}, or correct the row."
                    )
                yield number, dict.fromkeys(columns, "") | dict(zip(header, cells, strict=False))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected UTF-8 text separated by {delimiter!r}: {error}") from error
    if number == 0:
        raise DataError(f"{path}: expected at least one measurement, got none")


def _row(name: str, number: int, smiles: str, cell: Callable[[str, str], str], layout: Layout) -> RawRow:
    """Make a raw row of the cells that a layout names; `cell` gives one by its name, or what it is told."""
    columns = {"value": layout.value_column, "relation": layout.relation_column}
    texts = {key: cell(column, "") for key, column in columns.items() if column is not None}
    unit = layout.unit if layout.unit is not None else cell(layout.unit_column or UNIT_COLUMN, "")
    return raw(name, number, smiles, **texts, unit=unit, excluded=_excluded(cell, layout.where))


def _excluded(cell: Callable[[str, str], str], where: Mapping[str, str | tuple[str, ...]]) -> str:
    for column, wanted in where.items():
        texts = (wanted,) if isinstance(wanted, str) else wanted
        came = cell(column, "").strip()
        if came not in texts:
            return f"where: expected {' or '.join(map(repr, texts))} in {column!r}, got {came!r}"
    return ""


def _read_sdf(path: Path, name: str, layout: Layout) -> list[RawRow]:
    from rdkit import Chem

    try:
        supplier = Chem.SDMolSupplier(str(path))
    except OSError as error:
        raise DataError(f"{path}: expected an SDF with at least one molecule: {error}") from error
    rows = []
    seen: dict[str, None] = {}
    for number, mol in enumerate(supplier, start=1):
        cells: dict[str, str] = {}
        if mol is not None:
            cells = {key: mol.GetProp(key) for key in mol.GetPropNames()}
            seen |= dict.fromkeys(cells)
        if layout.unit_column is None:
            cells.pop(UNIT_COLUMN, None)
        rows.append(_row(name, number, "" if mol is None else cxsmiles.written(mol), cells.get, layout))
    missing = [column for column in layout.columns if column not in seen]
    if missing:
        raise DataError(
            f"{path}: expected the property {missing[0]!r} in its molecules, found it in none; there are "
            f"{', '.join(map(repr, seen)) or 'no properties'}"
        )
    return rows


def _read_smi(path: Path, name: str, layout: Layout, values_path: Path) -> list[RawRow]:
    values: dict[str, dict[str, str]] = {}
    id_column = str(layout.id_column)
    for number, cells in records(values_path, ",", tuple(dict.fromkeys((id_column, *layout.columns)))):
        if cells[id_column] in values:
            raise DataError(f"{values_path} row {number}: expected each {id_column} once, got {cells[id_column]} again")
        values[cells[id_column]] = cells
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text, a SMILES and a name per line: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            smiles, label = cxsmiles.split_line(line)
            found = values.get(label, {})
            rows.append(_row(name, number, smiles, found.get, layout))
    if not rows:
        raise DataError(f"{path}: expected at least one molecule, got none")
    return rows


def _require(header: list[str], columns: tuple[str, ...], path: Path) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(
            f"{path}: expected the column {missing[0]!r}, got the columns {', '.join(map(repr, header))}. Correct the "
            "file, or name its columns in the endpoint's source."
        )
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise DataError(f"{path}: expected each column once, got {twice[0]!r} twice")
