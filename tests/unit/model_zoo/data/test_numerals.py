"""How numbers are written: whatever a column holds, no number is read as another one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo.data.assays.numerals_of_columns import CANDIDATES, numerals_of
from model_zoo.data.numerals import plain_number
from model_zoo.data.units import bare_number, measured

WRITTEN = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 4))


def written(value: float, numerals: str) -> str:
    """Write a number, by Python's own formatting."""
    grouped = len(numerals) > 1
    text = f"{value:,.4f}" if grouped else f"{value:.4f}"
    return text.replace(",", "_").replace(".", numerals[0]).replace("_", numerals[1] if grouped else "")


@settings(max_examples=200, deadline=None)
@given(value=WRITTEN, numerals=st.sampled_from(CANDIDATES))
def test_a_number_is_read_as_it_was_written(value: float, numerals: str) -> None:
    """Writing and reading by the same rule is the identity."""
    assert float(plain_number(written(value, numerals), numerals)) == value
    assert measured(f">{written(value, numerals)}", numerals=numerals) == (value, ">")


@settings(max_examples=200, deadline=None)
@given(values=st.lists(WRITTEN, min_size=1, max_size=6), numerals=st.sampled_from(CANDIDATES))
def test_the_truth_is_always_among_the_readings_of_a_column(values: list[float], numerals: str) -> None:
    """However the column was written, one of the readings that are shown gives the numbers that were meant."""
    cells = [written(value, numerals) for value in values]
    found = numerals_of(cells)

    assert found.numbers == len(cells)
    assert values in [[float(plain_number(cell, each)) for cell in cells] for each in found.readings]


@pytest.mark.parametrize(
    ("cells", "readings"),
    [
        (["1,234"], (",", ".,")),
        (["1.234", "2.500"], (".", ",.")),
        (["1,234", "0,5"], (",",)),
        (["1,234", "12.5"], (".,",)),
        (["1,234,567"], (".,",)),
        (["1.5", "2,5"], (".", ",")),
        (["1,5", "1,50"], (",",)),
        (["12", "7"], (".",)),
        (["1e-3", "5E4"], (".",)),
        (["1,5e-3"], (",",)),
    ],
)
def test_the_whole_column_decides_or_nobody(cells: list[str], readings: tuple[str, ...]) -> None:
    """Two readings that give different values are both shown; one that fits is taken."""
    found = numerals_of(cells)

    assert found.readings == readings
    assert (len(readings) > 1) == bool(found.example)


@pytest.mark.parametrize(
    "text",
    [
        "1 ,",  # a reader of numbers with commas between thousands made 1 of it
        "1,23",
        "12,34.5",
        "1,2345",
        "1.2.3",
        "1_000",
        "1\N{VULGAR FRACTION ONE HALF}",
        "0x1F",
        "1e",
        "1-2",
        "5\N{EN DASH}10",
        "5\N{SUPERSCRIPT TWO}",
        "10-6",  # a range, or a power
        "5 x 105",  # a power that lost its place
        "12 \N{PLUS-MINUS SIGN}",
        "2024-03-01",
        "#DIV/0!",
        "=1+1",
        "TRUE",
        "inf",
        "",
    ],
)
@pytest.mark.parametrize("numerals", [".", ".,"])
def test_what_is_no_number_is_none(text: str, numerals: str) -> None:
    """A sign where it cannot be, a raised digit, a range, a date, an error of Excel: refused, never repaired."""
    with pytest.raises(ValueError, match=r"not a number|empty value"):
        measured(text, numerals=numerals)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("\N{MINUS SIGN}2.5", -2.5),
        ("\N{EN DASH}2.5", -2.5),
        ("\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT ZERO}", 10.0),
        ("\N{NO-BREAK SPACE}7", 7.0),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+3", 3.0),
    ],
)
def test_other_signs_for_the_same_number_are_read(text: str, number: float) -> None:
    """A typographer's minus, full-width digits and hard blanks are those that people paste."""
    assert measured(text) == (number, "=")
    assert math.isclose(float(plain_number(bare_number(text))), number)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10\N{SUPERSCRIPT TWO}", 100.0),
        ("5\N{MULTIPLICATION SIGN}10\N{SUPERSCRIPT THREE}", 5000.0),
        ("3 \N{MULTIPLICATION SIGN} 10\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT EIGHT}", 3e-8),
        ("1.5 x 10^-6", 1.5e-6),
        ("2*10^(-7)", 2e-7),
        ("-4.5 x 10-3", -4.5e-3),
        ("> 10^5", 1e5),
        ("5 \N{PLUS-MINUS SIGN} 1", 5.0),
        ("12.5+/-3e1", 12.5),
        ("7 (n = 3)", 7.0),
        ("7 (\N{PLUS-MINUS SIGN}0.5) (n=3)", 7.0),
        ("&gt; 12", 12.0),
        ("ca. 13", 13.0),
        ("greater than 1000", 1000.0),
    ],
)
def test_a_number_is_read_from_how_people_write_it(text: str, value: float) -> None:
    """Powers of ten written out, spreads and counts behind a value, signs as words: exactly, or not at all."""
    assert measured(text)[0] == value
