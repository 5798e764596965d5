"""Curation: one value per molecule, and a reason for every row that did not make it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo.chemistry.molecules import Standardise
from model_zoo.data import source_files
from model_zoo.data.curation import REPORT_COLUMNS, TABLE_COLUMNS, Curation, curate
from model_zoo.data.replicates import Measured, Merged, merge
from model_zoo.data.sources import CsvSource, read_source
from model_zoo.data.targets import Task
from model_zoo.errors import DataError

Cells = tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, str] | tuple[str, str, str, str, str]


def raw(*cells: Cells) -> pd.DataFrame:
    """Return a raw table of `smiles, value[, relation[, split[, unit]]]`."""
    names = ("relation", "split", "unit")
    rows = [
        source_files.raw("a.csv", number, row[0], row[1], **dict(zip(names, row[2:], strict=False)))
        for number, row in enumerate(cells, start=1)
    ]
    return pd.DataFrame(rows, columns=list(source_files.RAW_COLUMNS))


def run(
    *cells: Cells, task: Task = "regression", source_unit: str = "u", unit: str = "u", **rules: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curate rows by rules."""
    return curate(raw(*cells), Curation(**rules), task=task, source_unit=source_unit, unit=unit)


def values(table: pd.DataFrame) -> dict[str, float]:
    """Return the value of each molecule."""
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
    assert all(reason.startswith("2 measurements, spread 2") for reason in report["reason"])


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
    """A value known only as a bound is dropped by default, wherever the sign is."""
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


def test_bounds_on_both_sides_are_no_contradiction() -> None:
    """`>1` and `<100` can both be true, but are no value; `<1` and `>100` cannot."""
    table, report = run(
        ("CCO", ">1"), ("CCO", "<100"), ("CCN", "1"), ("CCC", "<1"), ("CCC", ">100"), censored="keep_bound"
    )

    assert list(table["smiles"]) == ["CCN"]
    assert next(iter(report["reason"])) == "censored: only known to lie between 1 and 100"
    assert list(report["reason"])[3] == "contradiction: known to be > 100 and < 1"


def test_bounds_merge_to_the_tighter_one() -> None:
    """IC50 `<100, <10, <1` nM is below 1 nM: a pIC50 above 9, not above their median 8; and `>` likewise."""
    cells: list[Cells] = [("CCO", "<100"), ("CCO", "<10"), ("CCO", "<1"), ("CCN", ">1"), ("CCN", ">1000")]
    table, report = run(*cells, source_unit="nM", unit="pIC50", censored="keep_bound")

    assert list(table["relation"]) == [">", "<"]
    assert list(table["value"]) == pytest.approx([9.0, 6.0])
    assert list(table["measurements"]) == [3, 2]
    assert set(report["action"]) == {"merged"}


@pytest.mark.parametrize("policy", ["drop", "keep_bound"])
def test_an_exact_value_beyond_a_bound_contradicts_it(policy: str) -> None:
    """10 nM measured and above 10,000 nM cannot both be true, whatever is done with bounds elsewhere."""
    cells: list[Cells] = [("CCO", "10"), ("CCO", ">10000"), ("CCN", "10"), ("CCN", ">9.5"), ("CCN", "<12")]
    table, report = run(*cells, source_unit="nM", unit="pIC50", censored=policy)

    assert values(table) == {"CCN": pytest.approx(8.0)}
    assert list(report["action"])[:2] == ["dropped", "dropped"]
    assert list(report["reason"])[:2] == ["contradiction: measured 8, and known to be < 5"] * 2
    assert list(table["measurements"]) == [1 if policy == "drop" else 3]


@pytest.mark.parametrize(
    ("cells", "unit", "kept"),
    [
        (["1", "9.9"], "mL/min", True),
        (["1", "10.1"], "mL/min", False),
        (["0.001", "0.0101"], "mL/min", False),
        (["6.0", "6.9"], "pIC50", True),
        (["6.0", "7.1"], "pIC50", False),
        (["-3.0", "9.0"], "kcal/mol", True),
    ],
)
def test_replicates_a_factor_of_ten_apart_contradict_by_default(cells: list[str], unit: str, kept: bool) -> None:
    """Without a word in the YAML: ten times as much, or one logarithmic unit; signed amounts have no factor."""
    rows: list[Cells] = [("CCO", cell) for cell in cells]
    table, report = run(*rows, ("CCN", cells[0]), source_unit=unit, unit=unit)

    assert (len(table) == 2) == kept
    if kept:
        assert "spread" in report["reason"][0]
    else:
        assert report["reason"][0].startswith("contradiction: 2 measurements spread over")


