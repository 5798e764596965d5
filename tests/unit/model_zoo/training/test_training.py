"""Training: every score comes from a model that did not see what it is scored on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from model_zoo.data.folds import OLDEST, TEST_FOLD
from model_zoo.data.targets import Target, Task
from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import ConstantModel, load_model
from model_zoo.metrics import HIGHER_IS_BETTER, METRICS, score
from model_zoo.models._base import ModelConfig
from model_zoo.training import cross_validation
from model_zoo.training.cross_validation import TrainingData, train_and_score
from model_zoo.training.latency import latency_ms

REGRESSION = Target(task="regression")
BINARY = Target(task="binary")


def data(values: list[float] | None = None, rows: int = 30, folds: int = 3) -> TrainingData:
    """Return rows whose only feature is their number; every sixth row is the test split."""
    numbers = np.arange(rows)
    y = np.asarray(values if values is not None else np.sin(numbers) * 10, dtype=np.float64)
    return TrainingData(numbers[:, None].astype(np.float32), y, np.where(numbers % 6 == 5, -1, numbers % folds))


class Memory:
    """A model that knows by heart what it saw, and says 1000 of the rest; it is saved as a constant."""

    def __init__(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        self.seen = dict(zip(X[:, 0].tolist(), y.tolist(), strict=True))
        self.constant = 1000.0

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Recall."""
        return np.array([self.seen.get(number, self.constant) for number in X[:, 0].tolist()])

    def save(self, folder: Path) -> None:
        """Write what it says of unknown rows."""
        ConstantModel(self.constant).save(folder)


def plant(monkeypatch: pytest.MonkeyPatch, train: Callable[..., Any]) -> None:
    """Make every model's name mean this training function."""
    monkeypatch.setattr(cross_validation, "get", lambda _name: SimpleNamespace(Config=ModelConfig, train=train))


def run(folder: Path, what: TrainingData, target: Target = REGRESSION, name: str = "planted") -> dict[str, Any]:
    """Train and score in a new folder."""
    folder.mkdir(exist_ok=True)
    return train_and_score(name, ModelConfig(), target, what, folder)


def test_out_of_fold_predictions_are_of_unseen_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that memorises is right about no row it is scored on: not in any fold, not in the test split."""
    plant(monkeypatch, lambda X, y, _config: Memory(X, y))
    run(tmp_path / "a", data())
    predictions = np.load(tmp_path / "a" / "predictions.npz")

    assert set(predictions["out_of_fold"]) == {1000.0}
    assert set(predictions["test"]) == {1000.0}
    np.testing.assert_allclose(predictions["residual"], data().values[data().folds >= 0] - 1000.0)


def test_each_fold_is_trained_on_all_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold's model sees the training rows of the other folds, the final one all training rows; none a test row."""
    seen: list[set[int]] = []

    def train(X: NDArray[Any], y: NDArray[Any], config: ModelConfig) -> Memory:
        seen.append({int(number) for number in X[:, 0]})
        return Memory(X, y)

    plant(monkeypatch, train)
    run(tmp_path / "a", data())
    train_rows = {row for row in range(30) if row % 6 != 5}

    assert seen == [*({row for row in train_rows if row % 3 != fold} for fold in range(3)), train_rows]


