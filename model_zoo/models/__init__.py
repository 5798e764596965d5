"""The zoo: one module per model, found by its name.

Belongs here: looking a model up, and what a module may offer, as types. Does not belong here: imports of single models.
They are found by name at run time, so that a change to one model reaches no other model's signature.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Task
from model_zoo.errors import ConfigError
from model_zoo.fitted_models.formats import Model
from model_zoo.models._auxiliary import Auxiliary
from model_zoo.models._base import ModelConfig
from model_zoo.type_aliases import Json, Numbers

_NOT_MODELS = "_"


class Trainer(Protocol):
    """What fits a model: a recipe, or what a recipe has learnt from other endpoints."""

    def train(self, X_train: Numbers, y_train: Numbers, config: Any) -> Model:
        """Fit on `n x d` features and `n` values; deterministic for equal arguments. Binary: both classes occur."""


@runtime_checkable
class Recipe(Trainer, Protocol):
    """What a module in this package offers, unless it is an ensemble."""

    Config: type[ModelConfig]
    """The hyper-parameters, with defaults.

    The section `config` of the model's YAML is validated against it."""


@runtime_checkable
class Ensemble(Protocol):
    """What a module offers that makes one model of several trained ones."""

    Config: type[ModelConfig]

    def fit_weights(self, P: NDArray[np.float64], y: NDArray[np.float64], config: Any) -> NDArray[np.float64]:
        """Return `m` shares, none negative, that sum to one, from `n x m` out-of-fold predictions and `n` values."""


@runtime_checkable
class AimsAtMetric(Protocol):
    """What an ensemble offers besides when it can minimise the very error that elects."""

    LOSSES: Mapping[str, str]
    """By the endpoint's metric, the `loss` of its settings; other metrics leave it as it is."""


@runtime_checkable
class LearnsFromOthers(Protocol):
    """What a recipe offers besides when it learns from other endpoints too."""

    def prepare(self, config: Any, auxiliaries: Sequence[Auxiliary]) -> Trainer:
        """Learn from them first; return what trains with that."""


@runtime_checkable
class LimitsRows(Protocol):
    """What a recipe offers besides when there are row counts that it could not fit."""

    def require_rows(self, count: int, config: ModelConfig) -> None:
        """Refuse what `train` could not fit, before any fold is fitted."""


class JointModel(Protocol):
    """What is fitted on several endpoints at once: one column of predictions for each."""

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Predict `n x t` values from an `n x d` matrix; see `Model` for what a value is."""

    def column(self, place: int) -> Model:
        """Return what predicts one of the endpoints, in a format that a bundle may hold."""


@runtime_checkable
class LearnsJointly(Protocol):
    """What a module offers, in place of `train`, that is fitted once for endpoints that share compounds."""

    Config: type[ModelConfig]

    def train_jointly(
        self, X: Numbers, Y: NDArray[np.float64], tasks: Sequence[Task], config: ModelConfig
    ) -> JointModel:
        """Fit on `n x d` features and `n x t` values, NaN where nothing was measured; the values of each task vary."""


@runtime_checkable
class HasBlocks(Protocol):
    """What a recipe offers besides when its settings say how each block of features is compared."""

    def with_widths(self, settings: Mapping[str, Json], widths: Sequence[int]) -> dict[str, Json]:
        """Say in the settings how many columns each block has, where they do not, from the features' own widths."""


@runtime_checkable
class Pretrained(Protocol):
    """What a recipe, or a featurizer, says when it brings weights that saw measurements."""

    PRETRAINING_DATA: str


@runtime_checkable
class OwnFormat(Protocol):
    """What a recipe offers when no bundle can hold its models."""

    def load(self, folder: Path) -> Model:
        """Read a model that it saved."""


def names() -> list[str]:
    """List every model, by file name, without importing any."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith(_NOT_MODELS))


def _is_known(name: str) -> bool:
    """Return whether a name is among them, by one look at its file: configurations ask a thousand times."""
    return name.isidentifier() and not name.startswith(_NOT_MODELS) and Path(__file__).with_name(f"{name}.py").is_file()


def get(name: str) -> ModuleType:
    """Find a model by its name: a `Recipe`, an `Ensemble` or what `LearnsJointly`.

    Importing its module imports no training library.

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
    if not isinstance(module, Recipe | Ensemble | LearnsJointly):
        raise ConfigError(f"model_zoo/models/{name}.py: expected `Config` and `train`, the two parts of a recipe")
    return module
