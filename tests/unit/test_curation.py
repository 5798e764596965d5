"""Curation: one value per molecule, and a reason for every row that did not make it."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo.curation import REPORT_COLUMNS, TABLE_COLUMNS, Curation, curate
from model_zoo.errors import DataError
from model_zoo.molecules import Standardise
from model_zoo.targets import Task

Cells = tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, str]


def raw(*cells: Cells) -> pd.DataFrame:
    """Give a raw table of `smiles, value[, relation[, split]]`."""
    rows = [("a.csv", number, *row, *("", "")[len(row) - 2 :]) for number, row in enumerate(cells, start=1)]
    return pd.DataFrame(rows, columns=["file", "row", "smiles", "value", "relation", "split"])


def run(
    *cells: Cells, task: Task = "regression", source_unit: str = "u", unit: str = "u", **rules: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curate rows by rules."""
    return curate(raw(*cells), Curation(**rules), task=task, source_unit=source_unit, unit=unit)


def values(table: pd.DataFrame) -> dict[str, float]:
    """Give the value of each molecule."""
    return dict(zip(table["smiles"], table["value"], strict=True))


def test_the_tables_have_their_columns() -> None:
    """Table and report keep their columns, whatever came in."""
    table, report = run(("CCO", "1"), ("bad(", "2"))

    assert list(table.columns) == list(TABLE_COLUMNS)
    assert list(report.columns) == list(REPORT_COLUMNS)
    assert list(report["action"]) == ["kept", "dropped"]


@pytest.mark.parametrize(
    "other",
    ["CC(=O)[O-].[Na+]", "[Na+].CC(=O)[O-]", "CC(O)=O", "OC(C)=O", "CC(=O)O.O", "[K]OC(C)=O"],
)
def test_salts_charges_and_spellings_are_one_molecule(other: str) -> None:
    """A salt, an ion, a hydrate and another spelling merge with the neutral parent."""
    table, report = run(("CC(=O)O", "1"), (other, "3"))

    assert values(table) == {"CC(=O)O": 2.0}
    assert list(table["measurements"]) == [2]
    assert list(report["action"]) == ["merged", "merged"]
    assert all(reason.startswith("2 measurements") for reason in report["reason"])


def test_what_was_left_out_of_a_structure_is_in_the_report() -> None:
    """A row that is kept says which of its components were dropped; salts of two drugs share no row."""
    table, report = run(("CC(=O)O.O", "1"), ("CNCC(O)C(O)C(O)C(O)CO.OC(=O)c1ccccc1CC", "2"),
                        ("CNCC(O)C(O)C(O)C(O)CO.OC(=O)c1ccccc1CCC", "3"))  # fmt: skip

    assert len(table) == 3
    assert next(iter(report["reason"])) == "left out: water (O)"
    assert all("left out: meglumine" in reason for reason in list(report["reason"])[1:])


def test_standardisation_follows_the_endpoints_policy() -> None:
    """A policy that keeps charges keeps the ion apart."""
    table, _ = run(("CC(=O)O", "1"), ("CC(=O)[O-]", "3"), standardise=Standardise(uncharge=False))

    assert len(table) == 2


def test_stereo_isomers_are_two_molecules() -> None:
    """Mirror images are measured apart and stay apart."""
    table, _ = run(("C[C@H](N)C(=O)O", "1"), ("C[C@@H](N)C(=O)O", "3"))

    assert len(table) == 2
    assert len(set(table["inchikey"].str[:14])) == 1


@pytest.mark.parametrize(("rule", "expected"), [("median", 2.0), ("mean", pytest.approx(13 / 3)), ("first", 10.0)])
def test_replicates_merge_by_the_stated_rule(rule: str, expected: float) -> None:
    """Three measurements become their median, mean or first."""
    table, _ = run(("CCO", "10"), ("OCC", "1"), ("CCO", "2"), replicates=rule)

    assert values(table) == {"CCO": expected}


def test_an_even_number_of_replicates_has_a_median() -> None:
    """Two middle values give their mean."""
    assert values(run(("CCO", "1"), ("CCO", "2"), ("CCO", "4"), ("CCO", "9"))[0]) == {"CCO": 3.0}


def test_replicates_may_stay_rows_of_their_own() -> None:
    """Benchmarks count every row: the rule `keep` merges nothing, and identities stay those of the molecule."""
    table, report = run(("CCO", "1"), ("CCO", "2"), ("CC#N", "3"), replicates="keep")

    assert list(table["value"]) == [1.0, 2.0, 3.0]
    assert next(iter(table["inchikey"])) == list(table["inchikey"])[1] == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
    assert set(report["action"]) == {"kept"}


def test_contradicting_replicates_are_all_dropped() -> None:
    """Replicates further apart than allowed leave the table, with the reason on each of their rows."""
    table, report = run(("CCO", "1"), ("CCO", "2.5"), ("CCN", "1"), max_spread=1.0)

    assert list(table["smiles"]) == ["CCN"]
    assert list(report["action"]) == ["dropped", "dropped", "kept"]
    assert next(iter(report["reason"])) == "contradiction: 2 measurements spread over 1.5"


