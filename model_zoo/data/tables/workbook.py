"""Sheets of Excel workbooks (XLSX) as text, so that a cell says what people see in it.

Excel keeps `50 %` as 0.5, a date as a number, what a formula gave beside the formula, and 10 where a cell's format
shows `>10` or `10 nM`. Here a percentage is a text with its sign, and so is what such a format shows; a date is its ISO
form, an error such as `#DIV/0!` itself, and a formula that no program has computed says so: none of these can be taken
for a plain number.
"""

from __future__ import annotations

import datetime as dt
import io
import operator
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from model_zoo.data.tables.fault import TableError

NOT_COMPUTED = "(formula that was never computed)"
_PARTS = re.compile(r'"([^"]*)"|\\(.)|[_*].|\[[^\]]*\]|([0#?][0#?.,/]*(?:[eE][+-][0#?]+)?)|General|(.)', re.DOTALL)
"""A number format's literal text, what fills a width, colours and conditions, places of digits, and signs."""
_CONDITION = re.compile(r"\[([<>]=?|=|<>)(-?[0-9.]+)\]")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip
_SIGNS = frozenset("<>=~≤≥≈")


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
    notes = [f"merged cells {', '.join(merged[:5])}: all but the first of each are empty"] if merged else []
    return notes + ([f"hidden rows ({', '.join(hidden[:5])}) are read like all others"] if hidden else [])


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
        return _shown(value, str(cell.number_format) if kind == "n" else "General", decimal)
    return str(value)


def _shown(value: float, number_format: str, decimal: str) -> str:
    """Write a number with the sign, the percentage or the unit that its cell's format shows, and with all its digits.

    Examples
    --------
    >>> _shown(5, '">"0.0" nM"', "."), _shown(0.5, "0.00%", "."), _shown(50, '0.0"%"', "."), _shown(1.5, "0", ",")
    ('>5 nM', '50%', '50%', '1,5')
    >>> _shown(0, '0.0;-0.0;"n.d."', "."), _shown(500, '[>100]">100";0.0', "."), _shown(-5, "0.0_);[Red](0.0)", ".")
    ('n.d.', '>100', '-5')
    """
    before, behind, percent, digits = "", "", False, False
    for found in _PARTS.finditer(_section(value, number_format)):
        percent = percent or found[4] == "%"
        digits = digits or bool(found[3]) or found[0].startswith(("General", "@"))
        literal = found[1] or found[2] or (found[4] if found[4] in _SIGNS else "")
        before, behind = (before, behind + literal) if digits else (before + literal, behind)
    if not digits and any(sign.isalnum() for sign in before):
        return before
    # Twelve digits, for 0.07 * 100 is 7.000000000000001 and was typed as 7 %.
    number = (f"{value * 100:.12g}%" if percent else repr(value)).replace(".", decimal)
    signs = before if digits and set(before) <= {*_SIGNS, " "} else ""
    return signs + number + (behind.rstrip() if any(sign.isalpha() or sign == "%" for sign in behind) else "")


def _section(value: float, number_format: str) -> str:
    """Return the part of a number format that counts for a value: of those with a condition the first that it meets."""
    sections: list[str] = re.findall(r'(?:"[^"]*"|\\.|[^;"\\])+|(?<=;)(?=;|$)', number_format) or ["General"]
    conditions = [_CONDITION.search(each) for each in sections[:2]]
    if any(conditions):
        for section, condition in zip(sections, conditions, strict=False):
            if condition and _COMPARED[condition[1]](value, float(condition[2])):
                return section
        return sections[-1] if len(sections) > len([each for each in conditions if each]) else "General"
    place = 1 if value < 0 else 2 if value == 0 else 0
    return sections[place] if place < len(sections) else sections[0]
