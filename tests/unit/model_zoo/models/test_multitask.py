"""The model of several endpoints: what it learns from the others, whom it must not see, and its one graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from model_zoo.data.dataset import Dataset
from model_zoo.data.targets import Target, Task
from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import ConstantModel, OnnxModel, load_model
from model_zoo.models import gp, multitask
from model_zoo.models._auxiliary import Auxiliary
from model_zoo.models._covariance import Block
from model_zoo.models._multitask_network import Joined
from model_zoo.training.transfer import AuxiliaryDataset, prepared

COLUMNS = 24
BLOCKS = (Block(columns=16), Block(columns=8, distance="rank"))
NETWORK = {"hidden": 32, "code": 16, "batch_size": 16, "epochs": 3}
LEARNT = 30
"""Epochs after which it has learnt something; most tests ask what it is made from, which a few show as well."""


def features(rows: int, seed: int) -> NDArray[np.float32]:
    """Return counts, and descriptors of very unlike size."""
    generator = np.random.default_rng(seed)
    counts, descriptors = generator.poisson(0.8, (rows, 16)), generator.normal(size=(rows, 8)) * np.logspace(-2, 5, 8)
    return np.hstack([counts, descriptors]).astype(np.float32)


def hidden_law(X: NDArray[Any]) -> NDArray[np.float64]:
    """Return what all endpoints depend on, which few rows do not show."""
    return np.asarray(np.abs(X[:, :3].sum(axis=1) - X[:, 3:6].sum(axis=1)), dtype=np.float64)


def snapshot(values: NDArray[Any], first: int, folds: NDArray[Any] | None = None) -> Dataset:
    """Return a snapshot whose molecules have running numbers for skeletons."""
    keys = [f"{number:014d}-AAAAAAAAAA-N" for number in range(first, first + len(values))]
    fold = np.arange(len(values)) % 3 if folds is None else folds
    return Dataset(pd.DataFrame({"inchikey": keys, "value": values, "fold": fold}), pd.DataFrame())


def other(name: str, first: int, rows: int = 400, task: Task = "regression", seed: int = 7) -> AuxiliaryDataset:
    """Return an endpoint that depends on the hidden law, on molecules of its own from a number on."""
    X = features(rows, seed)
    law = hidden_law(X)
    values = (law > np.median(law)).astype(float) if task == "binary" else 100 - 20 * law
    return AuxiliaryDataset(name, Target(task=task), snapshot(values, first), X)


def config(task: Task = "regression", **changes: Any) -> multitask.Config:
    """Return the settings of a small model."""
    return multitask.Config.model_validate({"task": task, "blocks": BLOCKS, **NETWORK, **changes})


def own(rows: int = 60) -> tuple[Dataset, NDArray[np.float32]]:
    """Return an endpoint of few molecules, numbered from zero, that depends on the hidden law."""
    X = features(rows, 1)
    return snapshot(hidden_law(X), 0), X


def network(others: list[AuxiliaryDataset], settings: multitask.Config | None = None) -> bytes:
    """Return what is learnt from other endpoints."""
    ready = prepared("multitask", settings or config(), own()[0], others)
    assert isinstance(ready, multitask.Prepared)
    return ready.network


@pytest.mark.slow(sibling="test_an_endpoint_that_says_nothing_is_left_out")
def test_what_other_endpoints_say_helps_where_own_values_are_few() -> None:
    """Three endpoints of one hidden law: the fourth, of 60 molecules, is predicted better than without them."""
    mine, X = own()
    others = [other("a", 1000, 1000), other("b", 2000, 1000, task="binary", seed=8), other("c", 3000, 1000, seed=9)]
    ready = prepared("multitask", config(epochs=LEARNT), mine, others)
    unseen = features(200, 3)
    error = {
        name: float(np.abs(model.predict(unseen) - hidden_law(unseen)).mean())
        for name, model in (
            ("alone", gp.train(X, mine.values, gp.Config(blocks=BLOCKS))),
            ("together", ready.train(X, mine.values, config())),
        )
    }

    assert error["together"] < 0.8 * error["alone"]


def test_no_molecule_of_the_own_endpoint_is_seen() -> None:
    """Own molecules may be measured elsewhere too, with whatever values, in the own test split or not: the network is
    that of the other molecules. An isomer, whose InChIKey has the same skeleton, counts as the same.
    """
    plain = other("a", 1000)
    strange = np.full(40, 1e6)
    table = pd.concat(
        [plain.dataset.table, snapshot(strange, 20).table.replace("-AAAAAAAAAA-N", "-BBBBBBBBBB-N", regex=True)]
    )
    mixed = AuxiliaryDataset("a", plain.target, Dataset(table, pd.DataFrame()), np.vstack([plain.X, features(40, 5)]))

    assert network([mixed]) == network([plain])


def test_the_test_split_of_another_endpoint_has_no_part() -> None:
    """Its values may be anything."""
    plain = other("a", 1000)
    folds = np.where(np.arange(400) % 5 == 4, -1, np.arange(400) % 3)
    values = [plain.dataset.values, np.where(folds < 0, -1e6, plain.dataset.values)]
    one, two = (network([AuxiliaryDataset("a", plain.target, snapshot(each, 1000, folds), plain.X)]) for each in values)

    assert one == two != network([plain])


def test_a_molecule_measured_twice_counts_once() -> None:
    """Rows are joined by molecule: the mean of its values at an endpoint, and no value where nobody measured."""
    first, second = other("a", 1000, 20), other("b", 1010, 20, task="binary")
    rows, y, classes = [*range(20), 3], np.r_[np.arange(20.0), 7.0], second.dataset.values
    keys = [[f"{row + start}" for row in mine] for start, mine in ((1000, rows), (1010, range(20)))]
    joined = Joined(
        [
            Auxiliary("a", "regression", tuple(keys[0]), first.X[rows], y),
            Auxiliary("b", "binary", tuple(keys[1]), second.X, classes),
        ]
    )

    assert joined.X.shape == (30, COLUMNS)
    assert joined.targets[3, 0] == pytest.approx((5.0 - y.mean()) / y.std())
    np.testing.assert_array_equal(np.isnan(joined.targets), [[row >= 20, row < 10] for row in range(30)])
    np.testing.assert_array_equal(joined.targets[10:, 1], classes)
    assert joined.binary.tolist() == [False, True]


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_the_whole_is_one_graph_and_the_same_again(task: Task, tmp_path: Path) -> None:
    """Two trainings predict the same to 1e-9; saved and loaded too; a class has probabilities."""
    mine, X = own()
    y = (mine.values > np.median(mine.values)).astype(float) if task == "binary" else mine.values
    others = [other("a", 1000), other("b", 2000, task="binary", seed=8)]
    models = [prepared("multitask", config(task), mine, others).train(X, y, config(task)) for _ in range(2)]
    unseen = features(50, 3)
    predicted = models[0].predict(unseen)

    assert np.abs(predicted - models[1].predict(unseen)).max() < 1e-9
    models[0].save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", OnnxModel.FILE]
    np.testing.assert_array_equal(load_model(tmp_path).predict(unseen), predicted)
    assert np.isfinite(predicted).all()
    assert task == "regression" or (0 <= predicted.min() < predicted.max() <= 1)


def test_an_endpoint_that_says_nothing_is_left_out() -> None:
    """Equal values, or no molecule that is not the endpoint's own: the others are learnt from as without it."""
    useful, X = other("a", 1000), features(80, 4)
    flat = AuxiliaryDataset("b", Target(task="regression"), snapshot(np.ones(80), 5000), X)
    shared = AuxiliaryDataset("c", Target(task="regression"), snapshot(np.arange(40.0), 10), X[:40])

    assert network([flat, useful, shared]) == network([useful])


