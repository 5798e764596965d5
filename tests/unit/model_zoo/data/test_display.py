"""Values in the unit that people read: a monotone way there and back, ends of intervals in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.data.display_unit import display
from model_zoo.errors import ConfigError

PAIRS = [("log10 %", "%"), ("pIC50", "nM"), ("log10 mol/L", "uM"), ("fraction", "%"), ("log10 mL/min/kg", "mL/min/kg")]


@pytest.mark.parametrize(("unit", "shown"), PAIRS)
@given(a=st.floats(-12, 12), b=st.floats(-12, 12))
def test_what_is_shown_is_read_back_and_ends_stay_in_order(unit: str, shown: str, a: float, b: float) -> None:
    """Showing and reading gives the value again, and the lower end of an interval is the lower one in every unit."""
    way = display(unit, shown)
    lower, upper = sorted((a, b))
    value = way.value(a)
    low, high = way.interval(lower, upper)

    assert value is not None
    assert way.read(value) == pytest.approx(a, abs=1e-9)
    assert low is not None
    assert high is not None
    assert low <= high
    assert {low, high} == {way.value(lower), way.value(upper)}


def test_a_bound_keeps_its_meaning() -> None:
    """A pIC50 above 7 is an IC50 below 100 nM; a share above 10 % stays above."""
    assert display("pIC50", "nM").relation(">") == "<"
    assert display("log10 %", "%").relation(">") == ">"


@pytest.mark.parametrize(
    ("unit", "shown", "words"),
    [
        ("logBB", "%", "no conversion from unit"),
        ("mol/L", "ug/mL", "depends on each molecule's weight"),
        ("nM", "pIC50", "is a logarithm"),
        ("nM", " ", "expected the name of a unit"),
    ],
)
def test_a_unit_that_not_every_value_has_is_refused(unit: str, shown: str, words: str) -> None:
    """What cannot be shown for every value and molecule is no display unit."""
    with pytest.raises(ConfigError, match=words):
        display(unit, shown)
