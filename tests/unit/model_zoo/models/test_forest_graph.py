"""Forests written as graphs: they answer as scikit-learn does, to the last question, and are kept once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from model_zoo.explanation.tree_tables import read_onnx
from model_zoo.fitted_models.formats import OnnxModel, load_model
from model_zoo.models import rf
from model_zoo.models._tree_graph import Forest


def at_the_borders(forest: RandomForestRegressor | RandomForestClassifier, columns: int) -> NDArray[np.float32]:
    """Make rows of which every column is the threshold of some question, or a neighbour of it in single precision."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    asked = np.concatenate([tree.threshold[tree.children_left >= 0] for tree in trees])
    values = asked.astype(np.float32)
    beside = [np.nextafter(values, np.float32(end)) for end in (-np.inf, np.inf)]
    return np.random.default_rng(0).choice(np.concatenate([values, *beside]), (400, columns))


@pytest.mark.parametrize("spread", [1.0, 1e-6, 1e6])
def test_no_question_is_answered_otherwise_than_by_scikit_learn(spread: float) -> None:
    """Rows on thresholds, or next to them, end in the same leaves: thresholds are not merely rounded."""
    generator = np.random.default_rng(1)
    X = (spread * generator.normal(size=(200, 6))).astype(np.float32)
    forest = RandomForestRegressor(12, random_state=0).fit(X, X[:, 0] + generator.normal(size=200) * spread)
    rows = at_the_borders(forest, X.shape[1])
    model = OnnxModel(Forest.of(forest.estimators_).graph(6, 0.0, 1.0, probability=False), "y", None)
    expected = forest.predict(rows)
    np.testing.assert_allclose(model.predict(rows), expected, atol=1e-6 * np.abs(expected).max())


def test_trees_of_one_leaf_stand_among_others(tmp_path: Path) -> None:
    """A tree that asks nothing gives its value, wherever it is in the forest, and in the table for explaining."""
    X = np.arange(8, dtype=np.float32)[:, None]
    y = np.array([5.0] * 7 + [9.0])  # whatever drew the last row asks, the others do not
    forest = RandomForestRegressor(30, random_state=0).fit(X, y)
    leaves = [estimator.tree_.node_count for estimator in forest.estimators_]
    assert min(leaves) == 1 < max(leaves)
    graph = Forest.of(forest.estimators_).graph(1, 2.0, 3.0, probability=False)
    expected = 2 + 3 * forest.predict(X)
    np.testing.assert_allclose(OnnxModel(graph, "y", None).predict(X), expected, rtol=1e-6)
    nodes = read_onnx(graph)
    assert nodes is not None
    np.testing.assert_allclose(nodes.sums(X), expected, rtol=1e-6)


def test_shares_of_a_class_are_probabilities() -> None:
    """A classifier's graph returns what `predict_proba` does, and never more than 1 or less than 0."""
    generator = np.random.default_rng(2)
    X = generator.normal(size=(150, 4)).astype(np.float32)
    labels = (X[:, 0] > 0).astype(int)
    forest = RandomForestClassifier(77, random_state=0).fit(X, labels)
    rows = at_the_borders(forest, 4)
    graph = Forest.of(forest.estimators_, label=1).graph(4, 0.0, 1.0, probability=True)
    found = OnnxModel(graph, "y", None).predict(rows)
    np.testing.assert_allclose(found, forest.predict_proba(rows)[:, 1], atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_loaded_model_holds_no_second_copy_and_can_be_written_again(tmp_path: Path) -> None:
    """What was read from a file is not kept beside ONNX Runtime's own copy; writing it copies the file."""
    X = np.random.default_rng(3).normal(size=(60, 3)).astype(np.float32)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    made = rf.train(X, X[:, 0].astype(np.float64), rf.Config(task="regression", n_estimators=5))
    made.save(first)
    loaded = load_model(first)
    assert isinstance(loaded, OnnxModel)
    assert not [value for value in vars(loaded).values() if isinstance(value, bytes) and len(value) > 100]
    loaded.save(second)
    assert (second / "model.onnx").read_bytes() == (first / "model.onnx").read_bytes() == made.graph
    np.testing.assert_array_equal(load_model(second).predict(X), made.predict(X))