@pytest.mark.parametrize("others", [[], [other("a", 0, rows=60)], [other("a", 1000, rows=12)]], ids=len)
def test_nothing_to_learn_from_is_refused(others: list[AuxiliaryDataset]) -> None:
    """No other endpoint, none but own molecules, or too few: the error says what was expected and what to do."""
    with pytest.raises(TrainingError, match=r"expected at least 16 molecules of other endpoints .* got .* `auxiliary`"):
        network(others)


def test_a_network_that_diverges_is_reported() -> None:
    """A training that ends in no number is an error that names the setting."""
    with pytest.raises(TrainingError, match="diverged: lower learning_rate"):
        network([other("a", 1000)], config(learning_rate=1e30))


def test_a_configuration_that_learnt_nothing_is_refused() -> None:
    """Only what `prepare` made can be trained with."""
    mine, X = own()
    with pytest.raises(TrainingError, match="only what `prepare` made is trained"):
        multitask.train(X, mine.values, config())


def test_equal_values_give_a_constant() -> None:
    """An endpoint of one value is predicted by it."""
    mine, X = own()
    ready = prepared("multitask", config(), mine, [other("a", 1000)])
    model = ready.train(X, np.full(len(X), 2.5), config())

    assert isinstance(model, ConstantModel)
    assert model.predict(X[:3]).tolist() == [2.5] * 3


def test_features_without_blocks_are_counts() -> None:
    """A configuration that names no blocks learns from fingerprints alone, as `gp` does."""
    X = np.random.default_rng(0).poisson(0.8, (400, 12)).astype(np.float32)
    source = AuxiliaryDataset("a", Target(task="regression"), snapshot(X[:, 0] * 1.0, 1000), X)
    mine = snapshot(X[:40, 0] * 2.0, 0)
    ready = prepared("multitask", config(blocks=(), epochs=LEARNT), mine, [source])
    model = ready.train(X[:40], mine.values, config(blocks=()))

    assert np.abs(model.predict(X[40:]) - 2 * X[40:, 0]).mean() < 0.5
