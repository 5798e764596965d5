"""Text that a spreadsheet opens as what it is."""

from __future__ import annotations

import unicodedata

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Before a file that people open with a double click: without it Excel reads UTF-8 in the code page of its country."""
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula; a number stays one.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell(" @SUM(A1)"), safe_cell("-1.5e3"), safe_cell("CCO"), safe_cell("\uff1dA1")
    ("'=1+1", "' @SUM(A1)", '-1.5e3', 'CCO', "'\uff1dA1")
    """
    if not text.startswith(("\t", "\r", "\n")) and not unicodedata.normalize("NFKC", text).lstrip().startswith(_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
