"""How numbers are written: which sign is before the decimals, and which one between thousands.

`1,234` is 1234 in London and 1.234 in Berlin. Here is what a text means once that is said, strictly: a sign at a place
where it cannot are makes the text no number.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

POINT = "."
"""How numbers are written is said by the decimal sign, followed by the one between thousands if there is any: `,.`."""
_SAME = str.maketrans({"\N{MINUS SIGN}": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{EN DASH}": "-"})
_RAISED = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b", "0123456789+-")
_TEN = re.compile(
    r"(?<![0-9.,])(?:([0-9][0-9.,]*)\s*[x\u00d7*\u00b7\u22c5]\s*)?10(?:\s*\^\s*\(?([+-]?[0-9]{1,3})\)?|([+-][0-9]{1,3})"
    "|([\u2070\u00b9\u00b2\u00b3\u2074-\u207b]{1,4}))$", re.IGNORECASE
)  # fmt: skip
"""A power of ten at the end of a number: `1.5 x 10^-6`, `3 * 10-8`, or with a raised power."""
_AROUND = re.compile(
    r"(?<=[0-9.)])\s*(?:\(?\s*(?:\+\s*/?\s*-|\u00b1)\s*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?\s*\)?|\(\s*n\s*=\s*[0-9]+\s*\))$"
)
"""How far measurements lie around a value, or how many they are: `12 +/- 3`, `12 (n = 3)`."""


def normal(text: str) -> str:
    r"""Write digits, blanks and signs in the one way that is read here: full-width forms, hard blanks, minus signs.

    A raised digit stays raised but for a power of ten: five squared is not fifty-two.

    Examples
    --------
    >>> normal("1.5 x 10^-6"), normal("> 12 +/- 3"), normal("7 (n = 3)"), normal("&lt;5"), normal("10-20")
    ('1.5e-6', '> 12', '7', '<5', '10-20')
    >>> normal("\N{MINUS SIGN}1\N{NO-BREAK SPACE}234"), normal("5\N{SUPERSCRIPT TWO}") == "5\N{SUPERSCRIPT TWO}"
    ('-1 234', True)
    """
    text = html.unescape(text) if "&" in text else text
    if text.isascii():
        return _number_alone(text.strip())
    raised = ("<super>", "<sub>")
    plain = (
        each if unicodedata.decomposition(each).startswith(raised) else unicodedata.normalize("NFKC", each)
        for each in text
    )
    return _number_alone("".join(plain).translate(_SAME).strip())


def _number_alone(text: str) -> str:
    """Write a power of ten with `e`, and leave out how far and how many measurements are around the value."""
    while text.endswith(tuple("0123456789)")) and (around := _AROUND.search(text)):
        text = text[: around.start()]
    power = _TEN.search(text) if "10" in text else None
    if power is None or (power[1] is None and power[3] is not None):  # 10-6 alone may be a range
        return text
    exponent = power[2] or power[3] or power[4].translate(_RAISED)
    return f"{text[: power.start()]}{power[1] or '1'}e{exponent}"


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
