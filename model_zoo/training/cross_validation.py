"""Fit one model on one dataset, and score it fairly.

Belongs here: the one procedure that every trained model goes through (folds, final fit, one look at the test
split) and the folder it leaves.
Does not belong here: models, tracking, choosing a champion.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.folds import OLDEST, TEST_FOLD, held_out, training_rows
from model_zoo.data.targets import Target
from model_zoo.errors import TrainingError
from model_zoo.features.blocks import JoinedBlocks
from model_zoo.fitted_models.formats import BlendMember, BlendModel, Model, load_model
from model_zoo.metrics import score
from model_zoo.models import Ensemble, Recipe, Trainer, get
from model_zoo.models._base import ModelConfig
from model_zoo.training.latency import latency_ms
from model_zoo.type_aliases import Json, Numbers

SAME = 1e-3
"""Largest accepted difference between a fitted and a saved model, relative to the largest value."""


@dataclass(frozen=True)
class TrainingData:
    """What a model may learn from."""

    X: NDArray[Any] | JoinedBlocks
    """`n x d` features of every molecule of the snapshot, test split included."""
    values: NDArray[np.float64]
    """`n` values in the endpoint's unit."""
    folds: NDArray[np.int_]
    """`n` fold numbers; see `model_zoo/data/folds.py`."""
    exact: NDArray[np.bool_] | None = None
    """Which of the `n` values were measured; the others are bounds, which are learnt from and never scored. All of them
    when omitted."""

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which of the `n` values predictions are compared with."""
        return np.ones(len(self.values), dtype=bool) if self.exact is None else self.exact


@dataclass(frozen=True)
class Member:
    """A trained model that an ensemble is made of."""

    name: str
    """The model's name."""
    columns: tuple[tuple[int, int], ...]
    """The ranges `(start, stop)` of the ensemble's features that it was fitted on."""
    folder: Path
    """What `train_and_score` wrote of it, on the same data."""


@dataclass(frozen=True)
class Validated:
    """What cross-validation says of a model."""

    raw: NDArray[np.float64]
    """`n` out-of-fold predictions on the scale of training, NaN in the test split."""
    folds: list[dict[str, float]]
    """Per fold, the score by every metric of the task."""
    model: Model | None = None
    """The model that was fitted without the last fold; none of an ensemble."""

    def summary(self) -> dict[str, dict[str, Json]]:
        """Return per metric the fold scores, their mean and their standard deviation."""
        by_metric = {metric: [fold[metric] for fold in self.folds] for metric in self.folds[0]}
        return {
            metric: {"folds": scores, "mean": float(np.mean(scores)), "std": float(np.std(scores))}
            for metric, scores in by_metric.items()
        }


def cross_validate(
    name: str, config: ModelConfig, target: Target, data: TrainingData, trainer: Trainer | None = None
) -> Validated:
    """Fit a model without each fold in turn, and score it there. The test split takes no part.

    A trainer that learnt from other endpoints fits it instead of the recipe of that name.
    """
    require_measured(data)
    trainer, y = trainer or _recipe(name), training_values(target, data.values)
    config = config.model_copy(update={"task": target.task})
    raw = np.full(len(y), np.nan)
    model: Model | None = None
    for fold, fitted, inside in held_out(data.folds):
        _require_both_classes(target, y[fitted], fold)
        model = trainer.train(data.X[fitted], y[fitted], config)
        raw[inside] = finite_predictions(model, data.X[inside], name)
    return scored(raw, target, data, model)


def cross_validate_ensemble(
    recipe: Ensemble, config: ModelConfig, target: Target, P: NDArray[np.float64], data: TrainingData
) -> Validated:
    """Score a weighted mean of out-of-fold predictions, each fold by weights that were learnt from the others.

    Parameters
    ----------
    recipe, config, target
        The ensemble, its hyper-parameters, task and scale.
    P
        `n x m` out-of-fold predictions of the members, on the scale of training.
    data
        Values and folds; the features are not looked at.
    """
    require_measured(data)
    y = training_values(target, data.values)
    config = config.model_copy(update={"task": target.task})
    raw = np.full(len(y), np.nan)
    for _, others, inside in held_out(data.folds):
        raw[inside] = P[inside] @ recipe.fit_weights(P[others], y[others], config)
    return scored(raw, target, data)


