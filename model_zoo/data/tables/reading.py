"""From a file to rows, one after the other, whatever the file holds.

Every row of the file becomes one row, in order: a row that cannot be used says why, and blank lines between rows are
rows without content, so that a result can be laid beside its file. Blank lines at the end are no rows.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model_zoo.data.tables.columnar import read_parquet
from model_zoo.data.tables.delimited import read_cells, read_delimited, read_smiles_lines
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import TEXT_FORMATS, Form, Format
from model_zoo.data.tables.guessing import TableOptions, find_smiles_column, guess_format, guess_layout
from model_zoo.data.tables.headers import SAMPLE_ROWS, is_header, rows_above, telling_rows
from model_zoo.data.tables.names import numbered, unique
from model_zoo.data.tables.row import Row
from model_zoo.data.tables.sdf import MAX_COLUMNS, TITLE, property_names, read_sdf_rows
from model_zoo.data.tables.structure_cells import names_come_first
from model_zoo.data.tables.text import (
    HEAD_BYTES,
    OLE,
    ZIP,
    guess_encoding,
    is_workbook,
    open_bytes,
    read_lines,
    unpacked_size,
)
from model_zoo.data.tables.workbook import read_sheet

_OTHER = re.compile(r"\s*(?:([{[])(?=\s*[{\"])|(<)(?=[!?a-z]))", re.IGNORECASE)
"""How JSON, HTML and XML begin, and no structure does."""


@dataclass(frozen=True)
class Table:
    """An upload understood: its columns, and its rows read again at each call."""

    form: Form
    """What the file is."""
    columns: tuple[str, ...]
    """Names of the columns, each once."""
    smiles_column: str | None
    """Which of them holds the structure; none for SDF."""
    rows: Callable[[], Iterator[Row]]
    """Reads the file; each row has as many cells as there are columns."""

    @property
    def format(self) -> Format:
        """What the file is."""
        return self.form.format

    @property
    def encoding(self) -> str:
        """The text's encoding."""
        return self.form.encoding


def understand(path: Path, options: TableOptions, max_bytes: int | None = None) -> Table:
    """Find out what a text file is, from its first lines; an SDF file is read whole for the names of its properties."""
    if is_workbook(path):
        return _workbook(path, options, max_bytes)
    encoding, head = read_head(path, max_bytes)
    kind = guess_format(options, head)

    def lines() -> Iterator[str]:
        return read_lines(path, encoding, max_bytes)

    if kind == "sdf":
        names = property_names(lines())
        return Table(Form(kind, encoding), unique([TITLE, *names]), None, lambda: read_sdf_rows(lines, names))
    if kind == "smi":
        swapped = names_come_first(head.splitlines()[:SAMPLE_ROWS])
        return Table(
            Form(kind, encoding), ("smiles", "name"), "smiles", lambda: read_smiles_lines(lines(), names_first=swapped)
        )
    layout = guess_layout(options, head, tabs=kind == "tsv")
    width = len(layout.columns)
    if width > MAX_COLUMNS:
        raise TableError("unreadable", f"expected at most {MAX_COLUMNS} columns, got {width}")
    return Table(
        Form(kind, encoding, layout.delimiter, layout.header, layout.above),
        layout.columns,
        layout.columns[layout.smiles],
        lambda: read_delimited(
            lines(), layout.delimiter, width, layout.smiles, header=layout.header, above=layout.above
        ),
    )


def _workbook(path: Path, options: TableOptions, max_bytes: int | None) -> Table:
    """Find out what a sheet holds: its first row with content names the columns, or is a molecule already."""
    if max_bytes is not None and unpacked_size(path) > max_bytes:
        raise TableError("too-large", f"expected at most {max_bytes} bytes after unpacking")
    form = Form("xlsx", sheet=options.sheet or "")
    every = list(read_sheet(path, form.sheet))
    above = 0 if options.header is False else rows_above(every, options.column)
    grid = [row for row in every[above:] if row]
    if not grid:
        raise TableError("unreadable", "expected a header and rows, got an empty sheet")
    width = max(map(len, grid[: SAMPLE_ROWS + 1]))
    first = grid[0] + [""] * (width - len(grid[0]))
    header = options.header
    if header is None:
        header = is_header(grid[0], options.column, strict=False, below=grid[1:SAMPLE_ROWS])
    columns = unique(first) if header else numbered(width)
    place = find_smiles_column(options.column, columns, telling_rows(grid[:SAMPLE_ROWS], header=header))

    def rows() -> Iterator[Row]:
        blank, began = 0, False
        for cells in islice(read_sheet(path, form.sheet), above, None):
            if not cells:
                blank += began
                continue
            if not began and header:
                began = True
                continue
            began = True
            yield from (Row([""] * width, "") for _ in range(blank))
            blank = 0
            whole = [*cells[:width], *[""] * (width - len(cells))]
            fault = ("ragged-row", f"expected {width} cells, got {len(cells)}") if any(cells[width:]) else None
            yield Row(whole, "" if fault else whole[place], fault)

    return Table(form._replace(header=header, skip_rows=above), columns, columns[place], rows)


def read_head(
    path: Path, max_bytes: int | None = None, formats: Collection[Format] = TEXT_FORMATS, *, archives: bool = False
) -> tuple[str, str]:
    """Return a text's encoding and its first whole lines.

    Raises
    ------
    TableError
        For a file that is no text, or empty.
    """
    wanted = "CSV, TSV, SMILES or SDF"
    with open_bytes(path, max_bytes, archives=archives) as stream:
        start = stream.read(HEAD_BYTES)
    if start.startswith(OLE):
        what = "a workbook that a password protects, or an old one (.xls)"
        raise TableError("unreadable", f"expected {wanted}, got {what}: save it as .xlsx without a password")
    if start.startswith(ZIP):
        raise TableError("unreadable", f"expected {wanted}, got a ZIP or Excel file: save it as CSV")
    encoding = guess_encoding(path, max_bytes, archives=archives)
    head = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if "\0" in head:
        what = "binary content, or UTF-16 text without a byte order mark: save it as UTF-8"
        raise TableError("unreadable", f"expected a text file ({wanted}), got {what}")
    whole = max(head.rfind("\n"), head.rfind("\r")) if len(start) == HEAD_BYTES else len(head)
    if (other := _OTHER.match(head)) is not None:
        kind = "JSON" if other[1] else "HTML or XML"
        raise TableError("unreadable", f"expected {wanted}, got {kind}: export it as CSV or as a workbook (.xlsx)")
    if not head.strip():
        raise TableError("unreadable", "expected at least one molecule, got an empty file")
    if whole < 0:
        raise TableError("unreadable", f"expected a first line of at most {HEAD_BYTES} bytes, got a longer one")
    return encoding, head[:whole]


def read_grid(path: Path, form: Form) -> Iterator[list[str]]:
    """Read the rows of a CSV, TSV, XLSX or Parquet file as they are, its header first; a blank row has no cells.

    Raises
    ------
    TableError
        For a file that is none, or is not written so.
    UnicodeDecodeError
        For a text in another encoding.
    """
    if form.format == "xlsx":
        return read_sheet(path, form.sheet, form.decimal)
    if form.format == "parquet":
        return read_parquet(path, form.decimal)
    return read_cells(read_lines(path, form.encoding, strict=True, archives=True), form.delimiter)


def chunked(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Cut rows into chunks.

    Examples
    --------
    >>> [len(chunk) for chunk in chunked([Row([], "C")] * 5, 2)]
    [2, 2, 1]
    """
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
