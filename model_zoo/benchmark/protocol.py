"""The official protocol of the TDC ADMET benchmark group.

Train and valid of the seed are both learnt from. The protocol divides `train_val.csv` by scaffold for every seed, and
leaves it to the model what it uses the valid part for; together the two parts are all of its readable rows whatever the
seed. No model of the zoo stops early or tunes itself on rows held out here, so the seed goes to the model alone: as in
MapLight, the published scores that the board is compared with.

Source of the protocol: Huang et al., NeurIPS Datasets & Benchmarks 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Target
from model_zoo.errors import TrainingError
from model_zoo.metrics import score
from model_zoo.models import Trainer, get
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import finite_predictions, training_values
from model_zoo.type_aliases import Json, Numbers

MISSING = -1
RESAMPLES = 300


@dataclass(frozen=True)
class OfficialRows:
    """A set's rows as they are in its two files, and where each is in the curated snapshot."""

    train_rows: NDArray[np.int_]
    """The snapshot's row of each of the `m` rows of `train_val.csv`, -1 where curation could not read it."""
    test_rows: NDArray[np.int_]
    """The same for the `t` rows of `test.csv`: every one of them is owed a prediction."""
    test_values: NDArray[np.float64]
    """Their `t` values."""


def predict_test_rows(
    name: str,
    config: ModelConfig,
    target: Target,
    X: Numbers,
    values: NDArray[np.float64],
    rows: OfficialRows,
    trainer: Trainer | None = None,
) -> NDArray[np.float64]:
    """Fit a model on train and valid of a seed, and predict the test rows.

    Parameters
    ----------
    name, config, target
        The model, its hyper-parameters with the seed among them, and the scale it trains on.
    X, values
        Features (`n x d`) and values of the snapshot's rows.
    rows
        The official rows.
    trainer
        What the recipe learnt from other sets, which fits instead of it.

    Returns
    -------
    ndarray
        `t` predictions on the scale of training. A row without a readable structure is given the mean of the training
        values on that scale (binary: the share of class 1).
    """
    y = training_values(target, values)
    picked = rows.train_rows[rows.train_rows != MISSING]
    if target.task == "binary" and len(np.unique(y[picked])) < 2:
        raise TrainingError(f"all {len(picked)} training rows are of one class, expected both")
    model = (trainer or get(name)).train(X[picked], y[picked], config.model_copy(update={"task": target.task}))
    readable = rows.test_rows != MISSING
    raw = np.full(len(readable), float(np.mean(y[picked])))
    raw[readable] = finite_predictions(model, X[rows.test_rows[readable]], name)
    return raw


def score_predictions(
    target: Target, rows: OfficialRows, predictions: Sequence[NDArray[np.float64]], metric: str
) -> dict[str, Json]:
    """Score the predictions of all seeds.

    Parameters
    ----------
    target
        Task and scale.
    rows
        The official rows.
    predictions
        Per seed, `t` predictions on the scale of training.
    metric
        Name of the official metric, as in `metrics.py`.

    Returns
    -------
    dict
        `scores`, one per seed; `interval`, the bootstrap 95 % interval of their mean over the test rows; `train_rows`;
        and `unreadable`, the number of test rows given the mean.
    """
    predicted = [target.to_unit(raw) for raw in predictions]
    return {
        "scores": [round(score(target.task, rows.test_values, values)[metric], 6) for values in predicted],
        "interval": _bootstrap(target, rows.test_values, predicted, metric),
        "train_rows": int((rows.train_rows != MISSING).sum()),
        "unreadable": int((rows.test_rows == MISSING).sum()),
    }


def _bootstrap(
    target: Target, expected: NDArray[np.float64], predictions: Sequence[NDArray[np.float64]], metric: str
) -> list[float]:
    """Return the 2.5th and 97.5th percentile of the mean score when the test rows are drawn again, with replacement."""
    generator = np.random.default_rng(0)
    means = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(expected), len(expected))
        scored = [score(target.task, expected[drawn], predicted[drawn])[metric] for predicted in predictions]
        means.append(float(np.mean(scored)))
    return [round(float(value), 6) for value in np.percentile(means, [2.5, 97.5])]
