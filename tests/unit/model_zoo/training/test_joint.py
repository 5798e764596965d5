"""What a joint model is fitted on, what it is never fitted on, and what each endpoint takes of it."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo.data.dataset import DatasetConfig
from model_zoo.data.group_dataset import GroupDataset, make_group_dataset
from model_zoo.data.splits import Split
from model_zoo.data.targets import Target
from model_zoo.errors import TrainingError
from model_zoo.features.blocks import write_block
from model_zoo.fitted_models.formats import ConstantModel
from model_zoo.models._base import ModelConfig
from model_zoo.training import joint
from model_zoo.training.joint import JointLearner, fit_jointly, read_joint_record, take_column

TAILS = ("O", "N", "F", "Cl", "Br", "C#N", "C(=O)O", "OC", "SC", "C(F)F")
SMILES = [f"{'C' * size}{tail}" for size, tail in itertools.product(range(2, 12), TAILS)]
TARGETS = {name: Target(task="regression") for name in ("a", "b", "c")} | {"label": Target(task="binary")}


class Means:
    """A joint model of constants, which remembers what it was given."""

    seen: ClassVar[list[tuple[NDArray[Any], NDArray[np.float64]]]] = []
    Config = ModelConfig

    @classmethod
    def train_jointly(cls, X: Any, Y: Any, tasks: Any, config: Any) -> Means:
        """Learn the mean of each endpoint."""
        cls.seen.append((X, Y))
        made = cls()
        made.means = np.nanmean(Y, axis=0)
        return made

    means: NDArray[np.float64]

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the means."""
        return np.tile(self.means, (len(X), 1))

    def column(self, place: int) -> ConstantModel:
        """Return one mean."""
        return ConstantModel(self.means[place])


@pytest.fixture(autouse=True)
def _means(monkeypatch: pytest.MonkeyPatch) -> None:
    Means.seen = []
    monkeypatch.setattr(joint, "get", lambda name: Means)


def made(folder: Path, **values: dict[str, float]) -> Path:
    """Write the measurements of some endpoints, divide them, and give the folder; features number the molecules."""
    configs = {}
    for name, rows in values.items():
        text = "smiles,value\n" + "".join(f"{smiles},{value}\n" for smiles, value in rows.items())
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        unit = {"unit": "probability", "source_unit": "probability"} if name == "label" else {"unit": "log10 ratio"}
        section: dict[str, Any] = {"task": TARGETS[name].task, "source_unit": "log10 ratio", **unit}
        section["source"] = {"kind": "csv", "files": [f"{name}.csv"]}
        configs[name] = DatasetConfig.model_validate(section)
    place = folder / "group"
    place.mkdir()
    group = make_group_dataset(configs, Split(kind="random", folds=3), lambda source: folder)
    group.save(place)
    write_block(folder / "X.npz", np.arange(len(group.molecules.table), dtype=np.float32)[:, None])
    return place


def fitted(folder: Path, group: Path) -> dict[str, Any]:
    """Fit the constants; return what is reported."""
    (folder / "joint").mkdir()
    learner = JointLearner("means", ModelConfig(), TARGETS)
    return fit_jointly(learner, group, [folder / "X.npz"], nullcontext, folder / "joint")


def numbered(smiles: list[str], first: float = 0.0) -> dict[str, float]:
    """Return each molecule its own value."""
    return {text: first + place for place, text in enumerate(smiles)}


def test_no_fit_sees_what_it_is_scored_on(tmp_path: Path) -> None:
    """Each fold is predicted by a model that saw none of its molecules at any endpoint, the test split by one that saw
    none of that; an endpoint finds the values of its own molecules, in its own order.
    """
    group = made(tmp_path, a=numbered(SMILES[:80]), b=numbered(SMILES[30:], 1000.0))
    record = fitted(tmp_path, group)
    assert record["endpoints"] == ["a", "b"]
    assert record["left_out"] == {}
    union = GroupDataset.load(group).molecules
    train = union.folds >= 0
    assert record["shared"] == sum(smiles in SMILES[30:80] for smiles in union.table["smiles"][train])
    assert len(Means.seen) == 4
    for fold, (X, _) in zip([0, 1, 2, -1], Means.seen, strict=True):
        rows = X[:, 0].astype(int)
        assert set(union.folds[rows]) == {0, 1, 2} - {fold}

    own = GroupDataset.load(group).datasets["b"]
    (tmp_path / "b").mkdir()
    write_block(tmp_path / "own.npz", np.zeros((len(own.table), 1), dtype=np.float32))
    take_column("means", "b", TARGETS["b"], group, tmp_path / "joint", (own, [tmp_path / "own.npz"]), tmp_path / "b")
    raw = np.load(tmp_path / "b" / "predictions.npz")["raw"]
    for fold in range(-1, 3):
        others = (own.folds >= 0) & (own.folds != fold)
        assert raw[own.folds == fold] == pytest.approx(own.values[others].mean())


def test_an_endpoint_of_which_nothing_can_be_learnt_is_left_out_with_the_reason(tmp_path: Path) -> None:
    """One class, equal values, or too few molecules: the others are fitted, and it says why it has no part."""
    few = {text: float(place) for place, text in enumerate(SMILES[:9])}
    group = made(tmp_path, a=numbered(SMILES), b=numbered(SMILES[20:]), c=few, label=dict.fromkeys(SMILES[:60], 1.0))
    record = fitted(tmp_path, group)
    assert record["endpoints"] == ["a", "b"]
    assert "are 1: expected ones that differ" in record["left_out"]["label"]
    assert "c" in record["left_out"]
    own = GroupDataset.load(group).datasets["label"]
    (tmp_path / "label").mkdir()
    with pytest.raises(TrainingError, match="label is left out of its group's joint model: all "):
        take_column(
            "m", "label", TARGETS["label"], group, tmp_path / "joint", (own, [tmp_path / "own.npz"]), tmp_path / "label"
        )


def test_endpoints_that_share_one_molecule_are_refused(tmp_path: Path) -> None:
    """There is nothing to learn from how they go together; so is a group of which one endpoint is left."""
    group = made(tmp_path, a=numbered(SMILES[:51]), b=numbered(SMILES[50:]))
    with pytest.raises(TrainingError, match="expected at least 10 training molecules that two endpoints"):
        fitted(tmp_path, group)
    other = tmp_path / "other"
    other.mkdir()
    group = made(other, a=numbered(SMILES), label=dict.fromkeys(SMILES, 0.0))
    with pytest.raises(TrainingError, match="expected two endpoints or more, got 1; label is left out"):
        fitted(other, group)


def test_predictions_that_are_no_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is a part that predicts otherwise than the whole, and a folder without what a joint model leaves."""
    group = made(tmp_path, a=numbered(SMILES), b=numbered(SMILES))
    with monkeypatch.context() as patch:
        patch.setattr(Means, "predict", lambda self, X: np.full((len(X), 2), np.nan))
        with pytest.raises(TrainingError, match="are not finite numbers"):
            fitted(tmp_path, group)
    (tmp_path / "joint").rmdir()
    monkeypatch.setattr(Means, "column", lambda self, place: ConstantModel(-1e6))
    with pytest.raises(TrainingError, match="the part of a predicts otherwise than the joint model"):
        fitted(tmp_path, group)
    with pytest.raises(TrainingError, match="expected what a joint model left"):
        read_joint_record(tmp_path)
