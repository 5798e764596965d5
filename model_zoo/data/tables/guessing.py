"""What a file is: its format, its delimiter, whether it has a header, which column holds the structures.

Belongs here: guessing from a file's first lines and from what the caller says, and refusing an unclear guess.
Does not belong here: reading the whole file (see `reading.py`), what numbers and columns mean (see `data/assays/`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import DELIMITERS, ENDINGS, TEXT_FORMATS, Format, delimiter_of
from model_zoo.data.tables.headers import (
    NAMES,
    SAMPLE_ROWS,
    is_molecule,
    names_structures,
    plain_name,
    rows_above,
    telling_rows,
)
from model_zoo.data.tables.names import numbered, unique
from model_zoo.data.tables.structure_cells import has_structures, holds_a_structure, is_smiles, looks_like_structures

_MEDIA_TYPES: dict[str, Format] = {
    "text/csv": "csv", "application/csv": "csv", "text/tab-separated-values": "tsv",
    "chemical/x-mdl-sdfile": "sdf", "chemical/x-mdl-molfile": "sdf", "chemical/x-daylight-smiles": "smi",
}  # fmt: skip
_DECLARED = re.compile(r"\"?sep=([^\r\n])\"?[ \t]*(?:[\r\n]|$)", re.IGNORECASE)
"""The line by which Excel writes, above the header, what separates cells."""


@dataclass(frozen=True)
class TableOptions:
    """What the caller says of an upload; whatever is none is guessed."""

    format: str | None = None
    delimiter: str | None = None
    column: str | None = None
    header: bool | None = None
    name: str | None = None
    media_type: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Layout:
    """How a delimited file is laid out: `columns` are unique names, `above` counts the rows before all that counts."""

    delimiter: str
    columns: tuple[str, ...]
    smiles: int
    header: bool
    above: int


def guess_format(options: TableOptions, head: str) -> Format:
    r"""Return what a file is: by what the caller says, its name, its media type, or its first lines.

    Raises
    ------
    TableError
        `invalid` for a format that is not one of ours, `unreadable` for one that we do not read.

    Examples
    --------
    >>> guess_format(TableOptions(name="a.SDF.gz"), ""), guess_format(TableOptions(), "CCO ethanol\nCCN ethylamine\n")
    ('sdf', 'smi')
    """
    if options.format is not None:
        for known in TEXT_FORMATS:
            if options.format == known:
                return known
        raise TableError("invalid", f"format: expected one of {', '.join(TEXT_FORMATS)}, got {options.format!r}")
    extension = re.sub(r"\.gz$", "", (options.name or "").lower()).rpartition(".")[2]
    if extension == "xlsx":  # a workbook that is one was found by its content
        raise TableError(
            "unreadable", "its name says Excel (.xlsx), and its content is something else: rename it, or save it as CSV"
        )
    if extension in ("xls", "xlsb", "ods"):
        wanted = "CSV, TSV, SMILES, SDF or a whole workbook (XLSX)"
        raise TableError("unreadable", f"expected {wanted}, got .{extension}: save it as CSV")
    by_name = ENDINGS.get(extension) or _MEDIA_TYPES.get(options.media_type or "")
    said = options.delimiter is not None or options.column is not None or options.header is not None
    if by_name in ("csv", "tsv") and not said and _are_smiles_lines(head):
        return "smi"  # as a table the first molecule would be the title of the only column
    if by_name is not None:
        return by_name
    if re.search(r"^(\$\$\$\$|M  END)|V[23]000\s*$", head, re.MULTILINE):
        return "sdf"
    if said:
        return "csv"
    if declared_delimiter(head) is not None:
        return "csv"
    first = head.lstrip().partition("\n")[0]
    if any(plain_name(cell) in NAMES for cell in re.split(r"[,;|\t]", first)) or re.search(r"[,;|]", first):
        return "csv"
    return "smi"


def _are_smiles_lines(head: str) -> bool:
    """Return whether lines are structures and names with blanks between them, and nothing that a table has."""
    lines = [line.split() for line in head.splitlines()[:SAMPLE_ROWS] if line.strip()]
    if re.search(r"[,;|\t]", head) or not lines or names_structures(lines[0], None, lines[1:]):
        return False
    good = sum(len(words) > 1 and (is_smiles(words[0]) or is_smiles(words[-1])) for words in lines)
    return 2 * good >= len(lines)


def guess_layout(options: TableOptions, head: str, *, tabs: bool) -> Layout:
    """Return how a delimited file is laid out.

    Raises
    ------
    TableError
        `unclear-column` when no column, or more than one, can be the structures: with the columns there are.
    """
    declared = declared_delimiter(head)
    delimiter = declared if declared and options.delimiter is None else _delimiter(options, head, tabs=tabs)
    every = _cells(head, delimiter)
    above = 1 if declared else 0
    if options.header is not False:
        above += rows_above(every[above:], options.column)
    rows = [row for row in every[above:] if row]
    if not rows:
        raise TableError("unreadable", "expected a header and rows, got an empty file")
    first, rest = rows[0], rows[1:]
    header = options.header if options.header is not None else not is_molecule(first, options.column, rest)
    columns = unique(first) if header else numbered(len(first))
    place = find_smiles_column(options.column, columns, telling_rows(rows, header=header))
    if header and options.column is None and sum(name.strip() == columns[place] for name in first) > 1:
        what = f"there are two columns {columns[place]!r}"
        raise TableError("unclear-column", f"say which column holds the SMILES (parameter `column`): {what}", columns)
    return Layout(delimiter, columns, place, header, above)


def declared_delimiter(head: str) -> str | None:
    r"""Return what separates cells by a text's first line, which Excel writes; none where it is a row.

    Examples
    --------
    >>> declared_delimiter("sep=;\r\nSMILES;pIC50\r\n"), declared_delimiter("SMILES;pIC50\r\n")
    (';', None)
    """
    found = _DECLARED.match(head)
    return None if found is None else found[1]


def _delimiter(options: TableOptions, head: str, *, tabs: bool) -> str:
    if options.delimiter is not None:
        return delimiter_of(options.delimiter)
    if tabs:
        return "\t"
    best, most = ",", (False, 1)
    for delimiter in DELIMITERS.values():
        every = _cells(head, delimiter)
        rows = [row for row in every[rows_above(every, options.column) :] if row]
        widths = {len(row) for row in rows}
        if len(widths) == 1 and rows:
            named = any(plain_name(cell) in NAMES for cell in rows[0]) or has_structures(rows[1:])
            # A decimal comma also cuts every row alike: a delimiter that yields a column of structures wins.
            if len(rows[0]) > 1 and (named, len(rows[0])) > most:
                best, most = delimiter, (named, len(rows[0]))
    if most[1] > 1:
        return best
    first = head.partition("\n")[0]
    return max(DELIMITERS.values(), key=first.count)  # rows of unequal length: each will say so itself


def _cells(head: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(head.splitlines(keepends=True), delimiter=delimiter):
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # reading the file says where
    return rows


def find_smiles_column(column: str | None, columns: Sequence[str], rows: list[list[str]]) -> int:
    """Find the place of the column with the structures: by what the caller says, by its name, or by what is in it.

    Raises
    ------
    TableError
        `unclear-column` when no column, or more than one, can be it: with the columns there are.
    """
    shown = ", ".join(repr(name) for name in columns[:50])
    if column is not None:
        if column in columns:
            return columns.index(column)
        raise TableError("unclear-column", f"column: expected one of {shown}, got {column!r}")
    if len(columns) == 1:
        return 0
    called = [place for place, name in enumerate(columns) if "smiles" in plain_name(name)]
    for wanted in NAMES:
        named = [place for place, name in enumerate(columns) if plain_name(name) == wanted]
        if len(named) == 1 and ("smi" in wanted or not called or holds_a_structure(named[0], rows)):
            return named[0]
    named = called
    if len(named) == 1:
        return named[0]
    likely = named or [place for place in range(len(columns)) if looks_like_structures(place, rows)]
    if len(likely) == 1:
        return likely[0]
    what = "none of them looks like SMILES" if not likely else "more than one of them could hold the SMILES"
    raise TableError(
        "unclear-column",
        f"say which column holds the SMILES (parameter `column`): the columns are {shown}; {what}",
        columns,
    )
