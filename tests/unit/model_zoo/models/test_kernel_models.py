"""Kernel models: exact kernels on counts, a limit on rows, and Gaussian processes that find their own noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo import models
from model_zoo.errors import TrainingError
from model_zoo.models import gp, svm
from model_zoo.models._covariance import Block, Minmax, Rank
from model_zoo.models._kernel import Unary, counts_of, kernel, rows_to_learn


def counts(rows: int, seed: int = 0) -> NDArray[np.float32]:
    """Return made-up counts."""
    return np.random.default_rng(seed).poisson(0.8, (rows, 30)).astype(np.float32)


def values(X: NDArray[Any], noise: float) -> NDArray[np.float64]:
    """Return values that depend on some counts."""
    generator = np.random.default_rng(5)
    return np.asarray(X[:, 0] - X[:, 1] + 0.5 * X[:, 2] * X[:, 3] + noise * generator.normal(size=len(X)))


def test_the_kernel_is_smaller_over_larger_counts() -> None:
    """The matrix product over unary bits equals the sum of the smaller counts over the sum of the larger ones."""
    left, right = counts(7), counts(9, seed=1)
    unary = Unary.of(right)
    found = kernel(unary.bits(left), unary.bits(right), (left.sum(axis=1), right.sum(axis=1)))
    expected = [[np.minimum(a, b).sum() / np.maximum(a, b).sum() for b in right] for a in left]

    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_row_of_zeros_is_like_nothing() -> None:
    """Rows without any feature have a kernel of zero, not a division by zero."""
    nothing = np.zeros((2, 3), dtype=np.float32)
    unary = Unary.of(nothing)

    assert kernel(unary.bits(nothing), unary.bits(nothing), (nothing.sum(axis=1), nothing.sum(axis=1))).tolist() == [
        [0.0, 0.0],
        [0.0, 0.0],
    ]


@pytest.mark.parametrize("name", ["gp", "svm"])
@pytest.mark.parametrize("presence", [False, True])
def test_a_kernel_model_learns(name: str, presence: bool) -> None:
    """Held-out rows are predicted far better than by the mean, on counts and on presence alone."""
    recipe = models.get(name)
    X = counts(300)
    y = values(np.minimum(X, 1) if presence else X, noise=0.1)
    predicted = recipe.train(X[:220], y[:220], recipe.Config.model_validate({"presence": presence})).predict(X[220:])

    assert np.sqrt(np.mean((predicted - y[220:]) ** 2)) < 0.75 * np.std(y[220:])


@pytest.mark.parametrize("name", ["gp", "svm"])
def test_probabilities_follow_the_share_of_a_class(name: str) -> None:
    """Where features say nothing, probabilities lie near the share of class 1, however rare."""
    recipe = models.get(name)
    y = (np.random.default_rng(3).random(300) < 0.2).astype(np.float64)
    predicted = recipe.train(counts(300), y, recipe.Config(task="binary")).predict(counts(100, seed=9))

    assert abs(predicted.mean() - 0.2) < 0.08
    assert ((predicted > 0) & (predicted < 1)).all()


def test_more_noise_is_found_as_more_noise() -> None:
    """The marginal likelihood shrinks what is predicted after noisy values towards their mean."""
    recipe = models.get("gp")
    X, new = counts(200), counts(200, seed=1)
    spread = [
        np.std(recipe.train(X, values(X, noise=noise), recipe.Config()).predict(new)) / np.std(values(X, noise=noise))
        for noise in (0.05, 5.0)
    ]

    assert spread[1] < 0.6 * spread[0]


def test_too_many_rows_are_refused_or_sampled() -> None:
    """Above `max_rows` a kernel model says what to do, or learns from a seeded part; never in silence by default."""
    config = gp.Config(max_rows=10)
    assert rows_to_learn(10, config).tolist() == list(range(10))
    with pytest.raises(TrainingError, match=r"gp: expected at most 10 rows, got 11: .* `above: subsample`"):
        rows_to_learn(11, config)
    sampled = config.model_copy(update={"above": "subsample"})
    rows = rows_to_learn(100, sampled)
    assert len(set(rows.tolist())) == 10
    np.testing.assert_array_equal(rows, rows_to_learn(100, sampled))
    assert not np.array_equal(rows, rows_to_learn(100, sampled.model_copy(update={"seed": 1})))


@pytest.mark.parametrize("name", ["gp", "svm"])
def test_sampled_rows_make_a_model(name: str) -> None:
    """A model of a part of the rows predicts all of them."""
    recipe = models.get(name)
    X = counts(120)
    model = recipe.train(X, values(X, 0.1), recipe.Config.model_validate({"max_rows": 60, "above": "subsample"}))

    assert np.corrcoef(model.predict(X), values(X, 0.1))[0, 1] > 0.5


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_what_is_no_count_is_refused(bad: float) -> None:
    """Descriptors are not compared as if they were counts."""
    X = counts(4)
    X[0, 0] = bad
    with pytest.raises(TrainingError, match="svm: expected counts"):
        counts_of(X, svm.Config())


@pytest.mark.parametrize("name", ["gp", "svm"])
def test_unseen_and_huge_counts_are_predicted(name: str) -> None:
    """A molecule with features that no training molecule had, or more of them, or none, gets a finite number."""
    recipe = models.get(name)
    X = counts(60)
    X[:, 7] = 0
    model = recipe.train(X, values(X, 0.1), recipe.Config())
    odd = np.zeros((3, 30), dtype=np.float32)
    odd[0, 7], odd[1, 0] = 5, 1e6

    assert np.isfinite(model.predict(odd)).all()


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_a_gaussian_process_refuses_what_is_no_count(bad: float) -> None:
    """Descriptors among counts are refused with both ways out; with a way to count them, they are rounded."""
    X = counts(20)
    X[0, 0] = bad
    with pytest.raises(TrainingError, match=r"gp: expected counts .* say in `blocks`"):
        models.get("gp").train(X, values(counts(20), 0.1), models.get("gp").Config())
    assert Minmax(np.array([[0.31, 0.0]]), Block(columns=2, per_count=0.3)).counts.tolist() == [[1.0, 0.0]]


def test_blocks_must_cover_the_features() -> None:
    """Blocks of fewer or more columns than there are features are refused with both numbers."""
    config = models.get("gp").Config.model_validate({"blocks": [{"columns": 20}, {"columns": 9, "distance": "rank"}]})
    with pytest.raises(TrainingError, match=r"gp: expected 29 columns of features for the 2 blocks .*, got 30"):
        models.get("gp").train(counts(20), values(counts(20), 0.1), config)


def test_distance_by_rank_forgets_units_and_outliers() -> None:
    """A monotone change of a column, and how far out its outlier is, change no distance between learned rows."""
    X = np.random.default_rng(2).normal(size=(40, 3))
    changed = np.column_stack([np.exp(3 * X[:, 0]), 1e6 * X[:, 1], X[:, 2]])
    changed[np.argmax(X[:, 2]), 2] = 1e30
    block = Block(columns=3, distance="rank")
    plain, other = (Rank(values, block).distances(values) for values in (X, changed))
    knots = np.unique(np.linspace(0, 39, 25).round().astype(int))
    order = [np.argsort(X[:, column])[knots] for column in range(3)]
    exact = np.flatnonzero([sum(row in places for places in order) == 3 for row in range(40)])  # else in between

    assert len(exact) > 5
    np.testing.assert_allclose(plain[np.ix_(exact, exact)], other[np.ix_(exact, exact)], atol=1e-9)


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_a_block_that_says_nothing_is_left_out(task: str) -> None:
    """Random columns beside those that matter neither spoil the predictions nor stay in the model."""
    recipe = models.get("gp")
    generator = np.random.default_rng(8)
    descriptors = generator.normal(size=(260, 4))
    y = np.sin(descriptors[:, 0]) + descriptors[:, 1]
    y = (y > 0).astype(float) if task == "binary" else y
    X = np.hstack([generator.poisson(0.8, (260, 25)), descriptors]).astype(np.float32)
    blocks = [{"columns": 25}, {"columns": 4, "distance": "rank"}]
    model = recipe.train(X[:200], y[:200], recipe.Config.model_validate({"blocks": blocks, "task": task}))
    alone = recipe.train(X[:200, 25:], y[:200], recipe.Config.model_validate({"blocks": blocks[1:], "task": task}))

    assert np.corrcoef(model.predict(X[200:]), y[200:])[0, 1] > 0.75
    assert np.corrcoef(model.predict(X[200:]), alone.predict(X[200:, 25:]))[0, 1] > 0.95


def test_columns_of_one_value_and_single_outliers_are_predicted() -> None:
    """Descriptors that never vary, or are huge in one molecule, give finite numbers within the range of the others."""
    recipe = models.get("gp")
    X = np.random.default_rng(4).normal(size=(50, 3)).astype(np.float32)
    X[:, 1] = 7.0
    X[3, 2] = 3e38
    y = X[:, 0].astype(float)
    config = recipe.Config.model_validate({"blocks": [{"columns": 3, "distance": "rank"}]})
    odd = np.array([[0.0, -5.0, -3e38], [9e9, 7.0, 0.0]], dtype=np.float32)

    assert np.abs(recipe.train(X, y, config).predict(odd)).max() < 5


@pytest.mark.parametrize("name", ["gp", "svm"])
def test_too_many_rows_are_refused_before_the_first_fold(name: str) -> None:
    """A fit that the last step would refuse is refused first; one that learns from a part is not."""
    recipe = models.get(name)
    recipe.require_rows(10, recipe.Config(max_rows=10))
    recipe.require_rows(11, recipe.Config(max_rows=10, above="subsample"))
    with pytest.raises(TrainingError, match="expected at most 10 rows, got 11"):
        recipe.require_rows(11, recipe.Config(max_rows=10))
