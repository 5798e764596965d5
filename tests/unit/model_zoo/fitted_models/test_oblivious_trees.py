"""Oblivious trees as arrays: what they predict, what they are saved as, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_zoo import models
from model_zoo.errors import BundleError
from model_zoo.explanation.tree_tables import read_oblivious
from model_zoo.fitted_models.formats import load_model
from model_zoo.fitted_models.oblivious_trees import ObliviousModel


@pytest.mark.parametrize("depth", [2, 6, 9])
@pytest.mark.parametrize("binary", [False, True])
def test_the_arrays_predict_what_catboost_predicts(depth: int, binary: bool, tmp_path: Path) -> None:
    """To the last digits, for new rows too, after saving and loading, for shallow trees and for more than a byte."""
    catboost = pytest.importorskip("catboost")
    generator = np.random.default_rng(3)
    X = generator.poisson(1, (200, 30)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + generator.normal(size=200)
    family = catboost.CatBoostClassifier if binary else catboost.CatBoostRegressor
    booster = family(iterations=40, depth=depth, verbose=False, allow_writing_files=False)
    booster.fit(X, (y > 0).astype(int) if binary else y)
    models.get("catboost")._arrays(booster, log_odds=binary).save(tmp_path)
    loaded = load_model(tmp_path)
    new = generator.poisson(2, (150, 30)).astype(np.float32)
    expected = booster.predict_proba(new)[:, 1] if binary else booster.predict(new)

    assert isinstance(loaded, ObliviousModel)
    np.testing.assert_allclose(loaded.predict(new), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal([loaded.predict(row[None])[0] for row in new], loaded.predict(new))
    assert loaded.predict(new[:0]).tolist() == []


def test_a_shallow_tree_among_deep_ones_ends_early() -> None:
    """Infinite borders answer no whatever the value; nodes for explanations sum up to the same."""
    feature, border = np.array([[0, 1], [1, 0]]), np.array([[0.5, 0.5], [2.0, np.inf]])
    model = ObliviousModel(feature, border, np.array([[0.0, 1, 2, 3], [10, 20, 0, 0]]), 100.0, log_odds=False)
    X = np.array([[0.0, 0], [1, 0], [0, 1], [1, 3]])
    nodes = read_oblivious(model)

    assert model.predict(X).tolist() == [110.0, 111.0, 112.0, 123.0]
    assert nodes is not None
    assert nodes.sums(X).tolist() == model.sums(X).tolist()


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    """What came and what was expected are reported."""
    with pytest.raises(BundleError, match=r"expected 2 x 3 borders and 2 x 8 leaves, got \(2, 3\) and \(2, 4\)"):
        ObliviousModel(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 4)), 0.0, log_odds=False)