@pytest.mark.parametrize(
    ("text", "relation", "expected"),
    [
        ("≥10", "", (10.0, ">")),
        ("≤ 10", "", (10.0, "<")),
        ("\uff1e10", "", (10.0, ">")),
        ("10", "\uff1c", (10.0, "<")),
        ("10", "'>='", (10.0, ">")),
        ("≈10", "~", (10.0, "=")),
        ("\N{MINUS SIGN}2.5", "", (-2.5, "=")),
        ("\uff11\uff10", "", (10.0, "=")),
    ],
)
def test_signs_are_read_as_people_write_them(text: str, relation: str, expected: tuple[float, str]) -> None:
    """Signs of one character, full-width forms, ChEMBL's quotes, a true minus."""
    table, _ = run(("CCO", text, relation), censored="keep_bound")

    assert (table["value"][0], table["relation"][0]) == expected


def test_each_row_may_have_a_unit_of_its_own() -> None:
    """Caffeine, 194.19 g/mol: 10 uM, 10,000 nM, a pIC50 of 5 and 1.9419 ug/mL are one potency; a furlong is refused."""
    caffeine = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
    units = [
        ("10", "µM"),
        ("10000", ""),
        ("5", "pIC50"),
        ("1.94194", "ug.mL-1"),
        ("-5", "log10 mol/L"),
        ("1", "furlong"),
    ]
    table, report = run(*[(caffeine, value, "", "", unit) for value, unit in units], source_unit="nM", unit="pIC50")

    assert values(table) == {caffeine: pytest.approx(5.0, abs=1e-3)}
    assert list(report["action"]) == ["merged"] * 5 + ["dropped"]
    assert report["reason"][0].startswith("5 measurements, spread ")
    assert float(report["reason"][0].split()[-1]) < 1e-3
    assert "no conversion from unit 'furlong' to 'pIC50'" in report["reason"][5]


def test_what_lies_beyond_a_limit_of_quantification_is_a_bound() -> None:
    """A clearance of 0 with a limit of 0.1 is below 0.1; with the logarithm of a concentration a zero is one too."""
    cells: list[Cells] = [("CCO", "0"), ("CCN", "0.05"), ("CCC", "0.1"), ("CCCC", "500"), ("CC#N", "-3")]
    kept, _ = run(*cells, censored="keep_bound", lloq=0.1, uloq=100)
    dropped, report = run(*cells, lloq=0.1, uloq=100)
    p, _ = run(("CCO", "0"), ("CCN", "10"), source_unit="nM", unit="pIC50", censored="keep_bound", uloq=12)

    assert list(zip(kept["value"], kept["relation"], strict=True)) == [
        (0.1, "<"), (0.1, "<"), (0.1, "="), (100.0, ">"), (0.1, "<"),
    ]  # fmt: skip
    assert values(dropped) == {"CCC": 0.1}
    assert report["reason"][0] == "censored: only known as < 0.1"
    assert list(zip(p["value"], p["relation"], strict=True)) == [(12.0, ">"), (pytest.approx(8.0), "=")]


def test_the_order_of_rows_changes_no_bound() -> None:
    """Bounds, exact values and contradictions come out the same in any order."""
    cells: list[Cells] = [("CCO", "<100"), ("CCO", "<1"), ("CCN", ">10"), ("CCN", "12"), ("CCC", "1"), ("CCC", ">1000")]
    forward, backward = (run(*rows, censored="keep_bound")[0] for rows in (cells, cells[::-1]))

    assert set(zip(forward["smiles"], forward["value"], forward["relation"], strict=True)) == set(
        zip(backward["smiles"], backward["value"], backward["relation"], strict=True)
    )


@pytest.mark.parametrize(("relation", "value"), [("=", ">10"), ("<", ">10"), (">", "=10")])
def test_a_relation_that_contradicts_its_value_is_dropped(relation: str, value: str) -> None:
    """A bound is never read as an exact number because a column beside it says so."""
    _, report = run(("CCO", value, relation), ("CCN", "1"), censored="keep_bound")

    assert next(iter(report["reason"])) == f"relation: '{relation}' contradicts the value '{value}'"


def test_an_unknown_relation_is_dropped() -> None:
    """A relation that is none of `=`, `<`, `>` drops the row and says so."""
    _, report = run(("CCO", "10", "perhaps"), ("CCN", "1"))

    assert next(iter(report["reason"])) == "relation: expected '=', '<' or '>', got 'perhaps'"


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

    assert next(iter(report["reason"])) == "not positive: a concentration must be positive, got 0 nM"
    assert list(report["action"]) == ["dropped", "dropped", "kept"]


