"""Fit one model on one dataset, and score it fairly.

Belongs here: the one procedure that every trained model goes through (folds, final fit, one look at the test
split) and the folder it leaves.
Does not belong here: models, tracking, choosing a champion.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.metrics import METRICS, score
from model_zoo.model_formats import Model, load_model
from model_zoo.models import get
from model_zoo.models._base import ModelConfig
from model_zoo.targets import Target

LATENCY_ROWS = 20


@dataclass(frozen=True)
class TrainingData:
    """What a model may learn from.

    Attributes
    ----------
    X
        `n x d` features of every molecule of the snapshot, test split included.
    values
        `n` values in the endpoint's unit.
    folds
        `n` fold numbers, -1 in the test split.
    """

    X: NDArray[Any]
    values: NDArray[np.float64]
    folds: NDArray[np.int_]


def train_and_score(name: str, config: ModelConfig, target: Target, data: TrainingData, folder: Path) -> dict[str, Any]:
    """Fit a model on every fold and on all training rows, score it, and write it.

    The test split is predicted once, by the final model, and reported; nothing here chooses anything by it.

    Parameters
    ----------
    name, config
        The model and its hyper-parameters.
    target
        Task and scale of the endpoint.
    data
        Features, values and folds.
    folder
        An existing, empty folder. Receives `model/`, `scores.json` and `predictions.npz` (`out_of_fold` for the
        training rows, `test` for the test rows, in row order, in the endpoint's unit; `residual` on the scale of
        training).

    Returns
    -------
    dict
        The content of `scores.json`: per metric the fold scores, their mean and standard deviation (`cv`) and the
        test score (`test`); rows, seconds, and milliseconds to predict one molecule from its features.

    Raises
    ------
    TrainingError
        When a prediction is not finite, a saved model predicts something else than the fitted one, or there is only
        one class to learn from.
    """
    recipe = get(name)
    config = config.model_copy(update={"task": target.task})
    try:
        y = target.to_training(data.values)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    started = time.perf_counter()
    train = data.folds >= 0
    raw = np.full(len(y), np.nan)
    fold_scores: list[dict[str, float]] = []
    for fold in range(int(data.folds.max()) + 1):
        fitted, held_out = train & (data.folds != fold), data.folds == fold
        _require_both_classes(target, y[fitted], fold)
        raw[held_out] = _finite(recipe.train(data.X[fitted], y[fitted], config), data.X[held_out], name)
        fold_scores.append(score(target.task, data.values[held_out], target.to_unit(raw[held_out])))
    model = recipe.train(data.X[train], y[train], config)
    raw[~train] = _finite(model, data.X[~train], name)
    seconds = time.perf_counter() - started
    (folder / "model").mkdir()
    model.save(folder / "model")
    saved = load_model(folder / "model")
    _require_same(saved, data.X[~train], raw[~train], name)
    predicted = target.to_unit(raw)
    scores: dict[str, Any] = {
        "cv": {
            metric: {
                "folds": [fold[metric] for fold in fold_scores],
                "mean": float(np.mean([fold[metric] for fold in fold_scores])),
                "std": float(np.std([fold[metric] for fold in fold_scores])),
            }
            for metric in METRICS[target.task]
        },
        "test": score(target.task, data.values[~train], predicted[~train]),
        "rows": {"train": int(train.sum()), "test": int((~train).sum())},
        "train_s": round(seconds, 3),
        "ms_per_molecule": _latency_ms(saved, data.X),
    }
    np.savez(
        folder / "predictions.npz",
        out_of_fold=predicted[train],
        test=predicted[~train],
        residual=y[train] - raw[train],
    )
    (folder / "scores.json").write_text(json.dumps(scores, allow_nan=False) + "\n", encoding="utf-8")
    return scores


def _require_both_classes(target: Target, y: NDArray[np.float64], fold: int) -> None:
    if target.task == "binary" and len(np.unique(y)) < 2:
        raise TrainingError(
            f"all {len(y)} rows that fold {fold} trains on are of class {y[0]:g}: expected both classes. Add "
            "measurements of the other class, use fewer folds, or split at random."
        )


def _finite(model: Model, X: NDArray[Any], name: str) -> NDArray[np.float64]:
    predicted = np.asarray(model.predict(X), dtype=np.float64)
    if predicted.shape != (len(X),):
        raise TrainingError(f"{name}: expected {len(X)} predictions, got an array of shape {predicted.shape}")
    if not np.all(np.isfinite(predicted)):
        bad = int((~np.isfinite(predicted)).sum())
        raise TrainingError(f"{name}: {bad} of {len(X)} predictions are not finite numbers")
    return predicted


def _require_same(saved: Model, X: NDArray[Any], expected: NDArray[np.float64], name: str) -> None:
    difference = float(np.max(np.abs(saved.predict(X) - expected) / np.maximum(1.0, np.abs(expected)), initial=0.0))
    if not difference <= 1e-3:
        raise TrainingError(f"{name}: the saved model predicts otherwise than the fitted one: {difference:.3g}")


def _latency_ms(model: Model, X: NDArray[Any]) -> float:
    """Median over single rows: what one molecule costs beside its features."""
    times = []
    for row in range(min(LATENCY_ROWS, len(X))):
        begun = time.perf_counter()
        model.predict(X[row : row + 1])
        times.append(time.perf_counter() - begun)
    return round(float(np.median(times)) * 1000, 4)
