"""From an uploaded file to rows, one after the other, whatever the file holds.

Every row of the file becomes one row, in order: a row that cannot be used says why, and blank lines between rows are
rows without content, so that a result can be laid beside its file. Blank lines at the end are no rows.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_zoo.chemistry.standardisation.cxsmiles import split_line
from serving.http.problems import ProblemError
from serving.jobs.folder import Row
from serving.jobs.formats import Format, Layout, Said, guess_format, guess_layout, unique

MAX_ROW_CHARACTERS = 1_000_000
MAX_COLUMNS = 1000
HEAD_BYTES = 65_536
_PROPERTY = re.compile(r"^>.*?<(.+)>")


@dataclass(frozen=True)
class Table:
    """An upload understood: its columns, and its rows read anew at each call.

    Attributes
    ----------
    format, encoding
        What the file is.
    columns
        Names of the columns, each once.
    smiles_column
        Which of them holds the structure; none for SDF.
    rows
        Reads the file; each row has as many cells as there are columns.
    """

    format: Format
    encoding: str
    columns: tuple[str, ...]
    smiles_column: str | None
    rows: Callable[[], Iterator[Row]]


def understand(path: Path, said: Said, max_bytes: int) -> Table:
    """Find out what a file is, from its first lines; an SDF file is read whole for the names of its properties.

    Raises
    ------
    ProblemError
        `unreadable-upload` or `unclear-column`, with what was expected and what came.
    """
    with _open(path, max_bytes) as stream, _readable():
        start = stream.read(HEAD_BYTES)
    if start.startswith(b"PK\x03\x04"):
        raise ProblemError(
            "unreadable-upload", "expected CSV, TSV, SMILES or SDF, got a ZIP or Excel file: save it as CSV"
        )
    encoding = _encoding(path, start, max_bytes)
    head = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if "\0" in head:
        raise ProblemError("unreadable-upload", "expected a text file (CSV, TSV, SMILES or SDF), got binary content")
    if len(start) == HEAD_BYTES:
        head = head.rpartition("\n")[0] or head
    if not head.strip():
        raise ProblemError("unreadable-upload", "expected at least one molecule, got an empty file")
    kind = guess_format(said, head)

    def lines() -> Iterator[str]:
        return _lines(path, encoding, max_bytes)

    if kind == "sdf":
        names = _property_names(lines())
        return Table(kind, encoding, unique(["title", *names]), None, lambda: _sdf_rows(lines(), names))
    if kind == "smi":
        return Table(kind, encoding, ("smiles", "name"), "smiles", lambda: _smi_rows(lines()))
    layout = guess_layout(said, head, tabs=kind == "tsv")
    if len(layout.columns) > MAX_COLUMNS:
        raise ProblemError("unreadable-upload", f"expected at most {MAX_COLUMNS} columns, got {len(layout.columns)}")
    smiles = layout.columns[layout.smiles]
    return Table(kind, encoding, layout.columns, smiles, lambda: _delimited_rows(lines(), layout))


def _delimited_rows(lines: Iterator[str], layout: Layout) -> Iterator[Row]:
    width = len(layout.columns)
    bounded = _Rowwise(lines)
    reader = csv.reader(bounded, delimiter=layout.delimiter, strict=True)
    blank, first = 0, True
    try:
        for cells in reader:
            bounded.row_ends()
            if not cells:
                blank += 1
                continue
            if first and layout.skip:
                first, blank = False, 0
                continue
            first = False
            for _ in range(blank):
                yield Row([""] * width, "")
            blank = 0
            if len(cells) > width:
                fault = (
                    "ragged-row",
                    f"expected {width} cells as in the first row, got {len(cells)}: quote the delimiter",
                )
                yield Row(cells[:width], "", fault)
            else:
                whole = cells + [""] * (width - len(cells))
                yield Row(whole, whole[layout.smiles])
    except csv.Error as error:
        raise ProblemError(
            "unreadable-upload",
            f"line {reader.line_num}: not readable as text separated by {layout.delimiter!r}: {error}",
        ) from error


class _Rowwise:
    """Lines for a CSV reader that may join many lines into one row: bounds the row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._characters = lines, 0

    def __iter__(self) -> _Rowwise:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._characters += len(line)
        if self._characters > MAX_ROW_CHARACTERS:
            raise ProblemError(
                "unreadable-upload", f"expected rows of at most {MAX_ROW_CHARACTERS} characters; is a quote open?"
            )
        return line

    def row_ends(self) -> None:
        self._characters = 0