def test_labels_become_classes() -> None:
    """Texts become 0 and 1 by the endpoint's labels; `1` and `0` need none; others are dropped."""
    table, report = run(
        ("CCO", "BBB+"), ("CCN", "BBB-"), ("CCC", "1"), ("CCCC", "maybe"), task="binary", labels={"BBB+": 1, "BBB-": 0}
    )

    assert values(table) == {"CCO": 1.0, "CCN": 0.0, "CCC": 1.0}
    assert "label: expected one of 0, 1, 0.0, 1.0, BBB+, BBB-, got 'maybe'" in list(report["reason"])[3]


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
        ("", "empty value: expected one, got an empty cell"),
        ("n/a", "not measured: the cell says 'n/a'"),
        ("1,5", "not a number: expected a number with '.' before its decimals, got '1,5'"),
        ("1.5 furlong", "not a number: expected a number with '.' before its decimals, got '1.5 furlong'"),
        ("1\n2", "not a number: expected a number with '.' before its decimals, got '1\\n2'"),
        ("nan", "not measured: the cell says 'nan'"),
        ("inf", "not a number: expected a number with '.' before its decimals, got 'inf'"),
        ("-Infinity", "not a number: expected a number with '.' before its decimals, got '-Infinity'"),
        ("1e999", "not a number: expected a finite number, got '1e999'"),
        (">", "not a number: expected a number with '.' before its decimals, got '>'"),
        ("1_000", "not a number: expected a number with '.' before its decimals, got '1_000'"),
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
    first_seen = [key for key in dict.fromkeys(report["inchikey"]) if key in set(used["inchikey"])]
    assert list(dict.fromkeys(table["inchikey"])) == first_seen
    assert all(math.isfinite(value) for value in table["value"])
    assert rules["replicates"] == "keep" or table["inchikey"].is_unique
    if rules["censored"] == "drop":
        assert set(table["relation"]) <= {"="}


def test_a_molecule_stands_where_it_first_appears_even_as_a_bound_that_is_dropped() -> None:
    """A bound that is dropped gives its molecule the place that an exact value further down fills."""
    table, report = run(("CCN", "<0"), ("CCO", "0"), ("CCN", "0"), censored="drop")

    assert list(table["smiles"]) == ["CCN", "CCO"]
    assert list(report["action"]) == ["dropped", "kept", "kept"]


@given(order=st.permutations(range(6)))
def test_the_order_of_rows_does_not_change_a_median(order: list[int]) -> None:
    """Shuffled rows have the same values for the same molecules."""
    cells: list[Cells] = [("CCO", "1"), ("OCC", "5"), ("CCO", "3"), ("CCN", "2"), ("NCC", "4"), ("CCC", "0")]

    assert values(run(*[cells[index] for index in order])[0]) == values(run(*cells)[0])


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("100", 1.0), ("1000", 1.0), ("1001", 0.0), (">10000", 0.0), ("<10", 1.0), ("0.5 uM", 1.0), ("5 µM", 0.0),
        (">10", "censored"), ("<5000", "censored"), ("BLQ", "below quantification"), ("n.d.", "not measured"),
    ],
)  # fmt: skip
def test_a_threshold_makes_the_label(cell: str, expected: float | str) -> None:
    """From a measured value in any unit, or a bound that is beyond it; a bound that says nothing is dropped."""
    threshold = {"value": 1000, "unit": "nM", "positive": "below"}
    table, report = run(("CCO", cell), ("CCN", "5"), task="binary", threshold=threshold, source_unit="nM")
    got = values(table).get("CCO", str(report["reason"][0]).partition(":")[0])

    assert got == expected


@pytest.mark.parametrize(
    ("cell", "unit", "expected"),
    [("5 uM", "", 5000.0), ("5uM", "uM", 5000.0), ("300 nM", "", 300.0), ("7", "uM", 7000.0), ("5 uM", "nM", "unit"),
     ("5 furlong", "", "not a number")],
)  # fmt: skip
def test_a_unit_in_the_cell_counts_and_may_contradict_none(cell: str, unit: str, expected: float | str) -> None:
    """5 uM is 5000 nM, whatever the file's unit is; beside another unit for the same row it is nothing."""
    table, report = run(("CCO", cell, "", "", unit), ("CCN", "5"), source_unit="nM", unit="nM")
    got = values(table).get("CCO", str(report["reason"][0]).partition(":")[0])

    assert got == expected


