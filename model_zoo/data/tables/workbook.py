"""Sheets of Excel workbooks (XLSX) as text, so that a cell says what people see in it.

Excel keeps `50 %` as 0.5, a date as a number, and what a formula gave beside the formula. Here a percentage is a text
with its sign, a date its ISO form, an error such as `#DIV/0!` itself, and a formula that no program has computed says
so: none of these can be taken for a plain number.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_zoo.data.tables.fault import TableError

NOT_COMPUTED = "(formula that was never computed)"


def sheet_names(path: Path) -> list[str]:
    """Name the sheets that hold a table.

    Raises
    ------
    TableError
        When the file is no workbook.
    """
    book = _book(path, values=True)
    return [sheet.title for sheet in book.worksheets if sheet.max_row > 1 or sheet.max_column > 1]


def read_sheet(path: Path, sheet: str, decimal: str = ".") -> Iterator[list[str]]:
    """Read a sheet row by row; a row without content has no cells.

    Parameters
    ----------
    path, sheet
        The workbook, and the name of the sheet; the only one that is not hidden when empty.
    decimal
        The sign before a number's decimals in the text that is returned.

    Raises
    ------
    TableError
        When the file is no workbook, or it is not clear which sheet is meant.
    """
    written = _sheet(_book(path, values=False), sheet)
    rows = list(written.iter_rows())
    computed: Any = None
    if any(cell.data_type == "f" for row in rows for cell in row):
        computed = _sheet(_book(path, values=True), sheet)
    for row in rows:
        cells = [_text(cell, computed, decimal) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def peculiarities(path: Path, sheet: str) -> list[str]:
    """Return what of a sheet its reader does not see as its author does: merged cells, hidden rows."""
    found = _sheet(_book(path, values=True), sheet)
    merged = sorted(str(each) for each in found.merged_cells.ranges)
    hidden = [str(row) for row, shape in found.row_dimensions.items() if shape.hidden]
    told = [f"merged cells {', '.join(merged[:5])}: all but the first of each are empty"] if merged else []
    return told + ([f"hidden rows ({', '.join(hidden[:5])}) are read like all others"] if hidden else [])


def _book(path: Path, *, values: bool) -> Any:
    import openpyxl

    try:
        # Its content, for openpyxl judges a path by the ending of its name.
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()), data_only=values)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise TableError("unreadable", f"expected an Excel workbook (.xlsx): {error}") from error


def _sheet(book: Any, name: str) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    if name:
        if name not in names:
            raise TableError("invalid", f"sheet: expected one of {', '.join(map(repr, names))}, got {name!r}")
        return book[name]
    filled = [sheet for sheet in book.worksheets if sheet.max_row > 1 or sheet.max_column > 1]
    shown = [sheet for sheet in filled if sheet.sheet_state == "visible"] or filled
    if len(shown) != 1:
        raise TableError(
            "invalid",
            f"expected the sheet that is meant (`sheet`, or --sheet), one of {', '.join(map(repr, names))}",
        )
    return shown[0]


def _text(cell: Any, computed: Any, decimal: str) -> str:
    value, kind = cell.value, cell.data_type
    if kind == "f":
        cell = computed[cell.coordinate]
        value, kind = cell.value, cell.data_type
        if value is None:
            return NOT_COMPUTED
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, int | float):
        percent = kind == "n" and "%" in str(cell.number_format)
        # Twelve digits, for 0.07 * 100 is 7.000000000000001 and was typed as 7 %.
        number = f"{value * 100:.12g}" if percent else repr(value)
        return number.replace(".", decimal) + ("%" if percent else "")
    return str(value)