def _smi_rows(lines: Iterator[str]) -> Iterator[Row]:
    blank, first = 0, True
    for line in lines:
        structure, name = split_line(line)
        if not structure:
            blank += 1
            continue
        if first and structure.lower() in ("smiles", "smi"):
            first, blank = False, 0
            continue
        first = False
        for _ in range(blank):
            yield Row(["", ""], "")
        blank = 0
        yield Row([structure, name], structure)


def _property_names(lines: Iterator[str]) -> list[str]:
    names: dict[str, None] = {}
    for record in _records(lines):
        names.update(dict.fromkeys(name for name, _ in _properties(record or [])))
        if len(names) >= MAX_COLUMNS:
            raise ProblemError("unreadable-upload", f"expected fewer than {MAX_COLUMNS} different properties")
    return list(names)


def _sdf_rows(lines: Iterator[str], names: list[str]) -> Iterator[Row]:
    places = {name: place for place, name in enumerate(names, start=1)}
    for record in _records(lines):
        cells = [""] * (len(names) + 1)
        if record is None:
            fault = ("invalid-structure", f"expected a record of at most {MAX_ROW_CHARACTERS} characters")
            yield Row(cells, "", fault)
            continue
        cells[0] = record[0].strip() if record else ""
        for name, value in _properties(record):
            cells[places[name]] = value
        end = next((number for number, line in enumerate(record) if line.startswith("M  END")), None)
        if end is None:
            yield Row(cells, "", ("invalid-structure", "expected a structure block that ends with M  END, got none"))
        else:
            yield Row(cells, "".join(f"{line}\n" for line in record[: end + 1]))


def _records(lines: Iterator[str]) -> Iterator[list[str] | None]:
    """Cut an SDF file at its separators; a record that is too long is none."""
    record: list[str] = []
    characters, any_content = 0, False
    for line in lines:
        if line.startswith("$$$$"):
            yield record if characters <= MAX_ROW_CHARACTERS else None
            record, characters, any_content = [], 0, False
            continue
        characters += len(line)
        any_content = any_content or not line.isspace()
        if characters <= MAX_ROW_CHARACTERS:
            record.append(line.rstrip("\r\n"))
    if any_content:
        yield record if characters <= MAX_ROW_CHARACTERS else None


def _properties(record: list[str]) -> Iterator[tuple[str, str]]:
    """Give the properties of an SDF record; one that comes twice gets a number."""
    names: list[str] = []
    values: list[list[str]] = []
    inside = False
    for line in record:
        header = _PROPERTY.match(line) if line.startswith(">") else None
        if header and not inside:
            names.append(header.group(1))
            values.append([])
            inside = True
        elif inside and line.strip():
            values[-1].append(line)
        else:
            inside = False
    return zip(unique(names), ("\n".join(value) for value in values), strict=True)


class _Bounded(io.RawIOBase):
    """A stream of bytes that ends with an error when it is longer than it may be."""

    def __init__(self, stream: io.BufferedIOBase | gzip.GzipFile, max_bytes: int) -> None:
        self._stream, self._left, self._max = stream, max_bytes, max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        content = self._stream.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise ProblemError("body-too-large", f"expected at most {self._max} bytes after unpacking")
        buffer[: len(content)] = content
        return len(content)


@contextmanager
def _open(path: Path, max_bytes: int) -> Iterator[io.BufferedReader]:
    """Open a file that may be packed by gzip."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: io.BufferedIOBase | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if packed else raw
        yield io.BufferedReader(_Bounded(stream, max_bytes), HEAD_BYTES)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ProblemError("unreadable-upload", f"the file is not a whole gzip file: {error}") from error


def _encoding(path: Path, start: bytes, max_bytes: int) -> str:
    """Tell a text's encoding: by its byte order mark, UTF-8 when all of it is, else that of older Windows programs."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        with _open(path, max_bytes) as stream, _readable():
            for block in iter(lambda: stream.read(1 << 20), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _lines(path: Path, encoding: str, max_bytes: int) -> Iterator[str]:
    """Read a text line by line, with its line ends; a byte that its encoding does not know is kept as a mark."""
    with _open(path, max_bytes) as stream, _readable():
        text = io.TextIOWrapper(stream, encoding, errors="replace", newline="")
        for line in iter(lambda: text.readline(MAX_ROW_CHARACTERS + 1), ""):
            if len(line) > MAX_ROW_CHARACTERS:
                raise ProblemError("unreadable-upload", f"expected lines of at most {MAX_ROW_CHARACTERS} characters")
            yield line


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