def train_and_score(
    name: str,
    config: ModelConfig,
    target: Target,
    data: TrainingData,
    folder: Path,
    members: Sequence[Member] = (),
    trainer: Trainer | None = None,
) -> dict[str, Json]:
    """Fit a model on every fold and on all training rows, score it, and write it.

    An ensemble fits nothing: it weighs its members, which went through this before it.
    The test split is predicted once, by the final model, and reported; nothing here chooses anything by it.

    Parameters
    ----------
    name, config, target
        The model and its hyper-parameters; task and scale of the endpoint.
    data
        Features, values and folds.
    folder
        An existing, empty folder. Receives `model/`, `scores.json` and `predictions.npz` (`out_of_fold` for the
        training rows, `test` for the test rows, in row order, in the endpoint's unit; `residual` of the training rows
        and `raw`, the predictions of all rows, on the scale of training).
    members
        What an ensemble is made of; nothing for other models.
    trainer
        What the recipe learnt from other endpoints, which fits instead of it.

    Returns
    -------
    dict
        The content of `scores.json`: per metric the fold scores, their mean and standard deviation (`cv`) and the
        test score (`test`); rows, seconds, and the processor time of one prediction, in ms.

    Raises
    ------
    TrainingError
        When a prediction is not finite, a saved model predicts something else than the fitted one, or there is only
        one class to learn from.
    """
    started = time.perf_counter()
    y, train = training_values(target, data.values), training_rows(data.folds)
    model: Model
    if members:
        validated, model = _ensemble(name, config, target, data, members)
    else:
        trainer = trainer or _recipe(name)
        validated = cross_validate(name, config, target, data, trainer)
        model = trainer.train(data.X[train], y[train], config.model_copy(update={"task": target.task}))
    raw = validated.raw.copy()
    raw[~train] = finite_predictions(model, data.X[~train], name)
    return keep_trained(name, target, data, replace(validated, raw=raw), model, time.perf_counter() - started, folder)


def keep_trained(
    name: str, target: Target, data: TrainingData, validated: Validated, model: Model, seconds: float, folder: Path
) -> dict[str, Json]:
    """Write a model that was fitted on all training rows, with its predictions and scores, as `train_and_score` says.

    Parameters
    ----------
    name, target, data, folder
        As `train_and_score` takes them.
    validated
        Its scores over folds, and `raw`, which holds its predictions of the test rows too.
    model, seconds
        The model, and what fitting took.
    """
    y, train, raw = training_values(target, data.values), training_rows(data.folds), validated.raw
    (folder / "model").mkdir()
    model.save(folder / "model")
    saved = load_model(folder / "model")
    _require_same(saved, data.X[~train], raw[~train], name, float(np.abs(y).max()))
    predicted = target.to_unit(raw)
    scored_rows = ~train & data.scored
    scores: dict[str, Any] = {
        "cv": validated.summary(),
        "test": score(target.task, data.values[scored_rows], predicted[scored_rows]),
        "rows": {"train": int(train.sum()), "test": int((~train).sum())},
        "train_s": round(seconds, 3),
        "ms_per_molecule": latency_ms(saved, data.X),
    }
    np.savez(
        folder / "predictions.npz",
        out_of_fold=predicted[train],
        test=predicted[~train],
        residual=y[train] - raw[train],
        raw=raw,
    )
    (folder / "scores.json").write_text(json.dumps(scores, allow_nan=False) + "\n", encoding="utf-8")
    return scores


