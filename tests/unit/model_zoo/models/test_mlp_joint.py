"""A joint network learns all its endpoints, serves each as data, and does so for equal arguments alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_zoo.data.targets import Task
from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import load_model
from model_zoo.models import LearnsJointly, get, mlp_joint
from model_zoo.models._covariance import Block

RNG = np.random.default_rng(0)
X = np.hstack([RNG.poisson(1.0, (240, 20)), RNG.normal(size=(240, 4)) * 1e3]).astype(np.float32)
SIGNAL = X[:, 0] + 2.0 * X[:, 1] + X[:, 20] / 1e3
Y = np.column_stack([50 + 10 * SIGNAL, -SIGNAL, np.median(SIGNAL) < SIGNAL]).astype(np.float64)
TASKS: tuple[Task, ...] = ("regression", "regression", "binary")
CONFIG = mlp_joint.Config(
    blocks=(Block(columns=20), Block(columns=4, distance="rank")), hidden=64, members=2, epochs=60, batch_size=16
)


def with_gaps(share: float) -> np.ndarray:
    """Return the values with gaps at random."""
    return np.where(np.random.default_rng(1).random(Y.shape) < share, np.nan, Y)


def test_it_is_asked_as_a_joint_recipe() -> None:
    """It offers `train_jointly`, and no `train`."""
    assert isinstance(get("mlp_joint"), LearnsJointly)
    assert not hasattr(mlp_joint, "train")


@pytest.mark.parametrize("gaps", [0.0, 0.9])
def test_it_learns_whatever_was_measured(gaps: float, tmp_path: Path) -> None:
    """Half of the values missing, or nine in ten; and each column says the same once it is saved and read again."""
    known = with_gaps(gaps)[:200]
    model = mlp_joint.train_jointly(X[:200], known, TASKS, CONFIG)
    found = model.predict(X[200:])
    least = 0.8 if gaps == 0 else 0.3  # from twenty values each
    assert all(np.corrcoef(found[:, place], Y[200:, place])[0, 1] > least for place in range(3))
    assert (found[:, 2] >= 0).all()
    assert (found[:, 2] <= 1).all()
    for place in range(3):
        (tmp_path / str(place)).mkdir()
        model.column(place).save(tmp_path / str(place))
        again = load_model(tmp_path / str(place)).predict(X[200:])
        assert np.abs(again - found[:, place]).max() < 1e-4 * np.abs(Y[:, place]).max()
        one = load_model(tmp_path / str(place)).predict(X[200:201])
        assert one[0] == pytest.approx(again[0], abs=1e-4 * np.abs(Y[:, place]).max())


def test_twenty_rows_beside_five_thousand_spoil_nothing() -> None:
    """The many are predicted as well as on their own, the few hardly worse than by their mean: their folds show it."""
    generator = np.random.default_rng(2)
    many = generator.poisson(1.0, (5400, 24)).astype(np.float32)
    signal = many[:, 0] + 2.0 * many[:, 1] + generator.normal(size=5400) * 0.3
    known = np.column_stack([signal, 100 - 5 * signal])
    known[20:, 1] = np.nan
    config = mlp_joint.Config(hidden=32, members=1, epochs=10, batch_size=128)
    both = mlp_joint.train_jointly(many[:5000], known[:5000], ("regression",) * 2, config).predict(many[5000:])
    alone = mlp_joint.train_jointly(many[:5000], known[:5000, :1], ("regression",), config).predict(many[5000:])
    error, by_itself = (np.abs(found[:, 0] - signal[5000:]).mean() for found in (both, alone))
    assert error < 1.2 * by_itself  # another start alone moves it by a tenth
    few, truth = both[:, 1], 100 - 5 * signal[5000:]
    assert np.abs(few - truth).mean() < 1.1 * np.abs(known[:20, 1].mean() - truth).mean()
    assert np.isfinite(few).all()


def test_equal_arguments_give_equal_models_and_the_global_state_stays() -> None:
    """Also in whatever unit the values of an endpoint came."""
    import torch

    state = torch.get_rng_state()
    few = CONFIG.model_copy(update={"epochs": 2})
    first, second = (mlp_joint.train_jointly(X, with_gaps(0.3), TASKS, few).predict(X[:9]) for _ in range(2))
    assert (first == second).all()
    other = mlp_joint.train_jointly(X, with_gaps(0.3) * [1000.0, 1.0, 1.0], TASKS, few).predict(X[:9])
    assert other == pytest.approx(first * [1000.0, 1.0, 1.0], rel=1e-4)
    assert torch.equal(state, torch.get_rng_state())


def test_measures_are_learnt_beside_the_endpoints_and_predicted_by_none() -> None:
    """They move what is predicted, whatever their unit; where features are counts alone, there are none to learn, and
    where many values were measured, none is learnt.
    """
    few = CONFIG.model_copy(update={"epochs": 2, "members": 1})

    def fitted(features: np.ndarray, config: mlp_joint.Config, weight: float) -> mlp_joint.JointPerceptrons:
        return mlp_joint.train_jointly(features, Y, TASKS, config.model_copy(update={"auxiliary": weight}))

    beside = fitted(X, few, 0.5)
    assert beside.predict(X[:9]).shape == (9, 3)
    assert not np.allclose(beside.predict(X[:9]), fitted(X, few, 0.0).predict(X[:9]))
    other = np.hstack([X[:, :20], X[:, 20:] * np.float32(4.0)])
    assert fitted(other, few, 0.5).predict(other[:9]) == pytest.approx(beside.predict(X[:9]), rel=1e-4)
    counts = few.model_copy(update={"blocks": (Block(columns=20),)})
    with_weight, without = (fitted(X[:, :20], counts, weight).predict(X[:9, :20]) for weight in (0.5, 0.0))
    assert (with_weight == without).all()
    many, none = few.model_copy(update={"auxiliary_until": 239}), fitted(X, few, 0.0).predict(X[:9])
    assert (fitted(X, many, 0.5).predict(X[:9]) == none).all()


def test_what_cannot_be_learnt_is_refused() -> None:
    """A loss that diverges, blocks of another width, and molecules that all look alike."""
    with pytest.raises(TrainingError, match="diverged: lower learning_rate"):
        mlp_joint.train_jointly(X, Y, TASKS, CONFIG.model_copy(update={"learning_rate": 1e30}))
    with pytest.raises(TrainingError, match="expected 24 columns of features for the 2 blocks"):
        mlp_joint.train_jointly(X[:, :20], Y, TASKS, CONFIG)
    with pytest.raises(TrainingError, match="expected features that differ"):
        mlp_joint.train_jointly(np.ones_like(X), Y, TASKS, CONFIG)
