"""Units: exact conversions of measurements."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.data.units import FLIPPED_RELATION, conversion
from model_zoo.errors import ConfigError


def converter(source_unit: str, unit: str) -> tuple[Callable[[float], float], bool]:
    """Return the conversion of one number where no molecule's weight is needed, and whether it turns the order."""
    found = conversion(source_unit, unit)
    return (lambda value: found.convert(value, math.nan)), found.flips


@pytest.mark.parametrize(
    ("value", "source_unit", "unit", "expected"),
    [
        (1.0, "M", "pIC50", 0.0),
        (1.0, "mM", "pIC50", 3.0),
        (1.0, "uM", "pIC50", 6.0),
        (1.0, "nM", "pIC50", 9.0),
        (1.0, "pM", "pIC50", 12.0),
        (100.0, "nM", "pIC50", 7.0),
        (50.0, "nM", "pIC50", 7.301029995663981),
        (1.0, "uM", "log10 mol/L", -6.0),
        (0.5, "mM", "log10 mol/L", -3.3010299956639813),
    ],
)
def test_known_conversions(value: float, source_unit: str, unit: str, expected: float) -> None:
    """Concentrations become pIC50 = -log10(mol/L), or its opposite."""
    assert converter(source_unit, unit)[0](value) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("unit", ["pIC50", "logBB", "kcal/mol", "nM", "anything at all"])
def test_equal_units_need_no_conversion(unit: str) -> None:
    """Any unit converts to itself, as it is."""
    convert, flips = converter(unit, unit)

    assert (convert(-1.25), flips) == (-1.25, False)


@given(value=st.floats(1e-6, 1e6))
def test_the_unit_of_a_concentration_does_not_matter(value: float) -> None:
    """The same concentration in nM and in uM is the same pIC50, and log10 mol/L is its opposite."""
    nanomolar = converter("nM", "pIC50")[0](value)

    assert nanomolar == pytest.approx(converter("uM", "pIC50")[0](value / 1000))
    assert nanomolar == pytest.approx(-converter("nM", "log10 mol/L")[0](value))


@given(low=st.floats(1e-9, 1e9), factor=st.floats(1.001, 1000), unit=st.sampled_from(["pIC50", "log10 mol/L"]))
def test_a_conversion_says_whether_it_turns_the_order(low: float, factor: float, unit: str) -> None:
    """Where larger becomes smaller, and only there, relations flip."""
    convert, flips = converter("nM", unit)

    assert (convert(low * factor) < convert(low)) == flips


def test_flipping_twice_is_no_flip() -> None:
    """`<` and `>` change places, `=` stays."""
    assert {sign: FLIPPED_RELATION[FLIPPED_RELATION[sign]] for sign in FLIPPED_RELATION} == {
        "=": "=",
        "<": "<",
        ">": ">",
    }
    assert FLIPPED_RELATION["<"] == ">"


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_concentration_is_positive(value: float) -> None:
    """What has no logarithm is refused with the unit it came in."""
    with pytest.raises(ValueError, match=f"must be positive, got {value:g} nM"):
        converter("nM", "pIC50")[0](value)


@pytest.mark.parametrize(
    ("source_unit", "unit"), [("furlong", "pIC50"), ("nM", "logBB"), ("pIC50", "%"), ("NM", "pIC50"), ("", "pIC50")]
)
def test_an_unknown_pair_is_one_clear_error(source_unit: str, unit: str) -> None:
    """Both units, what was expected and what to do are in the error."""
    with pytest.raises(ConfigError) as caught:
        converter(source_unit, unit)
    message = str(caught.value)

    assert f"from unit {source_unit!r} to {unit!r}" in message
    assert "M, mM, uM, nM, pM" in message
    assert "source_unit" in message
