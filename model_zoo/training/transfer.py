"""Auxiliary endpoints: what was measured at other endpoints, for models that learn from them too.

No molecule of a model's own endpoint is ever among them, neither one it trains on nor a test molecule: a score over
folds or on the test split is that of molecules nobody measured anything on. Molecules are told apart by the skeleton
of their InChIKey, so that another stereoisomer or charge counts as the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.dataset import Dataset
from model_zoo.data.folds import training_rows
from model_zoo.data.splits import CONNECTIVITY
from model_zoo.data.targets import Target
from model_zoo.models import Trainer, get
from model_zoo.models._auxiliary import Auxiliary
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import training_values


@dataclass(frozen=True)
class AuxiliaryDataset:
    """Another endpoint as it is: its scale of training, its snapshot, and the `n x d` features of its molecules."""

    name: str
    target: Target
    dataset: Dataset
    X: NDArray[Any]


def prepared(recipe: str, config: ModelConfig, own: Dataset, others: Iterable[AuxiliaryDataset]) -> Trainer:
    """Let a recipe learn from other endpoints before it is trained on one; return what trains with that.

    Parameters
    ----------
    recipe, config
        A recipe that offers `prepare`, and its hyper-parameters.
    own
        The snapshot that it will be trained on.
    others
        The auxiliary endpoints.
    """
    hidden = frozenset(skeletons(own))
    trainer: Trainer = get(recipe).prepare(config, [_apart(other, hidden) for other in others])
    return trainer


def skeletons(dataset: Dataset) -> list[str]:
    """Say of each molecule of a snapshot how its atoms are connected."""
    return [str(key)[:CONNECTIVITY] for key in dataset.table["inchikey"]]


def _apart(other: AuxiliaryDataset, hidden: frozenset[str]) -> Auxiliary:
    """Return the training rows of another endpoint without the molecules that must not be seen."""
    keys = skeletons(other.dataset)
    kept = training_rows(other.dataset.folds) & np.array([key not in hidden for key in keys], dtype=bool)
    rows = np.flatnonzero(kept)
    y = training_values(other.target, other.dataset.values)[rows]
    return Auxiliary(other.name, other.target.task, tuple(keys[row] for row in rows), other.X[rows], y)
