"""Splits: nobody is judged on what could have leaked into training."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule, inchikey, parse_molecule, scaffold
from model_zoo.data.folds import OLDEST, TEST_FOLD, held_out, training_rows
from model_zoo.data.splits import CONNECTIVITY, Split, assign, by_time, clusters, leaks
from model_zoo.data.targets import Task
from model_zoo.errors import DataError

RINGS = ("c1ccccc1", "c1ccncc1", "C1CCCCC1", "c1ccc2ccccc2c1", "c1ccsc1", "C1CCNCC1", "c1cc[nH]c1", "C1COCCN1",
         "c1cnc2ccccc2c1", "C1CC1", "C1CCC1", "c1ccoc1", "C1CCOC1", "c1cn[nH]c1", "c1cocn1", "C1CCCCCC1")  # fmt: skip
TAILS = ("C", "CC", "CCC", "O", "N", "Cl", "F", "CO", "N#C", "CCO")
CHAINS = tuple("C" * length for length in range(2, 14)) + tuple("C" * length + "O" for length in range(2, 14))
POOL = tuple(f"{tail}{ring}" for ring in RINGS for tail in TAILS) + CHAINS
ISOMERS = ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(N)C(=O)O")


def table(smiles: list[str], values: list[float] | None = None, parts: list[str] | None = None) -> pd.DataFrame:
    """Return a curated table, one row per SMILES."""
    molecules = [parse_molecule(text) for text in smiles]
    assert all(isinstance(molecule, Molecule) for molecule in molecules)
    return pd.DataFrame(
        {
            "smiles": [molecule.smiles for molecule in molecules if isinstance(molecule, Molecule)],
            "inchikey": [inchikey(molecule.mol) for molecule in molecules if isinstance(molecule, Molecule)],
            "value": values if values is not None else [float(index % 7) for index in range(len(smiles))],
            "relation": "=",
            "measurements": 1,
            "split": parts if parts is not None else "",
        }
    )


ALL = table(list(POOL))


def places(divided: pd.DataFrame, labels: list[str]) -> dict[str, set[int]]:
    """Say in which folds each label is."""
    found: dict[str, set[int]] = {}
    for label, fold in zip(labels, divided["fold"], strict=True):
        if label:
            found.setdefault(label, set()).add(int(fold))
    return found


def scaffolds(divided: pd.DataFrame) -> list[str]:
    """Return the scaffold of each row."""
    return [scaffold(Chem.MolFromSmiles(text)) for text in divided["smiles"]]


def test_a_split_adds_its_columns_and_moves_no_row() -> None:
    """Rows stay as they were; group, split and fold are added; the test split has no fold."""
    divided = assign(ALL, Split(), "regression")

    assert list(divided["smiles"]) == list(ALL["smiles"])
    assert list(divided["value"]) == list(ALL["value"])
    assert set(divided["split"]) == {"train", "test"}
    assert ((divided["fold"] == TEST_FOLD) == (divided["split"] == "test")).all()
    assert set(divided["fold"]) == {-1, 0, 1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("folds", "fraction"), [(2, 0.5), (3, 0.1), (5, 0.2), (8, 0.25)])
def test_no_scaffold_straddles(seed: int, folds: int, fraction: float) -> None:
    """Molecules with one scaffold are all in the test split or all in one fold."""
    divided = assign(ALL, Split(seed=seed, folds=folds, test_fraction=fraction), "regression")

    assert all(len(where) == 1 for where in places(divided, scaffolds(divided)).values())
    assert leaks(divided) == []
    assert 0.3 * fraction < (divided["split"] == "test").mean() < 2 * fraction


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.integers(0, len(POOL) - 1), min_size=2, max_size=60, unique=True),
    isomers=st.integers(0, 3),
    kind=st.sampled_from(["scaffold", "random"]),
    folds=st.integers(2, 5),
    seed=st.integers(0, 3),
    task=st.sampled_from(["regression", "binary"]),
    data=st.data(),
)
def test_groups_never_straddle(
    rows: list[int], isomers: int, kind: str, folds: int, seed: int, task: Task, data: st.DataObject
) -> None:
    """On any table, a split either puts every group into one place, leaving no fold empty and leaking nothing, or says
    that there are too few groups.
    """
    smiles = [POOL[row] for row in rows] + list(ISOMERS[:isomers])
    value = st.sampled_from([0.0, 1.0]) if task == "binary" else st.floats(-5, 5)
    whole = table(smiles, data.draw(st.lists(value, min_size=len(smiles), max_size=len(smiles))))
    try:
        divided = assign(whole, Split.model_validate({"kind": kind, "folds": folds, "seed": seed}), task)
    except DataError as error:
        assert "groups of molecules to divide" in str(error)  # noqa: PT017 - either outcome is right
        return

    assert all(len(set(part["fold"])) == 1 for _, part in divided.groupby("group"))
    assert set(divided["fold"]) == {-1, *range(folds)}
    assert leaks(divided) == []
    if kind == "scaffold":
        assert all(len(where) == 1 for where in places(divided, scaffolds(divided)).values())


@pytest.mark.parametrize("kind", ["scaffold", "random"])
def test_stereo_isomers_stay_together(kind: str) -> None:
    """Mirror images and the unspecified form share a place, for every seed and also in a random split."""
    whole = table([*POOL, *ISOMERS])
    for seed in range(5):
        divided = assign(whole, Split.model_validate({"kind": kind, "seed": seed}), "regression")
        assert len(set(divided["fold"][-3:])) == 1


def test_tautomers_stay_together() -> None:
    """Keto and enol share a place for every seed, whatever the drawing, and are a leak where they do not."""
    pair = ("CC(=O)CC(C)=O", "CC(=O)C=C(C)O")
    whole = table([*POOL, "CCOC", "CCOCC"])
    whole.loc[whole.index[-2:], "smiles"] = pair
    whole.loc[whole.index[-2:], "inchikey"] = [inchikey(Chem.MolFromSmiles(text)) for text in pair]
    for seed in range(5):
        divided = assign(whole, Split(kind="random", seed=seed), "regression")
        assert len(set(divided["fold"][-2:])) == 1
        assert leaks(divided) == []
    divided.loc[divided.index[-2:], "fold"] = [0, 1]
    assert len(leaks(divided)) == 1


def test_one_giant_scaffold_is_refused_with_a_word() -> None:
    """Folds of [80, 1, 1, 1, 1] score nothing: who shares one scaffold is counted, and what to do is said."""
    series = [f"c1ccc({'C' * length}{end})cc1" for length in range(1, 21) for end in ("O", "N", "F", "Cl", "Br")]
    whole = table([*series, *CHAINS[:6]])

    with pytest.raises(DataError, match=r"got folds of \[\d\d+, 1, 1, \d, \d\].*share one scaffold.*kind: random"):
        assign(whole, Split(), "regression")
    assert set(assign(whole, Split(kind="random"), "regression")["fold"]) == {-1, 0, 1, 2, 3, 4}


def test_acyclic_molecules_are_not_one_group() -> None:
    """Molecules without a ring have no scaffold in common."""
    divided = assign(ALL, Split(), "regression")
    chains = divided[[not ring for ring in scaffolds(divided)]]

    assert chains["group"].nunique() == len(chains)


def test_a_split_is_deterministic() -> None:
    """Equal table and seed, equal split; another seed, another split."""
    one, two = (assign(ALL, Split(seed=3), "regression") for _ in range(2))

    assert one.equals(two)
    assert not one["fold"].equals(assign(ALL, Split(seed=4), "regression")["fold"])


def test_a_random_split_divides_scaffolds() -> None:
    """At random, one scaffold is found in several places; molecules still are in one."""
    divided = assign(ALL, Split(kind="random"), "regression")

    assert any(len(where) > 1 for where in places(divided, scaffolds(divided)).values())
    assert divided["group"].nunique() == len(divided)


def test_folds_are_alike() -> None:
    """Folds have about equal size and, for classes, about the same mix."""
    values = [float(index % 4 == 0) for index in range(len(POOL))]
    divided = assign(table(list(POOL), values), Split(kind="random"), "binary")
    train = divided[divided["fold"] >= 0]
    sizes = train.groupby("fold").size()
    shares = train.groupby("fold")["value"].mean()

    assert sizes.max() - sizes.min() <= 0.2 * sizes.mean()
    assert np.ptp(shares) < 0.1


@pytest.mark.parametrize(
    "smiles",
    [["CCO"], ["CCO", "CCN"], [f"{tail}c1ccccc1" for tail in TAILS], ["CCO", "CCN", "CCC", "CCCl", "CCF"]],
    ids=["one molecule", "two", "one scaffold", "as many as folds"],
)
def test_too_few_groups_is_one_clear_error(smiles: list[str]) -> None:
    """What cannot be divided says how many groups were expected, how many came, and what to do."""
    with pytest.raises(
        DataError, match=r"expected at least \d groups of molecules to divide, got \d.*Add measurements"
    ):
        assign(table(smiles), Split(), "regression")


@pytest.mark.parametrize("count", [7, 8, 9, 10, 12])
@pytest.mark.parametrize("task", ["regression", "binary"])
def test_few_molecules_are_divided_all_the_same(count: int, task: Task) -> None:
    """Where there are groups enough, few values per stratum do not hinder."""
    values = (
        [float(index % 2) for index in range(count)] if task == "binary" else [float(index) for index in range(count)]
    )
    divided = assign(table(list(CHAINS[:count]), values), Split(folds=5), task)

    assert set(divided["fold"]) == {-1, 0, 1, 2, 3, 4}


def test_an_official_split_keeps_its_test_set() -> None:
    """The source's test rows are the test split; the rest gets scaffold folds."""
    parts = ["test" if index % 5 == 0 else "train" for index in range(len(POOL))]
    divided = assign(table(list(POOL), parts=parts), Split(kind="official", folds=4), "regression")
    train = divided[divided["fold"] >= 0].reset_index(drop=True)

    assert list(divided["split"]) == parts
    assert set(divided["fold"]) == {-1, 0, 1, 2, 3}
    assert all(len(where) == 1 for where in places(train, scaffolds(train)).values())