def training_values(target: Target, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring values to the scale of training.

    Raises
    ------
    TrainingError
        When a value has no place on it.
    """
    try:
        return target.to_training(values)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _ensemble(
    name: str, config: ModelConfig, target: Target, data: TrainingData, members: Sequence[Member]
) -> tuple[Validated, BlendModel]:
    """Weigh trained models: by their out-of-fold predictions, and by these alone."""
    recipe, train = get(name), training_rows(data.folds)
    if not isinstance(recipe, Ensemble):
        raise TrainingError(f"{name}: expected no members, it learns by itself")
    saved = [np.load(member.folder / "predictions.npz", allow_pickle=False)["raw"] for member in members]
    if any(len(raw) != len(train) for raw in saved):
        raise TrainingError(f"{name}: expected members trained on the same {len(train)} rows")
    P = np.column_stack(saved)
    validated = cross_validate_ensemble(recipe, config, target, P, data)
    y = training_values(target, data.values)
    weights = recipe.fit_weights(P[train], y[train], config.model_copy(update={"task": target.task}))
    chosen = [
        BlendMember(member.name, float(weight), member.columns, load_model(member.folder / "model"))
        for member, weight in zip(members, weights, strict=True)
        if weight > 0
    ]
    return validated, BlendModel(chosen)


def _recipe(name: str) -> Recipe:
    recipe = get(name)
    if not isinstance(recipe, Recipe):
        raise TrainingError(f"{name}: expected the trained models that it is made of, got none")
    return recipe


def scored(raw: NDArray[np.float64], target: Target, data: TrainingData, model: Model | None = None) -> Validated:
    """Score out-of-fold predictions on the scale of training, fold by fold."""
    predicted = target.to_unit(raw)
    folds = [(data.folds == fold) & data.scored for fold in range(int(data.folds.max()) + 1)]
    return Validated(raw, [score(target.task, data.values[rows], predicted[rows]) for rows in folds], model)


def require_measured(data: TrainingData) -> None:
    """Refuse folds, and a test split, of which nothing can be scored."""
    for fold in np.unique(data.folds[data.folds != OLDEST]):
        inside = data.folds == fold
        if not data.scored[inside].any():
            place = "the test split" if fold == TEST_FOLD else f"fold {fold}"
            raise TrainingError(
                f"all {int(inside.sum())} values of {place} are bounds such as `<5`: expected some that were measured, "
                "for bounds are not scored. Use fewer folds, split at random, or drop bounds (`censored: drop`)."
            )


def _require_both_classes(target: Target, y: NDArray[np.float64], fold: int) -> None:
    if target.task == "binary" and len(np.unique(y)) < 2:
        place = "the oldest span" if fold == OLDEST else f"fold {fold}"
        raise TrainingError(
            f"all {len(y)} rows that {place} trains on are of class {y[0]:g}: expected both classes. Add "
            "measurements of the other class, use fewer folds, or split at random."
        )


def finite_predictions(model: Model, X: Numbers, name: str) -> NDArray[np.float64]:
    """Predict `n` values, on the scale of training.

    Raises
    ------
    TrainingError
        When there is not one finite number per row.
    """
    predicted = np.asarray(model.predict(X), dtype=np.float64)
    if predicted.shape != (len(X),):
        raise TrainingError(f"{name}: expected {len(X)} predictions, got an array of shape {predicted.shape}")
    if not np.all(np.isfinite(predicted)):
        bad = int((~np.isfinite(predicted)).sum())
        raise TrainingError(f"{name}: {bad} of {len(X)} predictions are not finite numbers")
    return predicted


def _require_same(saved: Model, X: Numbers, expected: NDArray[np.float64], name: str, size: float) -> None:
    """Compare on the scale of the values, whose largest is `size`: a bound of one would be a bound in some unit."""
    difference = float(np.max(np.abs(saved.predict(X) - expected), initial=0.0))
    if not difference <= SAME * size:
        raise TrainingError(
            f"{name}: the saved model predicts otherwise than the fitted one: they differ by {difference:.3g}, "
            f"expected at most {SAME * size:.3g}"
        )