def test_replicates_just_within_the_spread_merge() -> None:
    """The allowed spread itself is no contradiction."""
    assert values(run(("CCO", "1"), ("CCO", "2"), max_spread=1.0)[0]) == {"CCO": 1.5}


@pytest.mark.parametrize("cells", [("CCO", ">10"), ("CCO", "> 10"), ("CCO", ">=10"), ("CCO", "10", ">")])
def test_a_bound_is_dropped_with_its_reason(cells: Cells) -> None:
    """A value known only as a bound is dropped by default, wherever the sign stands."""
    table, report = run(cells, ("CCN", "1"))

    assert list(table["smiles"]) == ["CCN"]
    assert next(iter(report["reason"])) == "censored: only known as > 10"


def test_a_bound_may_be_kept_as_a_bound() -> None:
    """By policy the bound is the value, and the relation stays on record."""
    table, _ = run(("CCO", ">10"), ("CCN", "<1"), ("CCC", "~5"), censored="keep_bound")

    assert list(zip(table["value"], table["relation"], strict=True)) == [(10.0, ">"), (1.0, "<"), (5.0, "=")]


def test_an_exact_value_beats_a_bound() -> None:
    """Where a molecule has exact measurements its bounds do not count."""
    table, report = run(("CCO", ">10"), ("CCO", "12"), censored="keep_bound")

    assert (values(table), list(table["relation"])) == ({"CCO": 12.0}, ["="])
    assert list(report["action"]) == ["merged", "merged"]


def test_bounds_in_both_directions_contradict() -> None:
    """`<` and `>` without an exact value say nothing."""
    table, report = run(("CCO", ">10"), ("CCO", "<20"), ("CCN", "1"), censored="keep_bound")

    assert list(table["smiles"]) == ["CCN"]
    assert next(iter(report["reason"])) == "contradiction: bounds in both directions"


@pytest.mark.parametrize(("relation", "value"), [("=", ">10"), ("<", ">10"), (">", "=10")])
def test_a_relation_that_contradicts_its_value_is_dropped(relation: str, value: str) -> None:
    """A bound is never read as an exact number because a column beside it says so."""
    _, report = run(("CCO", value, relation), ("CCN", "1"), censored="keep_bound")

    assert next(iter(report["reason"])) == f"value: the relation '{relation}' contradicts the value '{value}'"


def test_an_unknown_relation_is_dropped() -> None:
    """A relation that is none of `=`, `<`, `>` drops the row and says so."""
    _, report = run(("CCO", "10", "circa"), ("CCN", "1"))

    assert next(iter(report["reason"])) == "value: expected the relation '=', '<' or '>', got 'circa'"


def test_a_relation_turns_with_the_unit() -> None:
    """IC50 > 10 uM is pIC50 < 5; as log10 mol/L it stays `>`."""
    cells: Cells = ("CCO", ">10")
    p, _ = run(cells, source_unit="uM", unit="pIC50", censored="keep_bound")
    log, _ = run(cells, source_unit="uM", unit="log10 mol/L", censored="keep_bound")

    assert (p["relation"][0], p["value"][0]) == ("<", pytest.approx(5.0))
    assert (log["relation"][0], log["value"][0]) == (">", pytest.approx(-5.0))


def test_a_concentration_must_be_positive() -> None:
    """Zero and less have no logarithm: dropped, with the unit in the reason."""
    _, report = run(("CCO", "0"), ("CCC", "-3"), ("CCN", "100"), source_unit="nM", unit="pIC50")

    assert next(iter(report["reason"])) == "value: a concentration must be positive, got 0 nM"
    assert list(report["action"]) == ["dropped", "dropped", "kept"]


def test_labels_become_classes() -> None:
    """Texts become 0 and 1 by the endpoint's labels; `1` and `0` need none; others are dropped."""
    table, report = run(
        ("CCO", "BBB+"), ("CCN", "BBB-"), ("CCC", "1"), ("CCCC", "maybe"), task="binary", labels={"BBB+": 1, "BBB-": 0}
    )

    assert values(table) == {"CCO": 1.0, "CCN": 0.0, "CCC": 1.0}
    assert "expected one of the labels 0, 1, 0.0, 1.0, BBB+, BBB-, got 'maybe'" in list(report["reason"])[3]


def test_a_majority_decides_a_class() -> None:
    """Two against one is the majority; one against one is a contradiction."""
    table, report = run(("CCO", "1"), ("CCO", "1"), ("CCO", "0"), ("CCN", "1"), ("CCN", "0"), task="binary")

    assert values(table) == {"CCO": 1.0}
    assert list(report["reason"])[4] == "contradiction: 2 measurements, as many 0 as 1"