def test_spans_of_time_are_chained_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold's model sees what is older alone; the oldest span is trained on, predicted unseen, and never scored."""
    numbers = np.arange(30)
    spans = np.array([OLDEST, 0, 1, 2, TEST_FOLD])[numbers // 6]
    what = TrainingData(numbers[:, None].astype(np.float32), numbers.astype(float), spans)
    seen: list[set[int]] = []

    def train(X: NDArray[Any], y: NDArray[Any], config: ModelConfig) -> Memory:
        seen.append({int(number) for number in X[:, 0]})
        return Memory(X, y)

    plant(monkeypatch, train)
    scores = run(tmp_path / "a", what)
    predictions = np.load(tmp_path / "a" / "predictions.npz")

    rows = [set(range(6 * span, 6 * span + 6)) for span in range(5)]
    before = [set().union(*rows[:count]) for count in (1, 2, 3)]
    assert seen == [rows[1] | rows[2] | rows[3], *before, before[2] | rows[3]]
    assert len(scores["cv"]["mae"]["folds"]) == 3
    assert scores["rows"] == {"train": 24, "test": 6}
    assert len(predictions["out_of_fold"]) == len(predictions["residual"]) == 24
    assert set(predictions["raw"]) == {1000.0}


def test_the_test_split_does_not_reach_fold_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other values in the test split change its own score and nothing else."""
    plant(monkeypatch, lambda _X, y, _config: ConstantModel(float(np.mean(y))))
    first = data()
    other = TrainingData(first.X, np.where(first.folds < 0, 777.0, first.values), first.folds)
    one, two = run(tmp_path / "a", first), run(tmp_path / "b", other)

    assert one["cv"] == two["cv"]
    assert one["test"] != two["test"]
    kept = [np.load(tmp_path / name / "predictions.npz") for name in "ab"]
    for array in ("out_of_fold", "test", "residual"):
        np.testing.assert_array_equal(kept[0][array], kept[1][array])


def test_scores_are_those_of_the_folds(tmp_path: Path) -> None:
    """The naive model's scores are what its means give by hand, per fold, with mean and spread; all is on disk."""
    what = data()
    scores = run(tmp_path / "a", what, name="naive")
    by_hand = [
        float(
            np.mean(
                np.abs(what.values[what.folds == fold] - what.values[(what.folds >= 0) & (what.folds != fold)].mean())
            )
        )
        for fold in range(3)
    ]

    assert scores["cv"]["mae"]["folds"] == pytest.approx(by_hand)
    assert scores["cv"]["mae"]["mean"] == pytest.approx(np.mean(by_hand))
    assert scores["cv"]["mae"]["std"] == pytest.approx(np.std(by_hand))
    assert scores["rows"] == {"train": 25, "test": 5}
    assert set(scores["cv"]) == set(scores["test"]) == set(METRICS["regression"])
    assert json.loads((tmp_path / "a" / "scores.json").read_text(encoding="utf-8")) == scores
    assert scores["ms_per_molecule"] >= 0
    assert load_model(tmp_path / "a" / "model").predict(what.X[:1]) == pytest.approx(
        what.values[what.folds >= 0].mean()
    )


def test_predictions_are_in_the_endpoints_unit(tmp_path: Path) -> None:
    """With log10 the model learns the exponent, and predictions and scores are in the unit; residuals are not."""
    what = data([10.0 ** (row % 3) for row in range(30)])
    target = Target(task="regression", transform="log10", upper=5.0)
    run(tmp_path / "a", what, target, name="naive")
    predictions = np.load(tmp_path / "a" / "predictions.npz")

    assert predictions["test"].max() <= 5.0
    assert predictions["out_of_fold"].min() > 0
    assert np.abs(predictions["residual"]).max() <= 2.0


def test_log10_of_a_value_that_is_not_positive_is_an_error(tmp_path: Path) -> None:
    """Zero under log10 is a TrainingError that says so, before anything is fitted or written."""
    with pytest.raises(TrainingError, match="log10 needs positive values"):
        run(
            tmp_path / "a",
            data([float(row) for row in range(30)]),
            Target(task="regression", transform="log10"),
            "naive",
        )
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    """The model and how many rows are named, and nothing is written."""
    plant(monkeypatch, lambda _X, _y, _config: SimpleNamespace(predict=lambda X: np.where(X[:, 0] < 6, bad, 0.0)))

    with pytest.raises(TrainingError, match="planted: 2 of 10 predictions are not finite numbers"):
        run(tmp_path / "a", data())
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize(
    ("predict", "shape"),
    [
        (lambda X: np.zeros((len(X), 1)), r"\(10, 1\)"),
        (lambda X: np.zeros(len(X) - 1), r"\(9,\)"),
        (lambda _X: np.float64(0), r"\(\)"),
        (lambda _X: [0.0], r"\(1,\)"),
    ],
)
def test_predictions_of_a_wrong_shape_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predict: Any, shape: str
) -> None:
    """One number per row is expected, and what came is said; broadcasting hides nothing."""
    plant(monkeypatch, lambda _X, _y, _config: SimpleNamespace(predict=predict))

    with pytest.raises(TrainingError, match=f"planted: expected 10 predictions, got an array of shape {shape}"):
        run(tmp_path / "a", data())


def test_a_model_that_saves_another_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved must predict what was fitted."""

    def train(X: NDArray[Any], y: NDArray[Any], config: ModelConfig) -> Memory:
        model = Memory(X, y)
        model.predict = lambda X: np.zeros(len(X))  # type: ignore[method-assign]
        return model

    plant(monkeypatch, train)
    with pytest.raises(
        TrainingError, match="the saved model predicts otherwise than the fitted one: they differ by 1e"
    ):
        run(tmp_path / "a", data())


def test_a_fold_without_a_class_is_one_clear_error(tmp_path: Path) -> None:
    """When all of a class is in one fold, nothing can be learned for it: the error says what to do."""
    values = [float(row % 3 == 0) for row in range(30)]

    with pytest.raises(TrainingError, match="all 15 rows that fold 0 trains on are of class 0: expected both classes"):
        run(tmp_path / "a", data(values), BINARY, name="naive")


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_the_task_comes_from_the_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task) -> None:
    """Whatever the configuration says, the recipe receives the endpoint's task."""
    tasks: set[str] = set()

    def train(X: NDArray[Any], y: NDArray[Any], config: ModelConfig) -> ConstantModel:
        tasks.add(config.task)
        return ConstantModel(0.5)

    plant(monkeypatch, train)
    run(tmp_path / "a", data([float(row % 2) for row in range(30)], folds=5), Target(task=task))

    assert tasks == {task}