@pytest.mark.parametrize(("rule", "task"), [("mean", "regression"), ("median", "regression"), ("median", "binary")])
@given(st.lists(st.tuples(st.sampled_from([0, 1, 1.5, 2, 4]), st.integers(1, 4)), min_size=1, max_size=7))
@settings(max_examples=60)
def test_a_weight_counts_as_so_many_measurements(rule: Any, task: Task, rows: list[tuple[float, int]]) -> None:
    """What is merged by weights is what comes of each row written as often as its weight says."""
    if task == "binary":
        rows = [(float(value > 1), count) for value, count in rows]

    def merged(measurements: list[Measured]) -> Merged:
        return merge(measurements, rule, None, task, "u")

    weighed = merged([Measured(place, value, "=", count) for place, (value, count) in enumerate(rows)])
    repeated = merged([Measured(0, value, "=") for value, count in rows for _ in range(count)])
    assert weighed.value == pytest.approx(repeated.value, nan_ok=True)
    assert bool(weighed.conflict) == bool(repeated.conflict)


def test_weights_are_read_from_their_column(tmp_path: Path) -> None:
    """An empty cell counts once, a decimal comma is one, and what is no positive number drops its row."""
    rows = ["CCO;1,0;3", "OCC;2,0;1", "CCN;5;", "CCN;6;", "CCC;1;0", "CCCC;1;few", "CCCO;1;0,5"]
    (tmp_path / "a.csv").write_text("\n".join(["smiles;value;n", *rows]), encoding="utf-8")
    source = CsvSource(kind="csv", files=("a.csv",), delimiter=";", decimal=",", weight_column="n")
    rules = Curation(replicates="mean")
    table, report = curate(read_source(source, tmp_path), rules, task="regression", source_unit="u", unit="u")

    assert values(table) == {"CCO": 1.25, "CCN": 5.5, "CCCO": 1.0}
    assert [reason for reason in report["reason"] if reason.startswith("weight")] == [
        f"weight: expected a positive number, got {text!r}" for text in ("0", "few")
    ]


def test_a_molecule_of_a_training_and_a_test_row_is_tested_on_its_test_value_alone() -> None:
    """In whatever order and notation: its training row is dropped, with that as its reason."""
    rows = (("Oc1ccccc1", "5", "", "train"), ("C1=CC=CC=C1O", "6", "", "test"), ("CCO", "7", "", "train"))
    for order in (rows, rows[::-1]):
        table, report = run(*order)

        assert {row.smiles: (row.value, row.split) for row in table.itertuples()} == {
            "Oc1ccccc1": (6.0, "test"), "CCO": (7.0, "train"),
        }  # fmt: skip
        assert sorted(report["reason"]) == ["", "", "split: its molecule is in the test split, too"]


def test_the_series_of_a_molecule_does_not_depend_on_the_order_of_rows() -> None:
    """Of two series that rows name, and of one that only a later row names."""
    made = raw(("CCO", "5"), ("OCC", "5"), ("CCN", "6"), ("NCC", "6"))
    made["series"] = ["B", "A", "", "C"]
    for frame in (made, made[::-1]):
        table, _ = curate(frame, Curation(), task="regression", source_unit="u", unit="u")

        assert dict(zip(table["smiles"], table["series"], strict=True)) == {"CCO": "A", "CCN": "C"}


def test_values_that_cannot_be_in_their_unit_stop_the_dataset_where_they_are_many() -> None:
    """Read as pIC50, those of 1 to 20 nM would be potencies; a single error of entry is dropped."""
    with pytest.raises(DataError, match=r"39 of 40 values, such as '25', are impossible as pIC50 .*source_unit"):
        run(*[(f"{'C' * (n + 1)}O", str(n * 25)) for n in range(40)], source_unit="pIC50", unit="pIC50")
    _, report = run(*[(f"{'C' * (n + 1)}O", "700" if n == 3 else "7.5") for n in range(20)],
                    source_unit="pIC50", unit="pIC50")  # fmt: skip

    assert [reason for reason in report["reason"] if reason] == ["impossible: no pIC50 is 700"]


@pytest.mark.parametrize(("text", "parts"), [("CCCN(C)C.CCCN(C)C.OS(=O)(=O)O", 2), ("CCCN(C)C.Cl", 1)])
def test_a_weight_is_that_of_one_molecule_with_its_share_of_the_salt(text: str, parts: int) -> None:
    """Half of a hemisulfate is weighed for each amine; the value is that of the bare amine by moles."""
    from rdkit.Chem import MolFromSmiles
    from rdkit.Chem.rdMolDescriptors import _CalcMolWt

    table, _ = run((text, "5", "=", "", "ug/mL"), source_unit="nM", unit="pIC50")

    assert table["value"][0] == pytest.approx(3 - math.log10(5 / (_CalcMolWt(MolFromSmiles(text)) / parts)))


def test_limits_beside_a_threshold_are_refused() -> None:
    """They would be compared with labels, or not at all."""
    with pytest.raises(ValueError, match="lloq, uloq, valid_range: expected none beside a threshold"):
        Curation.model_validate({"threshold": {"value": 1, "unit": "uM", "positive": "below"}, "valid_range": [2, 13]})
