"""Training on bad input: a clear refusal or a result with every reason on record, for every model; never a crash."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo import featurizers, models
from model_zoo.data.curation import Curation
from model_zoo.data.dataset import Dataset, DatasetConfig, make_dataset
from model_zoo.data.sources import CsvSource
from model_zoo.data.splits import Split
from model_zoo.data.targets import Target, Task
from model_zoo.errors import DataError, TrainingError
from model_zoo.models import rf
from model_zoo.training.cross_validation import TrainingData, cross_validate, train_and_score
from model_zoo.training.validation import plain_errors
from tests.unit.model_zoo.models.test_models import SMALL

ON_FEATURES = [name for name in SMALL if name not in ("naive", "blend", "transformer", "dmpnn")]
FEATURES = {"transformer": ["tokens"], "dmpnn": ["graph", "descriptors"]}
LEARNING = [name for name in SMALL if name != "naive"]
RINGS = ("c1ccccc1", "c1ccncc1", "C1CCCCC1", "C1CCOCC1", "c1ccsc1", "C1CCNC1")
TAILS = ("C", "CC", "O", "N", "CCO", "FC", "ClC", "N#C")
GOOD = [tail + ring for ring in RINGS for tail in TAILS]
METALS = (
    "[Pt](Cl)(Cl)(N)N", "[Na]Oc1ccccc1", "CC(=O)O[Hg]c1ccccc1", "[Fe+2].[Cl-].[Cl-]", "C[Si](C)(C)C", "OB(O)c1ccccc1",
    "[Zn+2].CC(=O)[O-].CC(=O)[O-]", "[Au]", "c1ccc([Se]C)cc1", "C[As](C)(=O)O",
)  # fmt: skip
MIXTURES = ("CCO.c1ccccc1", "CC(=O)O.CC(=O)O.NCCN", "CCN.Cl", "O.O.O", "c1ccccc1.Cc1ccccc1.CCc1ccccc1")
PEPTIDE = "N" + "C(C)C(=O)N" * 399 + "CC(=O)O"
CYCLE = "C1" + "CNC(=O)" * 60 + "C1"


def snapshot(folder: Path, rows: Sequence[tuple[str, object]], task: Task = "regression", **split: Any) -> Dataset:
    """Curate and split rows as the product does."""
    lines = [f"{smiles},{value}\n" for smiles, value in rows]
    (folder / "data.csv").write_text("smiles,value\n" + "".join(lines), encoding="utf-8")
    config = DatasetConfig(
        task=task,
        unit="probability" if task == "binary" else "log D",
        source=CsvSource(kind="csv", files=("data.csv",)),
        source_unit="probability" if task == "binary" else "log D",
        curation=Curation(),
        split=Split.model_validate({"kind": "random", "folds": 3, **split}),
    )
    return make_dataset(config, folder)


def values(count: int, task: Task) -> list[float]:
    """Return values that are neither constant nor of one class."""
    drawn = np.random.default_rng(0).normal(6, 1, count).round(2)
    return [float(value > np.median(drawn)) for value in drawn] if task == "binary" else [float(v) for v in drawn]


def attempt(name: str, dataset: Dataset, task: Task, folder: Path, settings: Mapping[str, Any] | None = None) -> Any:
    """Train a model as the product does; return its scores, or what it raised: that is what is recorded."""
    molecules = dataset.molecules()
    X: NDArray[Any] = featurizers.featurize(FEATURES.get(name, ["morgan_count"]), molecules)
    config = models.get(name).Config.model_validate({**SMALL[name], **(settings or {})})
    (folder / name).mkdir()
    try:
        data = TrainingData(X, dataset.values, dataset.folds)
        with plain_errors(name, Target(task=task), data):
            return train_and_score(name, config, Target(task=task), data, folder / name)
    except TrainingError as error:
        return error


def reasons(dataset: Dataset) -> dict[str, int]:
    """Count the reasons of dropped rows; every row of the file is in the report."""
    return dict(dataset.summary()["dropped"])


@pytest.mark.parametrize(
    ("name", "task"),
    [*((name, "regression") for name in LEARNING), *((name, "binary") for name in ("gp", "svm", "rf"))],
)
def test_a_dozen_molecules(name: str, task: Task, tmp_path: Path) -> None:
    """Twelve molecules train, or are refused with how many are needed."""
    rows = list(zip(GOOD[::4], values(12, task), strict=True))
    result = attempt(name, snapshot(tmp_path, rows, task), task, tmp_path)

    if isinstance(result, Exception):
        assert isinstance(result, TrainingError)
        assert "expected" in str(result)
    else:
        assert result["rows"]["train"] + result["rows"]["test"] == 12


def test_one_class_is_refused(tmp_path: Path) -> None:
    """Where every molecule is of one class, a model is refused before it is fitted, with what to do."""
    result = attempt("rf", snapshot(tmp_path, [(text, 1) for text in GOOD], "binary"), "binary", tmp_path)

    assert isinstance(result, TrainingError)
    assert "are of class 1: expected both classes" in str(result)


@pytest.mark.parametrize("name", ON_FEATURES)
@pytest.mark.parametrize("task", ["regression", "binary"])
def test_constant_features_end_in_a_number_or_a_reason(name: str, task: Task) -> None:
    """Features that are the same for every molecule give finite predictions; where CatBoost refuses, it says why."""
    recipe = models.get(name)
    config = recipe.Config.model_validate({**SMALL[name], "task": task})
    X = np.tile(np.array([0, 3, 0, 100], dtype=np.float32), (40, 1))
    y = np.array(values(40, task))
    data = TrainingData(X, y, np.arange(40) % 2)
    if name == "catboost":
        with (
            pytest.raises(TrainingError, match=r"^catboost: its library .* 4 features 0 differ .*choose feat"),
            plain_errors(name, Target(task=task), data),
        ):
            cross_validate(name, config, Target(task=task), data)
    else:
        with plain_errors(name, Target(task=task), data):
            assert np.isfinite(cross_validate(name, config, Target(task=task), data).raw).all()


def test_a_third_unreadable_is_a_third_on_record(tmp_path: Path) -> None:
    """Rows that cannot be read are dropped one by one with a reason, and the others train."""
    rows = list(zip(GOOD, values(len(GOOD), "regression"), strict=True))
    bad = [(text, 5.0) for text in ("C1CC(", "", "c1cccc1", "hello", "C" * 2001, "CC(C)(C)(C)C", "N#N#N")] * 3
    dataset = snapshot(tmp_path, [*rows, *bad])

    assert len(dataset.table) == len(GOOD)
    assert len(dataset.report) == len(rows) + len(bad)
    assert reasons(dataset) == {"invalid-smiles": 15, "empty": 3, "too-long": 3}


def test_values_that_are_no_numbers_are_on_record(tmp_path: Path) -> None:
    """NaN, infinite and missing values are dropped with a reason, for classes as well."""
    odd: list[object] = ["nan", "inf", "-inf", "1e400", "", "n/a"]
    rows: list[tuple[str, object]] = list(zip(GOOD, values(len(GOOD), "regression"), strict=True))
    for task in ("regression", "binary"):
        good = [(text, float(value > 6)) for text, value in rows] if task == "binary" else rows  # type: ignore[operator]
        dataset = snapshot(tmp_path, [*good, *(("CCCC", value) for value in odd)], task)
        assert len(dataset.table) == len(GOOD)
        assert set(reasons(dataset)) <= {"not a number", "not measured", "empty value", "label"}


def test_a_huge_peptide_is_refused_and_a_large_one_is_read(tmp_path: Path) -> None:
    """A peptide of 2,000 atoms is dropped with its size; a ring of 241 atoms has features, by every featurizer."""
    rows = list(zip(GOOD, values(len(GOOD), "regression"), strict=True))
    dataset = snapshot(tmp_path, [*rows, (PEPTIDE, 5.0), (CYCLE, 5.0)])

    assert reasons(dataset) == {"too-long": 1}
    large = dataset.molecules()[-1:]
    assert large[0].mol.GetNumHeavyAtoms() > 200
    for name in sorted({"morgan_count", "descriptors", "rdkit_descriptors", "avalon_count", "erg", "tokens", "graph"}):
        assert np.isfinite(featurizers.get(name).featurize(large)).all(), name


@pytest.mark.parametrize("name", [*ON_FEATURES, "dmpnn"])
def test_metals_and_mixtures_train(name: str, tmp_path: Path) -> None:
    """Metals, salts and mixtures are standardised, or dropped with a reason, and train with the others."""
    odd = (*METALS, *MIXTURES)
    rows = list(zip((*GOOD, *odd), values(len(GOOD) + len(odd), "regression"), strict=True))
    dataset = snapshot(tmp_path, rows)
    result = attempt(name, dataset, "regression", tmp_path)

    assert (dataset.report["reason"] != "").sum() >= (dataset.report["action"] != "kept").sum()
    assert np.isfinite(result["cv"]["rmse"]["mean"])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("transformer", {"learning_rate": 1e30}), ("mlp", {"learning_rate": 1e30}), ("dmpnn", {"learning_rate": 1e30})],
)
def test_a_training_that_diverges_is_refused(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """A fit that runs away is an error that names the model, not a model."""
    rows = list(zip(GOOD, values(len(GOOD), "regression"), strict=True))
    with np.errstate(all="ignore"):
        result = attempt(name, snapshot(tmp_path, rows), "regression", tmp_path, settings)

    assert isinstance(result, TrainingError)
    assert name in str(result)


@pytest.mark.parametrize("name", SMALL)
def test_huge_values_are_refused_in_the_same_words(name: str, tmp_path: Path) -> None:
    """Values that no single precision number holds are refused before any library sees them, with what to do."""
    rows = [(text, value * 1e60) for text, value in zip(GOOD, values(len(GOOD), "regression"), strict=True)]
    result = attempt(name, snapshot(tmp_path, rows), "regression", tmp_path)

    assert isinstance(result, TrainingError)
    assert re.match(f"{name}: expected values up to 3.4.*, got .*e.60: .*another size", str(result))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_features_that_are_no_numbers_are_refused(bad: float) -> None:
    """Where a featurizer gives something else than finite numbers, the error says where, whatever the model."""
    X = np.ones((12, 3))
    X[4, 1] = X[7, 1] = bad
    data = TrainingData(X, np.arange(12.0), np.arange(12) % 2)

    with (
        pytest.raises(TrainingError, match="got 2 others in 2 of 12 molecules, first in column 1"),
        plain_errors("rf", Target(task="regression"), data),
    ):
        pytest.fail("nothing may be trained on them")


def test_our_own_errors_stay_as_they_are() -> None:
    """What is clear already is not wrapped; a bug in a library is reported with its input."""
    data = TrainingData(np.eye(6), np.arange(6.0), np.arange(6) % 2)
    with (
        pytest.raises(TrainingError, match=r"^clear$"),
        plain_errors("rf", Target(task="regression"), data),
    ):
        raise TrainingError("clear")
    with (
        pytest.raises(TrainingError, match=r"^rf: its library raised KeyError: 'x' \(given 6 .* 0 to 5\)$"),
        plain_errors("rf", Target(task="regression"), data),
    ):
        raise KeyError("x")


def test_too_few_to_divide_is_one_message(tmp_path: Path) -> None:
    """Fewer molecules than folds are refused before anything is trained."""
    with pytest.raises(DataError, match="expected at least 5 groups"):
        snapshot(tmp_path, [("CCO", 1.0), ("CCN", 2.0), ("CCC", 3.0)])


def test_what_the_final_fit_would_refuse_is_refused_before_the_folds() -> None:
    """A recipe's limit is asked with the rows of all folds together; the test split is not fitted."""
    data = TrainingData(np.eye(6), np.arange(6.0), np.array([-1, 0, 0, 1, 1, 2]))
    asked: list[int] = []

    with plain_errors("rf", Target(task="regression"), data, asked.append):
        pass

    assert asked == [5]
    with (
        pytest.raises(TrainingError, match=r"200 trees on 5000000 rows .* Set `min_samples_leaf: \d+`"),
        plain_errors("rf", Target(task="regression"), data, lambda _: rf.require_rows(5_000_000, rf.Config())),
    ):
        pytest.fail("nothing may be trained on them")


def test_a_forest_that_follows_the_advice_is_not_refused() -> None:
    """What the refusal says is enough, and a forest of few rows or deep limits is never refused."""
    rf.require_rows(2_000, rf.Config())
    with pytest.raises(TrainingError) as refused:
        rf.require_rows(5_000_000, rf.Config(min_samples_leaf=2))
    found = re.search(r"min_samples_leaf: (\d+)", str(refused.value))
    assert found is not None
    rf.require_rows(5_000_000, rf.Config(min_samples_leaf=int(found[1])))
    rf.require_rows(5_000_000, rf.Config(max_depth=8))