def test_training_twice_gives_the_same(tmp_path: Path) -> None:
    """Equal arguments, equal scores and predictions: nothing depends on the time or the folder."""
    generator = np.random.default_rng(0)
    X = generator.poisson(1, (60, 8)).astype(np.float32)
    what = TrainingData(X, (X[:, 0] + X[:, 1]).astype(np.float64), np.arange(60) % 4 - 1)
    from model_zoo.models import rf

    config = rf.Config(n_estimators=20, max_features=1.0)
    for name in "ab":
        (tmp_path / name).mkdir()
    one, two = (train_and_score("rf", config, REGRESSION, what, tmp_path / name) for name in "ab")

    assert (one["cv"], one["test"]) == (two["cv"], two["test"])
    assert (tmp_path / "a/model/model.onnx").read_bytes() == (tmp_path / "b/model/model.onnx").read_bytes()
    assert one["cv"]["r2"]["mean"] > 0.2


def test_every_metric_has_a_direction() -> None:
    """Each metric of each task is known to the contest."""
    assert set(HIGHER_IS_BETTER) == {metric for metrics in METRICS.values() for metric in metrics}


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_perfect_predictions_have_perfect_scores(task: Task) -> None:
    """A perfect model has the best value of each metric."""
    expected = np.array([0.0, 1.0, 1.0, 0.0, 1.0])

    assert score(task, expected, expected) == pytest.approx(
        {metric: float(HIGHER_IS_BETTER[metric]) for metric in METRICS[task]}
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_scores_as_a_guess(value: float) -> None:
    """With one class only, AUROC is 0.5 and AUPRC the share of class 1."""
    scores = score("binary", np.full(4, value), np.array([0.1, 0.4, 0.6, 0.9]))

    assert (scores["auroc"], scores["auprc"]) == (0.5, value)


def test_constants_have_no_rank() -> None:
    """Spearman of constant predictions or constant values is 0, and so is R2 where nothing varies."""
    values = np.array([1.0, 2.0, 3.0])

    assert score("regression", values, np.full(3, 2.0))["spearman"] == 0.0
    flat = score("regression", np.full(3, 2.0), values)
    assert (flat["spearman"], flat["r2"]) == (0.0, 0.0)


numbers = st.floats(-1e6, 1e6)


@given(pairs=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_regression_scores_are_always_finite(pairs: list[tuple[float, float]]) -> None:
    """Whatever is predicted, a fold of one row included, every metric is a number."""
    expected, predicted = (np.array(column) for column in zip(*pairs, strict=True))

    assert all(np.isfinite(value) for value in score("regression", expected, predicted).values())


@given(pairs=st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=1, max_size=8))
def test_binary_scores_are_always_in_range(pairs: list[tuple[float, float]]) -> None:
    """Whatever is predicted, every metric is in [0, 1]."""
    expected, predicted = (np.array(column) for column in zip(*pairs, strict=True))

    assert all(0 <= value <= 1 for value in score("binary", expected, predicted).values())


def test_bounds_are_learnt_from_and_never_scored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a bound says changes no score, on folds or test split, and a model is fitted on it."""
    seen: list[float] = []

    def train(X: NDArray[Any], y: NDArray[Any], config: ModelConfig) -> Any:
        seen.extend(y.tolist())
        return ConstantModel(0.0)

    plant(monkeypatch, train)
    what = data()
    exact = np.arange(30) % 4 != 3
    results = [
        run(tmp_path / str(bound), TrainingData(what.X, np.where(exact, what.values, bound), what.folds, exact))
        for bound in (55.0, -777.0)
    ]

    assert results[0]["cv"] == results[1]["cv"]
    assert results[0]["test"] == results[1]["test"]
    assert results[0]["test"]["mae"] == pytest.approx(np.abs(what.values[(what.folds < 0) & exact]).mean())
    assert {55.0, -777.0} <= set(seen)


def test_a_fold_of_bounds_alone_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing could be scored there: the error says what to do."""
    plant(monkeypatch, Memory)
    what = data()

    with pytest.raises(TrainingError, match=r"all 10 values of fold 1 are bounds such as `<5`.*censored: drop"):
        run(tmp_path / "a", TrainingData(what.X, what.values, what.folds, what.folds != 1))


def test_what_a_prediction_costs_is_processor_time_without_what_others_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting costs nothing, and work of other threads that meets some of the measurements does not count."""
    used, calls = 0, 0

    class Busy:
        def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
            nonlocal used, calls
            calls += 1
            used += 1_000_000 if calls % 2 else 90_000_000  # every other time somebody else works too
            return np.zeros(len(X))

        def save(self, folder: Path) -> None:
            raise NotImplementedError

    monkeypatch.setattr(time, "process_time_ns", lambda: used)
    monkeypatch.setattr(time, "perf_counter", lambda: pytest.fail("no clock tells what a prediction costs"))
    assert latency_ms(Busy(), np.zeros((3, 2))) == 1.0
