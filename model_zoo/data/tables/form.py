"""How a table is written in its file: all that reading it needs to know, and nothing is guessed."""

from __future__ import annotations

from typing import Literal, NamedTuple

from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.text import UTF8

Format = Literal["csv", "tsv", "smi", "sdf", "xlsx", "parquet"]
TEXT_FORMATS: tuple[Format, ...] = ("csv", "tsv", "smi", "sdf")
ENDINGS: dict[str, Format] = {
    "csv": "csv", "tsv": "tsv", "tab": "tsv", "smi": "smi", "smiles": "smi", "ism": "smi", "sdf": "sdf", "sd": "sdf",
    "mol": "sdf",
}  # fmt: skip
"""What a text is by the ending of its file's name."""
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}


class Form(NamedTuple):
    """How a table is written in its file."""

    format: Format
    encoding: str = UTF8
    delimiter: str = ","
    """`format`, `encoding` and `delimiter`: what the file is; the last two count for text alone, the delimiter for
    `csv` and `tsv`."""
    header: bool = True
    """Whether a row names the columns; else they are `column_1`, `column_2` and so on."""
    skip_rows: int = 0
    """How many rows are before it, or before the first row."""
    sheet: str = ""
    """Of a workbook; its only one when empty."""
    decimal: str = "."
    """How numbers of cells that are numbers are written as text."""


def delimiter_of(text: str) -> str:
    r"""Return the one character that is meant by a delimiter's name, or by itself.

    Raises
    ------
    TableError
        When it is neither.

    Examples
    --------
    >>> delimiter_of("semicolon"), delimiter_of("\t")
    (';', '\t')
    """
    delimiter = DELIMITERS.get(text, text)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise TableError("invalid", f"delimiter: expected one of {', '.join(DELIMITERS)}, or one character")
    return delimiter
