"""Endpoints that share compounds: one place per molecule for all of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from model_zoo.chemistry.molecules import inchikey
from model_zoo.data.dataset import DatasetConfig
from model_zoo.data.group_dataset import GroupDataset, make_group_dataset, member_dataset
from model_zoo.data.group_split import assign_together
from model_zoo.data.splits import Split
from model_zoo.errors import DataError

RINGS = (
    "c1ccccc1",
    "C1CCCCC1",
    "c1ccncc1",
    "c1ccc2ccccc2c1",
    "C1CCNCC1",
    "c1ccoc1",
    "c1ccsc1",
    "C1CCOC1",
    "c1cc[nH]c1",
)
SMILES = [f"{'C' * size}{tail}{ring}" for ring, size, tail in itertools.product(RINGS, range(1, 7), ("", "O", "N(C)"))]


def table(smiles: list[str], split: str = "", **columns: list[str]) -> pd.DataFrame:
    """Return curated molecules with made-up values."""
    keys = [inchikey(Chem.MolFromSmiles(text)) for text in smiles]
    values = [float(len(text) % 7) for text in smiles]
    made = {"smiles": smiles, "inchikey": keys, "value": values, "relation": "=", "measurements": 1, "split": split}
    return pd.DataFrame({**made, **columns})


def places(tables: dict[str, pd.DataFrame]) -> dict[str, set[int]]:
    """Return the folds of each molecule over all endpoints, by the first part of its InChIKey."""
    found: dict[str, set[int]] = {}
    for each in tables.values():
        for key, fold, split in zip(each["inchikey"], each["fold"], each["split"], strict=True):
            if split != "withheld":
                found.setdefault(key[:14], set()).add(int(fold))
    return found


@pytest.mark.parametrize("kind", ["scaffold", "cluster", "random"])
def test_a_molecule_has_one_place_at_all_endpoints(kind: str) -> None:
    """Whichever endpoint measured it, under whatever stereochemistry; and no order of rows or endpoints matters."""
    split = Split.model_validate({"kind": kind, "folds": 3})
    chiral = "C[C@H](O)c1ccccc1"
    tables = {"a": table([*SMILES[:110], chiral]), "b": table([*SMILES[50:], "C[C@@H](O)c1ccccc1"])}
    tasks = dict.fromkeys(tables, "regression")
    found = assign_together(tables, tasks, split)  # type: ignore[arg-type]

    assert {len(folds) for folds in places(found).values()} == {1}
    assert {fold for each in found.values() for fold in each["fold"]} == {-1, 0, 1, 2}
    assert all(((each["fold"] < 0) == (each["split"] == "test")).all() for each in found.values())

    turned = {"b": tables["b"].iloc[::-1], "a": tables["a"].sample(frac=1, random_state=1)}
    again = assign_together(turned, tasks, split)  # type: ignore[arg-type]
    for name, each in found.items():
        assert dict(zip(each["smiles"], each["fold"], strict=True)) == dict(
            zip(again[name]["smiles"], again[name]["fold"], strict=True)
        )


def test_a_molecule_is_as_old_as_its_first_measurement_anywhere() -> None:
    """By time: an old compound that a new assay measured late is still an old compound."""
    days = [f"2020-{1 + place // 28:02}-{1 + place % 28:02}" for place in range(len(SMILES))]
    late = ["2021-05-05"] * 40
    tables = {"a": table(SMILES, measured_on=days), "b": table(SMILES[:40], measured_on=late)}
    found = assign_together(tables, {"a": "regression", "b": "binary"}, Split(kind="time", folds=2))
    assert {len(folds) for folds in places(found).values()} == {1}
    assert (found["b"]["fold"] == -2).all()
    assert (found["a"]["fold"].to_numpy()[-20:] == -1).all()


def test_test_rows_that_come_with_the_data_are_kept_from_all_others() -> None:
    """They stay the endpoint's test split, nothing else joins it, and the sisters do not train on them."""
    given = table(SMILES[:100])
    given["split"] = ["test" if place % 5 == 0 else "train" for place in range(100)]
    tables = {"official": given, "own": table(SMILES[60:])}
    tasks = dict.fromkeys(tables, "regression")
    found = assign_together(tables, tasks, Split(kind="random", folds=3), ["official"])  # type: ignore[arg-type]

    assert {len(folds) for folds in places(found).values()} == {1}
    official = found["official"]
    assert set(official.loc[official["split"] == "test", "smiles"]) == set(
        given.loc[given["split"] == "test", "smiles"]
    )
    own = found["own"]
    assert set(given.loc[60::5, "smiles"]) <= set(own.loc[own["split"] == "test", "smiles"])
    assert (own.loc[~own["smiles"].isin(given["smiles"]), "split"] == "test").any()


