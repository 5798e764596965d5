"""SDF files: records with a structure block and named properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.names import unique
from model_zoo.data.tables.row import Row
from model_zoo.data.tables.text import MAX_ROW_CHARACTERS

MAX_COLUMNS = 1000
TITLE = "title"
_PROPERTY = re.compile(r"^>.*?<(.+)>")


def property_names(lines: Iterator[str]) -> list[str]:
    """Name the properties of all records, in order of first appearance."""
    names: dict[str, None] = {}
    for record in _records(lines):
        names.update(dict.fromkeys(name for name, _ in _properties(record or [])))
        if len(names) >= MAX_COLUMNS:
            raise TableError("unreadable", f"expected fewer than {MAX_COLUMNS} different properties")
    return list(names)


def read_sdf(lines: Iterator[str], names: Sequence[str]) -> Iterator[Row]:
    """Read records: cells are the title and the properties of these names; the structure is a block."""
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


def read_sdf_rows(lines: Callable[[], Iterator[str]], names: Sequence[str]) -> Iterator[Row]:
    """Read records as `read_sdf` does; one with several structure blocks says so, for only the first would be read.

    `lines` begins to read the file; done twice.
    """
    for row, blocks in zip(read_sdf(lines(), names), blocks_of_records(lines()), strict=True):
        if blocks > 1:
            what = f"expected one structure block, got {blocks}: put a line $$$$ between two molecules"
            yield Row(row.cells, "", ("invalid-structure", what))
        else:
            yield row


def blocks_of_records(lines: Iterator[str]) -> Iterator[int]:
    """Count the structure blocks of each record."""
    for record in _records(lines):
        yield sum(line.startswith("M  END") for line in record or ())


def _records(lines: Iterator[str]) -> Iterator[list[str] | None]:
    """Cut an SDF file at its separators; a record that is too long is none."""
    record: list[str] = []
    characters, any_content, line = 0, False, ""
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
        if not line.endswith(("\n", "\r")) and (header := _last_header(record)):
            del record[header:]  # the file breaks off in the value: a part of a number is another number
        yield record if characters <= MAX_ROW_CHARACTERS else None


def _last_header(record: list[str]) -> int:
    """Return the place behind the name of the last property, where its value begins; 0 where there is none."""
    return next((place + 1 for place in reversed(range(len(record))) if record[place].startswith(">")), 0)


def _properties(record: list[str]) -> Iterator[tuple[str, str]]:
    """Return the properties of an SDF record; one that comes twice gets a number."""
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
