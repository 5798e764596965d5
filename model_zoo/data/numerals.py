"""How numbers are written: which sign is before the decimals, and which one between thousands.

`1,234` is 1234 in London and 1.234 in Berlin. Here is what a text means once that is said, strictly: a sign at a place
where it cannot are makes the text no number.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

POINT = "."
"""How numbers are written is said by the decimal sign, followed by the one between thousands if there is any: `,.`."""
_SAME = str.maketrans({"\N{MINUS SIGN}": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{EN DASH}": "-"})


def normal(text: str) -> str:
    r"""Write digits, blanks and signs in the one way that is read here: full-width forms, hard blanks, minus signs.

    A raised digit stays raised: ten squared is not a hundred and two.

    Examples
    --------
    >>> normal("\N{MINUS SIGN}1\N{NO-BREAK SPACE}234"), normal("10\N{SUPERSCRIPT TWO}") == "10\N{SUPERSCRIPT TWO}"
    ('-1 234', True)
    """
    if text.isascii():
        return text.strip()
    raised = ("<super>", "<sub>")
    plain = (
        each if unicodedata.decomposition(each).startswith(raised) else unicodedata.normalize("NFKC", each)
        for each in text
    )
    return "".join(plain).translate(_SAME).strip()


def plain_number(text: str, numerals: str = POINT) -> str:
    """Write a number with a decimal point and nothing between thousands.

    Raises
    ------
    ValueError
        When it is not written so.

    Examples
    --------
    >>> plain_number("1.234,5", ",."), plain_number("1 234", ", "), plain_number("-1,5e-3", ","), plain_number(".5")
    ('1234.5', '1234', '-1.5e-3', '.5')
    >>> plain_number("1.5", ",")
    Traceback (most recent call last):
        ...
    ValueError: expected a number with ',' before its decimals, got '1.5'
    """
    if _pattern(numerals).fullmatch(text) is None:
        between = f" and {numerals[1]!r} between its thousands" if len(numerals) > 1 else ""
        raise ValueError(f"expected a number with {numerals[0]!r} before its decimals{between}, got {text!r}")
    if len(numerals) > 1:
        text = text.replace(numerals[1], "")
    return text.replace(numerals[0], ".")


@lru_cache(maxsize=32)
def _pattern(numerals: str) -> re.Pattern[str]:
    decimal = re.escape(numerals[0])
    whole = r"[0-9]+"
    if len(numerals) > 1:
        whole = rf"(?:[1-9][0-9]{{0,2}}(?:{re.escape(numerals[1])}[0-9]{{3}})+|[0-9]+)"
    return re.compile(rf"[+-]?(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?")