def test_two_official_splits_that_cross_each_other_leave_no_leak() -> None:
    """What is tested at one is withheld from the training of the other, and from nobody's test split."""
    one, two = table(SMILES[:100]), table(SMILES[20:120])
    one["split"] = ["test" if place % 5 == 0 else "train" for place in range(100)]
    two["split"] = ["test" if place % 4 == 0 else "train" for place in range(100)]
    tables = {"one": one, "two": two}
    tasks = dict.fromkeys(tables, "regression")
    found = assign_together(tables, tasks, Split(folds=3), tables)  # type: ignore[arg-type]
    assert {len(folds) for folds in places(found).values()} == {1}
    for name, each in found.items():
        before = tables[name]
        assert set(each.loc[each["split"] == "test", "smiles"]) == set(before.loc[before["split"] == "test", "smiles"])
        withheld = set(each.loc[each["split"] == "withheld", "smiles"])
        other = tables["two" if name == "one" else "one"]
        assert withheld == set(other.loc[other["split"] == "test", "smiles"]) & set(
            before.loc[before["split"] == "train", "smiles"]
        )


def test_no_place_in_time_and_in_a_file_at_once() -> None:
    """A split by time, and test rows that a file says, are refused together."""
    days = [f"2020-01-{1 + place % 28:02}" for place in range(len(SMILES))]
    given = table(SMILES, measured_on=days)
    given["split"] = ["test" if place % 5 == 0 else "train" for place in range(len(SMILES))]
    with pytest.raises(DataError, match="expected one of both"):
        assign_together({"a": given, "b": given}, {"a": "regression", "b": "regression"}, Split(kind="time"), ["a"])


def config(file: str, split: str = "random", **source: str) -> DatasetConfig:
    """Return the dataset section of an endpoint."""
    content = {"task": "regression", "unit": "log10 ratio", "source_unit": "log10 ratio", "split": {"kind": split}}
    return DatasetConfig.model_validate({**content, "source": {"kind": "csv", "files": [file], **source}})


def write(folder: Path, name: str, smiles: list[str], mark: str = "") -> None:
    """Write measurements."""
    rows = [f"{text},{len(text) % 7},{'test' if place % 5 == 0 else 'train'}" for place, text in enumerate(smiles)]
    (folder / name).write_text("smiles,value,part\n" + "\n".join(rows) + "\n" + mark, encoding="utf-8")


def test_snapshots_of_a_group_leak_nothing_and_say_what_is_withheld(tmp_path: Path) -> None:
    """Saved and read again, each endpoint finds its own; every row that is taken out is in its report."""
    write(tmp_path, "a.csv", SMILES[:100])
    write(tmp_path, "b.csv", SMILES[3:150])
    configs = {"a": config("a.csv", "column", split_column="part"), "b": config("b.csv", "column", split_column="part")}
    made = make_group_dataset(configs, Split(folds=3), lambda source: tmp_path)
    assert made.leaks() == []
    assert made.shared() == {"a": 58, "b": 58}
    (tmp_path / "kept").mkdir()
    made.save(tmp_path / "kept")
    again = GroupDataset.load(tmp_path / "kept")
    assert again.digest == made.digest
    own = member_dataset(tmp_path / "kept", "a")
    gone = own.report[own.report["reason"].str.startswith("test split of its group")]
    assert len(gone) == 100 - len(own.table) > 0
    assert set(gone["action"]) == {"dropped"}
    assert set(gone["smiles"]) <= set(SMILES[3::5])

    spoilt = made.datasets["a"].table.copy()
    spoilt.loc[spoilt["fold"] == 0, "fold"] = 1
    leaking = GroupDataset({**made.datasets, "a": type(own)(spoilt, own.report)}, {})
    assert leaking.leaks()


def test_an_endpoint_that_cannot_be_used_does_not_stop_the_others(tmp_path: Path) -> None:
    """A file of nonsense, and an endpoint that does not reach every fold, are left out with the reason."""
    write(tmp_path, "a.csv", SMILES)
    write(tmp_path, "b.csv", SMILES[:80])
    write(tmp_path, "few.csv", SMILES[:3])
    (tmp_path / "bad.csv").write_text("smiles,value\nnonsense,1\n", encoding="utf-8")
    configs = {name: config(f"{name}.csv") for name in ("a", "b", "few", "bad")}
    made = make_group_dataset(configs, Split(kind="random", folds=4), lambda source: tmp_path)
    assert set(made.datasets) == {"a", "b"}
    assert "all 1 rows were dropped" in made.faults["bad"]
    assert "expected measured values in the test split and in each of the 4 folds" in made.faults["few"]
    (tmp_path / "kept").mkdir()
    made.save(tmp_path / "kept")
    with pytest.raises(DataError, match="take the endpoint out of the group"):
        member_dataset(tmp_path / "kept", "few")
    with pytest.raises(DataError, match="none of the endpoints"):
        make_group_dataset({"bad": configs["bad"], "worse": configs["bad"]}, Split(), lambda source: tmp_path)


def test_twenty_rows_beside_five_hundred_reach_every_fold(tmp_path: Path) -> None:
    """Folds are dealt by the endpoint with the fewest molecules first."""
    many = [
        f"{'C' * size}{tail}" for size, tail in itertools.product(range(1, 51), ("O", "N", "F", "Cl", "Br", "S", "C#N"))
    ]
    write(tmp_path, "many.csv", many)
    write(tmp_path, "few.csv", many[5:350:17])
    made = make_group_dataset(
        {n: config(f"{n}.csv") for n in ("many", "few")}, Split(kind="random"), lambda source: tmp_path
    )
    assert made.faults == {}
    counts = np.bincount(made.datasets["few"].folds + 1)
    assert counts.min() >= 3