def test_values_out_of_range_are_dropped() -> None:
    """The range is that of the endpoint's own unit, bounds included."""
    _, report = run(("CCO", "-15"), ("CCN", "3"), ("CCC", "3.01"), valid_range=(-15, 3))

    assert list(report["action"]) == ["kept", "kept", "dropped"]
    assert list(report["reason"])[2] == "out of range: expected -15 to 3, got 3.01"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "value: expected a value, got an empty cell"),
        ("n/a", "value: expected a number, got 'n/a'"),
        ("1,5", "value: expected a number, got '1,5'"),
        ("1.5 nM", "value: expected a number, got '1.5 nM'"),
        ("1\n2", "value: expected a number, got '1\\n2'"),
        ("nan", "value: expected a finite number, got 'nan'"),
        ("inf", "value: expected a finite number, got 'inf'"),
        ("-Infinity", "value: expected a finite number, got '-Infinity'"),
        ("1e999", "value: expected a finite number, got '1e999'"),
        (">", "value: expected a number, got '>'"),
        ("1_000", "value: expected a number, got '1_000'"),
    ],
)
def test_a_value_that_is_no_number_is_dropped(text: str, reason: str) -> None:
    """What is not a finite number is dropped, with what came."""
    _, report = run(("CCO", text), ("CCN", "1"))

    assert next(iter(report["reason"])) == reason


@pytest.mark.parametrize(
    ("smiles", "code"),
    [("", "empty"), ("bad(", "invalid-smiles"), ("CCO ethanol", "invalid-smiles"), ("[H][H]", "no-atoms"),
     ("C" * 2001, "too-long"), ("C" * 301, "too-large")],
)  # fmt: skip
def test_a_molecule_that_is_none_is_dropped(smiles: str, code: str) -> None:
    """An unreadable structure is dropped with its code."""
    _, report = run((smiles, "1"), ("CCN", "1"))

    assert next(iter(report["reason"])).startswith(f"{code}: ")


def test_nothing_usable_is_one_error() -> None:
    """When every row is dropped, the error says how many and why the first was."""
    with pytest.raises(
        DataError, match="all 2 rows were dropped, expected at least one usable; the first reason: empty"
    ):
        run(("", "1"), ("CCO", "x"))


def test_only_contradictions_are_nothing_usable() -> None:
    """Rows that only contradict each other leave nothing, and the error says so."""
    with pytest.raises(DataError, match="the first reason: contradiction"):
        run(("CCO", "1"), ("CCO", "9"), max_spread=1)


def test_an_official_split_is_carried_through() -> None:
    """The part that a source gives a row stays with the molecule."""
    table, _ = run(("CCO", "1", "", "train"), ("CCN", "1", "", "test"))

    assert list(table["split"]) == ["train", "test"]


SMILES = st.sampled_from(
    ["CCO", "OCC", "CCN", "CC(=O)O", "CC(=O)[O-].[Na+]", "c1ccccc1", "C[C@H](N)O", "C[C@@H](N)O", "CC#N", "bad(", ""]
)
VALUES = st.sampled_from(["0", "1", "2.5", "-3", ">1", "<2", "~4", "nan", "", "x", "1\n2", "9e99", "1e-9"])
ROWS = st.lists(st.tuples(SMILES, VALUES, st.sampled_from(["", "=", "<", ">", "?"])), min_size=1, max_size=12)
RULES = st.fixed_dictionaries(
    {
        "censored": st.sampled_from(["drop", "keep_bound"]),
        "replicates": st.sampled_from(["median", "mean", "first", "keep"]),
        "max_spread": st.none() | st.just(1.0),
        "valid_range": st.none() | st.just((-5.0, 5.0)),
    }
)


@settings(max_examples=150, deadline=None)
@given(cells=ROWS, rules=RULES, task=st.sampled_from(["regression", "binary"]))
def test_nothing_vanishes(cells: list[Cells], rules: dict[str, Any], task: Task) -> None:
    """Whatever comes in, the report has one row per raw row in order, each kept, merged or dropped with a reason, and
    the table's molecules are exactly those that the report did not drop.
    """
    try:
        table, report = run(*cells, task=task, **rules)
    except DataError as error:
        assert f"all {len(cells)} rows were dropped" in str(error)  # noqa: PT017 - either outcome is right
        return

    assert list(report["row"]) == list(range(1, len(cells) + 1))
    assert list(report["smiles"]) == [row[0] for row in cells]
    assert set(report["action"]) <= {"kept", "merged", "dropped"}
    assert all(reason for reason, action in zip(report["reason"], report["action"], strict=True) if action != "kept")
    used = report[report["action"] != "dropped"]
    assert table["measurements"].sum() == len(used)
    assert list(dict.fromkeys(used["inchikey"])) == list(dict.fromkeys(table["inchikey"]))
    assert all(math.isfinite(value) for value in table["value"])
    assert rules["replicates"] == "keep" or table["inchikey"].is_unique
    if rules["censored"] == "drop":
        assert set(table["relation"]) <= {"="}


@given(order=st.permutations(range(6)))
def test_the_order_of_rows_does_not_change_a_median(order: list[int]) -> None:
    """Shuffled rows give the same values for the same molecules."""
    cells: list[Cells] = [("CCO", "1"), ("OCC", "5"), ("CCO", "3"), ("CCN", "2"), ("NCC", "4"), ("CCC", "0")]

    assert values(run(*[cells[index] for index in order])[0]) == values(run(*cells)[0])
