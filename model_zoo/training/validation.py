"""What no model can learn from, said in plain words.

Wherever a model is trained, this is wrapped around the fit. It changes no number, so no signature covers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from model_zoo import models
from model_zoo.data.folds import training_rows
from model_zoo.data.targets import Target
from model_zoo.errors import AidrugError, TrainingError
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import TrainingData, training_values

LARGEST = float(np.finfo(np.float32).max)
PART = 10_000
LEAST_SPREAD = 1e-5
"""Of the largest value: a narrower spread is a few hundred steps of single precision, or none."""


@contextmanager
def plain_errors(
    name: str, target: Target, data: TrainingData, require_rows: Callable[[int], None] = lambda count: None
) -> Iterator[None]:
    """Wrap the fit of a model: every fault is reported with what was expected, what came, and what to do.

    Parameters
    ----------
    name
        The model's name.
    target, data
        What it is fitted on; an ensemble's features, which nobody looks at, may have no columns.
    require_rows
        Given how many rows the final fit has: refuses what it could not fit, before the folds are.

    Raises
    ------
    TrainingError
        When values or features are not finite or leave the range of `float32`, in which models are served; or with a
        library's own words, when the fit raised something that is no error of ours.
    """
    train = training_rows(data.folds)
    _require_single_precision(name, target, data)
    require_rows(int(train.sum()))
    try:
        yield
    except (AidrugError, MemoryError):
        raise
    except Exception as error:
        X, y = data.X[train], data.values[train]
        varying = int((X[:1] != X).any(axis=0).sum()) if X.size else 0
        advice = ""
        if X.size and not varying:
            advice = "; expected features that differ: choose featurizers that distinguish these molecules"
        elif len(np.unique(y)) == 1:
            advice = "; expected values that differ: there is nothing to learn"
        message = str(error).strip().partition("\n")[0]
        raise TrainingError(
            f"{name}: its library raised {type(error).__name__}: {message} (given {len(y)} molecules, of whose "
            f"{X.shape[1]} features {varying} differ between molecules, and values from {y.min():g} to {y.max():g})"
            f"{advice}"
        ) from error


def row_limit(recipe: str, config: ModelConfig) -> Callable[[int], None]:
    """Return what refuses a number of rows that a recipe could not fit."""
    module = models.get(recipe)

    def require_rows(count: int) -> None:
        if isinstance(module, models.LimitsRows):
            module.require_rows(count, config)

    return require_rows


@contextmanager
def plain_joint_errors(name: str) -> Iterator[None]:
    """Wrap the fit of a joint model, as `plain_errors` does one of a single endpoint."""
    try:
        yield
    except (AidrugError, MemoryError):
        raise
    except Exception as error:
        message = str(error).strip().partition("\n")[0]
        raise TrainingError(f"{name}: its library raised {type(error).__name__}: {message}") from error


def _require_single_precision(name: str, target: Target, data: TrainingData) -> None:
    y = np.abs(training_values(target, data.values[training_rows(data.folds)]))
    if y.size and not y.max() <= LARGEST:
        came = "a value that is no finite number" if not np.isfinite(y.max()) else f"{y.max():g}"
        raise TrainingError(
            f"{name}: expected values up to {LARGEST:g} on the scale of training, got {came}: models are served in "
            "single precision. Use a unit of another size, or `transform: log10`."
        )
    spread = float(np.ptp(training_values(target, data.values[training_rows(data.folds)]))) if y.size else 0.0
    if 0 < spread < LEAST_SPREAD * y.max():
        raise TrainingError(
            f"{name}: expected values that differ by more than {LEAST_SPREAD:g} of their size, got ones up to "
            f"{y.max():g} that differ by {spread:.3g}: models are served in single precision. Subtract an offset in "
            "the file, and say so in the endpoint's unit."
        )
    count, rows, columns = 0, 0, np.zeros(data.X.shape[1], dtype=bool)
    for start in range(0, len(data.X), PART):  # a mask of all of X would take as much as X
        wrong = ~(np.abs(data.X[start : start + PART]) <= LARGEST)  # NaN compares false
        if wrong.any():
            count, rows = count + int(wrong.sum()), rows + int(wrong.any(axis=1).sum())
            columns |= wrong.any(axis=0)
    if count:
        raise TrainingError(
            f"{name}: expected finite features up to {LARGEST:g}, got {count} others in {rows} of {len(data.X)} "
            f"molecules, first in column {int(columns.argmax())}: a featurizer must replace what has no value."
        )
