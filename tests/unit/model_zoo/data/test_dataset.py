"""Datasets: one snapshot per content, kept as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_zoo.data import splits, standardised
from model_zoo.data.dataset import Dataset, DatasetConfig, make_dataset
from model_zoo.data.sources import CsvSource
from model_zoo.data.splits import Split, leaks
from model_zoo.data.targets import Target
from model_zoo.errors import DataError

RINGS = (
    "c1ccccc1",
    "c1ccncc1",
    "C1CCCCC1",
    "c1ccsc1",
    "C1CCNCC1",
    "c1cc[nH]c1",
    "C1CC1",
    "C1CCC1",
    "c1ccoc1",
    "C1CCOC1",
)
ROWS = [f"{tail}{ring},{len(tail)}.5" for ring in RINGS for tail in ("C", "CC", "O", "N")]


def dataset(folder: Path, rows: list[str], name: str = "a.csv") -> Dataset:
    """Make a dataset from rows of a CSV."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(["smiles,value", *rows, ""]), encoding="utf-8")
    source = CsvSource(kind="csv", files=(name,))
    return make_dataset(DatasetConfig(task="regression", unit="u", source=source, source_unit="u"), folder)


def test_a_dataset_is_curated_and_split(tmp_path: Path) -> None:
    """From a CSV to molecules, values and folds in one row order, without a leak."""
    made = dataset(tmp_path, ROWS)

    assert len(made.table) == len(made.values) == len(made.folds) == len(made.molecules()) == len(ROWS)
    assert [molecule.smiles for molecule in made.molecules()] == list(made.table["smiles"])
    assert leaks(made.table) == []
    assert set(made.folds.tolist()) == {-1, 0, 1, 2, 3, 4}


def test_equal_content_has_one_digest(tmp_path: Path) -> None:
    """The digest follows the curated content: not the file's name or form, nor rows that are dropped."""
    first = dataset(tmp_path / "a", ROWS)
    same = dataset(tmp_path / "b", [f"  {row.replace('.5', '.50')}" for row in ROWS] + ["bad(,1"], "other.csv")

    assert first.digest == same.digest
    assert first.digest != dataset(tmp_path / "c", [*ROWS[:-1], ROWS[-1].replace(".5", ".6")]).digest
    assert first.digest != dataset(tmp_path / "d", ROWS[:-1]).digest


def test_a_saved_dataset_comes_back(tmp_path: Path) -> None:
    """What is loaded has the content, the types and the digest of what was saved."""
    made = dataset(tmp_path, [*ROWS, "bad(,1", "CO,x", "CO,1", "OC,2"])
    made.save(tmp_path)
    loaded = Dataset.load(tmp_path)

    assert loaded.digest == made.digest
    assert loaded.table.equals(made.table)
    assert loaded.report.equals(made.report)


def test_a_dataset_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    """The error names the folder and the step that makes it."""
    with pytest.raises(
        DataError, match=r"expected a saved dataset, got none\. Materialise the dataset first"
    ) as caught:
        Dataset.load(tmp_path / "gone")
    assert str(tmp_path / "gone") in str(caught.value)


def test_a_summary_accounts_for_every_measurement(tmp_path: Path) -> None:
    """Kept, merged and dropped rows add up to the measurements, train and test to the molecules."""
    summary = dataset(tmp_path, [*ROWS, "bad(,1", "CO,x", "CO,1", "OC,2"]).summary()

    assert summary["measurements"] == len(ROWS) + 4
    assert summary["dropped"] == {"invalid-smiles": 1, "not a number": 1}
    assert summary["merged"] == 2
    assert summary["train"] + summary["test"] == summary["molecules"] == len(ROWS) + 1


def test_a_measurement_of_no_day_takes_no_part_in_a_split_by_time(tmp_path: Path) -> None:
    """It is dropped and counted; another measurement of the molecule that has a day replaces it. Else it is kept."""
    rows = [f"{row},2024-01-{1 + place // 2:02d}" for place, row in enumerate(ROWS)]
    text = "\n".join(["smiles,value,day", *rows, "CO,1,", f"{ROWS[0].partition(',')[0]},9,", ",3,", "CCO,,"])
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    source = CsvSource(kind="csv", files=("a.csv",), date_column="day")
    config = DatasetConfig(task="regression", unit="u", source=source, source_unit="u", split=Split(kind="time"))
    made = make_dataset(config, tmp_path)

    assert made.summary()["dropped"] == {"no day": 3, "empty value": 1}
    assert len(made.table) == len(ROWS)
    assert made.table["value"][0] == 1.5
    at_random = make_dataset(config.model_copy(update={"split": Split(kind="random")}), tmp_path)
    assert len(at_random.table) == len(ROWS) + 1


def test_a_dataset_is_the_same_every_time(tmp_path: Path) -> None:
    """Making it again returns an equal table, split included."""
    one, two = (dataset(tmp_path, ROWS) for _ in range(2))

    assert one.table.equals(two.table)


@pytest.mark.parametrize(
    ("transform", "bad", "wanted"),
    [
        ("log10", "0", "positive values"),
        ("log10", "-2", "positive values"),
        ("log1p", "-0.5", "values of zero or more"),
    ],
)
def test_a_value_without_a_place_on_the_scale_is_found_here(
    tmp_path: Path, transform: str, bad: str, wanted: str
) -> None:
    """A zero under a logarithm is reported with file, row and count before anything is trained, and what to do."""
    (tmp_path / "a.csv").write_text(f"smiles,value\nCCO,1\nCCN,{bad}\nCCC,3\nbad(,-7\n", encoding="utf-8")
    config = DatasetConfig(
        task="regression",
        unit="mL/min",
        source=CsvSource(kind="csv", files=("a.csv",)),
        source_unit="mL/min",
        target=Target.model_validate({"task": "regression", "transform": transform}),
    )
    with pytest.raises(DataError) as caught:
        make_dataset(config, tmp_path)

    assert f"`transform: {transform}` needs {wanted}, got others for 1 of 3 molecules: a.csv row 2 ({bad})" in str(
        caught.value
    )
    assert "`lloq`" in str(caught.value)


def test_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Structures that two processes standardise and name, bad ones among them, have the same snapshot and leaks."""
    for module in (standardised, splits):
        monkeypatch.setattr(module, "WORTH_PROCESSES", 10)
        monkeypatch.setattr(module, "CHUNK", 3)
    (tmp_path / "a.csv").write_text("\n".join(["smiles,value", *ROWS, "no molecule,1", ROWS[0], "CC.[Na+],2", ""]))
    source = CsvSource(kind="csv", files=("a.csv",))
    config = DatasetConfig(task="regression", unit="u", source=source, source_unit="u", split=Split(folds=2))
    made = []
    for processes in (1, 2):
        monkeypatch.setattr(standardised, "_known", {})
        made.append(make_dataset(config, tmp_path, processes))
    one, two = made
    assert one.digest == two.digest
    assert one.report.equals(two.report)
    moved = one.table.assign(fold=range(len(one.table)), smiles=["CCO"] * len(one.table))
    assert leaks(moved, 1) == leaks(moved, 2) != []