@pytest.mark.parametrize("parts", [[""] * len(POOL), ["train"] * len(POOL), ["valid", "train"] * (len(POOL) // 2)])
def test_an_official_split_needs_marked_rows(parts: list[str]) -> None:
    """A source without marks cannot be split officially."""
    with pytest.raises(DataError, match="needs a source that marks its rows as train and test"):
        assign(table(list(POOL), parts=parts), Split(kind="official"), "regression")


def test_leaks_finds_a_planted_leak() -> None:
    """A mirror image in another fold, or in the test split, is found by its structure, whatever the columns say."""
    divided = assign(table([*POOL, *ISOMERS]), Split(), "regression")
    assert leaks(divided) == []
    for place in (TEST_FOLD, 0, 1):
        spoilt = divided.copy()
        spoilt.loc[spoilt.index[-1], "fold"] = place
        spoilt["inchikey"] = "hidden"
        spoilt["group"] = 0
        expected = (
            [] if place == divided["fold"].iloc[-1] else [inchikey(Chem.MolFromSmiles("CC(N)C(=O)O"))[:CONNECTIVITY]]
        )
        assert leaks(spoilt) == expected


def test_leaks_finds_the_same_molecule_across_an_official_split() -> None:
    """An official split that repeats a molecule in train and test is not hidden."""
    whole = table([*POOL, "CCO", "CCO"], parts=[*["train"] * len(POOL), "test", "train"])
    divided = assign(whole, Split(kind="official"), "regression")

    assert leaks(divided) == [inchikey(Chem.MolFromSmiles("CCO"))[:CONNECTIVITY]]


def test_a_split_by_time_tests_on_the_newest() -> None:
    """No molecule of the test split, and none of a later fold, is older than one before it; days are never divided."""
    days = [f"2024-{1 + index // 28 % 12:02d}-{1 + index % 28:02d}" for index in range(len(ALL))]
    divided = assign(ALL.assign(measured_on=days), Split(kind="time", folds=3), "regression")
    newest = divided.groupby("fold")["measured_on"].max()
    oldest = divided.groupby("fold")["measured_on"].min()

    order = [OLDEST, 0, 1, 2, TEST_FOLD]
    assert all(newest[one] < oldest[other] for one, other in itertools.pairwise(order))
    assert dict(divided["fold"].value_counts()) == {TEST_FOLD: 37, OLDEST: 37, 0: 37, 1: 36, 2: 37}
    assert leaks(divided) == []


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), min_size=5, max_size=120),
    st.integers(2, 5),
    st.sampled_from([0.1, 0.2, 0.4]),
)
@settings(max_examples=300)
@example([(day % 30, 100 + day) for day in range(120)], 3, 0.2)
@example([(day // 20, 100 + day) for day in range(120)], 2, 0.2)
def test_no_fold_is_older_than_what_it_is_held_out_against(
    rows: list[tuple[int, int]], folds: int, share: float
) -> None:
    """Whatever the days, ties, kin and order of rows; kin of several days stay together and count by the first one."""
    days = [f"2020-01-{1 + day:02d}" if day < 31 else f"2020-02-{day - 30:02d}T10:00" for day, _ in rows]
    groups = np.array([group for _, group in rows])
    split = Split(kind="time", folds=folds, test_fraction=share)
    try:
        divided = by_time(pd.DataFrame({"measured_on": days}), groups, split)
    except DataError:
        assert len(set(days)) < folds + 2 or pd.Series(groups).map(first_days(rows)).value_counts().max() > 1
        return
    found, since = divided["fold"].to_numpy(), np.array([first_days(rows)[group] for group in groups])
    scored = [each for each in held_out(found) if each.fold >= 0]
    assert len(scored) == folds
    assert all(since[each.fitted].max() < since[each.predicted].min() for each in scored)
    assert since[training_rows(found)].max() < since[found == TEST_FOLD].min()
    assert list(divided["split"] == "test") == list(found == TEST_FOLD)
    turned = by_time(pd.DataFrame({"measured_on": days[::-1]}), groups[::-1], split)
    assert list(turned["fold"])[::-1] == list(found)


def first_days(rows: list[tuple[int, int]]) -> dict[int, int]:
    """Return the first day of each group."""
    return {group: min(day for day, other in rows if other == group) for _, group in rows}


@pytest.mark.parametrize(
    ("days", "why"),
    [
        (["2024-01-01"] * 150 + ["2024-02-01"] * 34, "needs 5 days or more for an oldest span, 3 folds and a test"),
        ([f"2024-01-{max(1, index - 160):02d}" for index in range(184)], "162 of 184 are of one day"),
    ],
)
def test_days_that_do_not_divide_are_refused(days: list[str], why: str) -> None:
    """Too few of them, or one that holds nearly all: what a fold of few molecules scores would be chance."""
    with pytest.raises(DataError, match=why):
        assign(ALL.assign(measured_on=days), Split(kind="time", folds=3), "regression")


@pytest.mark.parametrize("day", ["01/02/2026", "2026", "", "yesterday", "2026-02-30"])
def test_a_day_that_is_two_days_is_refused(day: str) -> None:
    """01/02/2026 is a day in January and one in February."""
    days = ["2024-01-01"] * (len(ALL) - 1) + [day]
    with pytest.raises(DataError, match="needs the day of every measurement as 2026-01-31"):
        assign(ALL.assign(measured_on=days), Split(kind="time"), "regression")


def test_a_series_and_a_cluster_stay_together() -> None:
    """Molecules of one group of the source, or of one cluster, are in one place; an empty group is none."""
    series = [f"s{index % 30}" if index % 4 else "" for index in range(len(ALL))]
    divided = assign(ALL.assign(series=series), Split(kind="group", folds=3), "regression")
    assert all(len(found) == 1 for found in places(divided, series).values())

    together = assign(ALL, Split(kind="cluster", folds=3), "regression")
    leaders = clusters([Chem.MolFromSmiles(text) for text in together["smiles"]])
    assert 1 < len(set(leaders)) < len(ALL)
    assert all(len(found) == 1 for found in places(together, [str(each) for each in leaders]).values())


def test_a_column_says_who_is_tested() -> None:
    """What the source calls `test` is the test split."""
    parts = ["test" if index % 5 == 0 else "train" for index in range(len(CHAINS))]
    divided = assign(table(list(CHAINS), parts=parts), Split(kind="column", folds=3), "regression")
    assert list(divided["split"]) == parts
    with pytest.raises(DataError, match=r"a split by a column \(`split_column`\) needs a source"):
        assign(ALL, Split(kind="column"), "regression")


@pytest.mark.parametrize(("kind", "key"), [("time", "date_column"), ("group", "group_column")])
def test_a_split_without_its_column_says_which_key_is_missing(kind: Any, key: str) -> None:
    """The endpoint's source must say where the days or the series are."""
    with pytest.raises(DataError, match=f"needs `{key}` in the endpoint's source"):
        assign(ALL, Split(kind=kind), "regression")
