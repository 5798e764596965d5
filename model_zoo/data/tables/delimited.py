"""Tables as text: cells between delimiters, or a SMILES and a name per line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice

from model_zoo.chemistry.standardisation.cxsmiles import split_line
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.row import Row
from model_zoo.data.tables.structure_cells import is_smiles
from model_zoo.data.tables.text import MAX_ROW_CHARACTERS

_TITLES = ("smiles", "smi")
_NAME_FIRST = re.compile(r"\s*(.*?)\s+(\S+(?:\s+\|[^|]*\|)?)\s*$")


def read_cells(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    """Cut lines into the cells of rows; a blank line is a row without cells.

    Raises
    ------
    TableError
        For an open or misplaced quote, with its line, for one that swallows rows, and for a row without end.
    """
    bounded = _Rowwise(lines)
    reader = csv.reader(bounded, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if _swallowed(lines_of := bounded.row_ends(), delimiter, len(cells)):
                raise TableError(
                    "unreadable",
                    f"line {reader.line_num - len(lines_of) + 1}: a quote makes one row of {len(lines_of)} lines that "
                    "are rows by themselves: close it, double it, or take it out",
                )
            yield cells
    except csv.Error as error:
        raise TableError(
            "unreadable", f"line {reader.line_num}: not readable as text separated by {delimiter!r}: {error}"
        ) from error


def read_delimited(
    lines: Iterator[str], delimiter: str, width: int, structure: int, *, header: bool, above: int = 0
) -> Iterator[Row]:
    """Read rows of as many cells as there are columns.

    Parameters
    ----------
    lines, delimiter
        The text.
    width, structure
        How many columns there are, and the place of the one with the structures.
    header, above
        Whether the first row is a header, and how many rows are above it: they are no rows of the table.
    """
    blank, first = 0, True
    for cells in islice(read_cells(lines, delimiter), above, None):
        if not cells:
            blank += 1
            continue
        if first and header:
            first, blank = False, 0
            continue
        first = False
        for _ in range(blank):
            yield Row([""] * width, "")
        blank = 0
        if any(cells[width:]):
            what = f"expected {width} cells as in the first row, got {len(cells)}: quote the delimiter"
            yield Row(cells[:width], "", ("ragged-row", what))
        else:
            whole = cells[:width] + [""] * (width - len(cells))
            yield Row(whole, whole[structure])


def read_smiles_lines(lines: Iterator[str], *, names_first: bool = False) -> Iterator[Row]:
    """Read a SMILES and a name per line, or the name first."""
    blank, first = 0, True
    for line in lines:
        structure, name = split_line(line)
        if names_first and name and (swapped := _NAME_FIRST.match(line)) is not None:
            name, structure = swapped.groups()
        if not structure:
            blank += 1
            continue
        if first and structure.lower() in _TITLES:
            first, blank = False, 0
            continue
        first = False
        for _ in range(blank):
            yield Row(["", ""], "")
        blank = 0
        yield Row([structure, name], structure)


class _Rowwise:
    """Lines for a CSV reader that may join many lines into one row: bounds the row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._characters = lines, 0
        self._row: list[str] = []

    def __iter__(self) -> _Rowwise:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._row.append(line)
        self._characters += len(line)
        if self._characters > MAX_ROW_CHARACTERS:
            raise TableError(
                "unreadable", f"expected rows of at most {MAX_ROW_CHARACTERS} characters; is a quote open?"
            )
        return line

    def row_ends(self) -> list[str]:
        """Return the lines of the row that ends."""
        lines, self._row, self._characters = self._row, [], 0
        return lines


def _swallowed(lines: list[str], delimiter: str, width: int) -> bool:
    """Return whether lines of one row are rows themselves: as many cells, with a structure at one place of each."""
    pieces = [line.split(delimiter) for line in lines]
    return (
        len(lines) > 1
        and all(len(each) == width for each in pieces)
        and any(all(is_smiles(cell.strip()) for cell in column) for column in zip(*pieces, strict=True))
    )
