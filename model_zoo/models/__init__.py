"""The zoo: one module per model, found by its name.

Belongs here: looking a model up. Does not belong here: imports of single models. They are found by name at
run time, so that a change to one model reaches no other model's signature.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import ConfigError
from model_zoo.fitted_models.formats import Model
from model_zoo.models._base import ModelConfig

_NOT_MODELS = "_"


class Recipe(Protocol):
    """What a module in this package offers, unless it is an ensemble.

    It may offer `require_rows(count, config)` too, which refuses what `train` could not fit before any fold is fitted.
    """

    Config: type[ModelConfig]
    """The hyper-parameters, with defaults; what `config:` in the model's YAML is validated against."""

    def train(self, X_train: NDArray[Any], y_train: NDArray[Any], config: Any) -> Model:
        """Fit on `n x d` features and `n` values; deterministic for equal arguments. Binary: both classes occur."""


class Ensemble(Protocol):
    """What a module offers that makes one model of several trained ones."""

    Config: type[ModelConfig]

    def fit_weights(self, P: NDArray[np.float64], y: NDArray[np.float64], config: Any) -> NDArray[np.float64]:
        """Give `m` shares, none negative, that sum to one, from `n x m` out-of-fold predictions and `n` values."""


def names() -> list[str]:
    """List every model, by file name, without importing any."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith(_NOT_MODELS))


def _is_known(name: str) -> bool:
    """Say whether a name is among them, by one look at its file: configurations ask a thousand times."""
    return name.isidentifier() and not name.startswith(_NOT_MODELS) and Path(__file__).with_name(f"{name}.py").is_file()


def get(name: str) -> Any:
    """Find a model by its name: a `Recipe` or an `Ensemble`. Importing its module imports no training library.

    Raises
    ------
    ConfigError
        When no module has that name, or it cannot be imported or is no recipe.

    Examples
    --------
    >>> get("naive").Config().seed
    0
    """
    if not _is_known(name):
        raise ConfigError(
            f"unknown model {name!r}: expected one of {', '.join(names())}, the files in model_zoo/models/"
        )
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except Exception as error:  # whatever a file that is being edited may raise
        raise ConfigError(f"model_zoo/models/{name}.py: cannot be imported: {type(error).__name__}: {error}") from error
    if not (hasattr(module, "Config") and (hasattr(module, "train") or hasattr(module, "fit_weights"))):
        raise ConfigError(f"model_zoo/models/{name}.py: expected `Config` and `train`, the two parts of a recipe")
    return module
