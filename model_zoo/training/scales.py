"""The two scales of scores: that of training, and the endpoint's own unit.

An error in the unit of a quantity that spans decades is an error of its largest values: in one set of clearances, one
molecule in twenty carried four fifths of the squared error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.dataset import Dataset
from model_zoo.data.folds import training_rows
from model_zoo.data.targets import Target
from model_zoo.metrics import score
from model_zoo.selection.scores import OnScale, Scale, Scores, Spread
from model_zoo.training.cross_validation import TrainingData, Validated, scored


def validated_for_training(raw: NDArray[np.float64], target: Target, data: TrainingData) -> Validated:
    """Score out-of-fold predictions on the scale of training, as they are served: cut to the endpoint's bounds.

    Parameters
    ----------
    raw
        `n` predictions on the scale of training.
    target
        Task and scale of the endpoint.
    data
        Values in the endpoint's unit, and folds; the features are not looked at.
    """
    y = target.to_training(data.values)
    plain = Target(task=target.task)
    return scored(_served(raw, target), plain, TrainingData(data.X, y, data.folds, data.exact))


def score_both(scores: Scores, target: Target, scale: Scale, snapshot: Path, trained: Path) -> Scores:
    """Score a trained model on both scales.

    Parameters
    ----------
    scores
        What `train_and_score` gave: `cv` and `test` in the endpoint's unit.
    target, scale
        Task and scale of the endpoint, and the scale that decides.
    snapshot, trained
        The folders of the snapshot and of the trained model.

    Returns
    -------
    Scores
        The scores, with `cv` and `test` on the scale that decides, `scale`, and both in `scales`.
    """
    unit = OnScale(cv=scores.cv, test=scores.test)
    training = unit
    if target.transform != "identity":
        measured = Dataset.load(snapshot)
        with np.load(trained / "predictions.npz", allow_pickle=False) as predictions:
            raw = np.asarray(predictions["raw"], dtype=np.float64)
        data = TrainingData(np.empty((len(raw), 0)), measured.values, measured.folds, measured.exact)
        scored_rows = ~training_rows(data.folds) & data.scored
        y, served = target.to_training(data.values), _served(raw, target)
        folds = validated_for_training(raw, target, data).summary()
        training = OnScale(
            cv={metric: Spread.model_validate(spread) for metric, spread in folds.items()},
            test=score(target.task, y[scored_rows], served[scored_rows]),
        )
    scales = {"unit": unit, "training": training}
    shown = scales[scale]
    return scores.model_copy(update={"cv": shown.cv, "test": shown.test, "scale": scale, "scales": scales})


def scale_words(scale: Scale, target: Target, unit: str) -> str:
    """Name a scale for people.

    Examples
    --------
    >>> scale_words("training", Target(task="regression", transform="log10"), "mL/min/kg")
    'log10 of mL/min/kg'
    >>> scale_words("unit", Target(task="regression"), "logBB")
    'logBB'
    """
    return unit if scale == "unit" or target.transform == "identity" else f"{target.transform} of {unit}"


def _served(raw: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """Return predictions as people get them, brought back to the scale of training."""
    return target.to_training(target.to_unit(raw))
