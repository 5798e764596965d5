"""A file of measurements read whole, for a look at all its cells, and how it is written."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model_zoo.data.source_files import ENCODINGS
from model_zoo.data.tables.delimited import read_smiles_lines
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import DELIMITERS, TEXT_FORMATS, Form, delimiter_of
from model_zoo.data.tables.guessing import TableOptions, declared_delimiter, find_smiles_column, guess_format
from model_zoo.data.tables.headers import is_header, rows_above, telling_rows
from model_zoo.data.tables.names import numbered, unique
from model_zoo.data.tables.reading import read_grid, read_head
from model_zoo.data.tables.sdf import blocks_of_records, property_names, read_sdf
from model_zoo.data.tables.text import is_workbook, read_lines
from model_zoo.data.tables.workbook import peculiarities

LOOKED_AT = 200
"""Rows by which the column of structures is found."""
ANY = "*"
"""Takes the place of every text that a column may hold."""
OLD_WORKBOOKS = ("xls", "xlsb", "ods", "numbers")


@dataclass(frozen=True)
class WholeTable:
    """A file read whole."""

    path: Path
    form: Form
    """`path` and `form`: where it is, and how it is written."""
    names: tuple[str, ...]
    """Its columns; a name that occurs twice, twice."""
    rows: list[list[str]]
    """Their cells, as many per row."""
    structure: str
    """The column with the structures; empty for SDF."""
    notes: tuple[str, ...] = ()
    """What its owner should know."""
    subheadings: tuple[list[str], ...] = ()
    """Rows below the header that have no structure, before the first that has one: units, kinds, a second header."""

    def column(self, name: str) -> list[str]:
        """Return the cells of a column, without blanks around them."""
        place = self.names.index(name)
        return [row[place].strip() for row in self.rows]

    def structures(self) -> list[str]:
        """Return the structures as they are written; none for SDF."""
        return self.column(self.structure) if self.structure else []

    def below(self, name: str) -> list[str]:
        """Return what rows below the header say of a column."""
        place = self.names.index(name)
        return [row[place].strip() for row in self.subheadings if row[place].strip()]

    def rows_with(self, where: Mapping[str, str]) -> WholeTable:
        """Return the table with the rows that have these texts in these columns; `ANY` represents every text."""
        wanted = [(self.names.index(name), text) for name, text in where.items() if text != ANY]
        return replace(self, rows=[row for row in self.rows if all(row[at].strip() == text for at, text in wanted)])


def read_whole(
    path: Path, options: TableOptions, encoding: str | None = None, sheet: str | None = None, decimal: str = "."
) -> WholeTable:
    """Find out how a file is written, and read it.

    Parameters
    ----------
    path
        The file.
    options
        What is known of it; the rest is guessed.
    encoding, sheet, decimal
        A text's encoding, a workbook's sheet and the sign before its decimals, where they are known.

    Raises
    ------
    TableError
        When it is no table, or it is not clear how it is written; with what to say.
    """
    ending = path.name.lower().rpartition(".")[2]
    if ending in OLD_WORKBOOKS:
        raise TableError("unreadable", f"expected CSV, TSV, SDF, XLSX or Parquet, got .{ending}: save it as .xlsx")
    if is_workbook(path):
        notes = peculiarities(path, sheet or "")
        return _grid(path, Form("xlsx", sheet=sheet or "", decimal=decimal), options, notes)
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith(b"PAR1"):
        return _grid(path, Form("parquet", decimal=decimal), options)
    found_encoding, head = read_head(path, formats=TEXT_FORMATS, archives=True)
    codec = ENCODINGS[encoding] if encoding else found_encoding
    name = re.sub(r"\.(zip|gz)$", "", path.name, flags=re.IGNORECASE)
    kind = guess_format(TableOptions(options.format, options.delimiter, options.column, options.header, name), head)
    if kind == "sdf":
        return _sdf(path, Form("sdf", codec))
    if kind == "smi":
        return _smiles_lines(path, Form("smi", codec))
    declared = declared_delimiter(head)
    delimiter = (
        delimiter_of(options.delimiter) if options.delimiter else declared or _delimiter(head, tabs=kind == "tsv")
    )
    return _grid(path, Form(kind, codec, delimiter, skip_rows=1 if declared else 0), options)


def _grid(path: Path, form: Form, options: TableOptions, notes: Sequence[str] = ()) -> WholeTable:
    rows = list(read_grid(path, form))
    skip = form.skip_rows + rows_above(rows[form.skip_rows :], options.column)
    filled = [row for row in rows[skip:] if row]
    if not filled:
        raise TableError("unreadable", "expected a header and rows, got an empty file")
    header = options.header
    if header is None:
        header = is_header(filled[0], options.column, strict=False, below=filled[1:LOOKED_AT])
    if not header:
        skip, filled = form.skip_rows, [row for row in rows[form.skip_rows :] if row]
    first, rest = filled[0], filled[1:] if header else filled
    names = [cell.strip() or f"column_{place}" for place, cell in enumerate(first, start=1)]
    if not header:
        names = list(numbered(len(first)))
    width = len(names)
    longer = [place for place, row in enumerate(rest, start=1) if any(row[width:])]
    if longer:
        raise TableError(
            "unreadable",
            f"row {longer[0]} has {len(rest[longer[0] - 1])} cells, and the header {width}; {len(longer) - 1} other "
            "rows have more too. A decimal comma in a file that commas separate does this: quote such cells, or use "
            "semicolons.",
        )
    whole = [row[:width] + [""] * (width - len(row)) for row in rest]
    sample = whole if header else telling_rows(whole[:LOOKED_AT], header=False)
    place = find_smiles_column(options.column, unique(names), sample[:LOOKED_AT])
    again = _headers_again(whole, names, place) if header else 0
    twice = [name for name, count in Counter(names).items() if count > 1]
    if names[place] in twice:
        raise TableError("unreadable", f"there are two columns {names[place]!r} of structures: rename one of them")
    all_notes = [*notes, *(f"there are two columns {name!r}: neither can be read" for name in twice)]
    if skip:
        all_notes.append(f"{skip} rows are above the header")
    if again:
        all_notes.append(
            f"{again} rows repeat the header: they are dropped, and what is below them is read as one table"
        )
    above = next((number for number, row in enumerate(whole) if row[place].strip()), 0)
    return WholeTable(
        path, form._replace(header=header, skip_rows=skip), tuple(names), whole[above:], names[place], tuple(all_notes),
        tuple(whole[:above]),
    )  # fmt: skip


def _headers_again(rows: Sequence[list[str]], names: Sequence[str], place: int) -> int:
    """Count rows that repeat the header.

    Raises
    ------
    TableError
        For a row that names other columns: another table begins there.
    """
    found = [(number, row) for number, row in enumerate(rows, start=1) if row[place].strip() == names[place]]
    for number, row in found:
        cells = [cell.strip() for cell in row]
        if any(cell not in ("", name) for cell, name in zip(cells, names, strict=True)):
            shown = ", ".join(repr(cell) for cell in cells if cell)
            raise TableError(
                "unreadable",
                f"row {number} below the header names other columns ({shown}): several tables in one file or sheet. "
                "Save each as a file or a sheet of its own",
            )
    return len(found)


def _sdf(path: Path, form: Form) -> WholeTable:
    lines = list(read_lines(path, form.encoding, strict=True, archives=True))
    names = property_names(iter(lines))
    rows = [row.cells[1:] for row in read_sdf(iter(lines), names)]
    joined = [number for number, blocks in enumerate(blocks_of_records(iter(lines)), start=1) if blocks > 1]
    if joined:  # the first molecule would get the values of the second
        raise TableError(
            "unreadable",
            f"expected a structure block per record, got several in record {', '.join(map(str, joined[:5]))}: put a "
            "line $$$$ between two molecules",
        )
    return WholeTable(path, form, tuple(names), rows, "")


def _smiles_lines(path: Path, form: Form) -> WholeTable:
    """Read a file of a SMILES and a value per line, which is a table without a header."""
    lines = list(read_lines(path, form.encoding, strict=True, archives=True))
    rows = [row.cells for row in read_smiles_lines(iter(lines)) if row.structure]
    values = [name for _, name in rows if re.fullmatch(r"[<>=~≤≥]*\s*[-+\d.,eE]+", name)]
    if len(values) * 2 < len(rows):
        raise TableError(
            "unreadable",
            "a SMILES file holds structures and names, and no values: expected a table that holds both. A YAML can "
            "join it with a CSV of values by its names (`format: smi`, `values_file`, `id_column`; see docs/data.md)",
        )
    delimiter = "\t" if sum("\t" in line for line in lines) * 2 > len(lines) else " "
    return _grid(path, form._replace(format="csv", delimiter=delimiter), TableOptions(header=False, column="column_1"))


def _delimiter(head: str, *, tabs: bool) -> str:
    """Choose what cuts most rows into as many cells: a title above the table does not count."""
    if tabs:
        return "\t"
    best, most = ",", (0, 0)
    lines = head.splitlines(keepends=True)
    for delimiter in DELIMITERS.values():
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        except csv.Error:
            continue
        # A decimal comma cuts every row alike too, but for the header.
        header = next((len(row) for row in csv.reader(lines, delimiter=delimiter) if is_header(row)), 0)
        score = max(((count + (1000 if width == header else 0), width) for width, count in widths.items() if width > 1),
                    default=(0, 0))  # fmt: skip
        if score > most:
            best, most = delimiter, score
    return best
