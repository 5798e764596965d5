"""The naive baseline: the mean of the training values (binary: the share of class 1).

Every other model must beat it to become champion.
"""

from __future__ import annotations

import numpy as np

from model_zoo.fitted_models.formats import ConstantModel
from model_zoo.models._base import ModelConfig
from model_zoo.type_aliases import Numbers


class Config(ModelConfig):
    """The baseline has no hyper-parameters."""


def train(X_train: Numbers, y_train: Numbers, config: Config) -> ConstantModel:
    """Learn the mean.

    Examples
    --------
    >>> train(np.zeros((2, 1)), np.array([1.0, 3.0]), Config()).value
    2.0
    """
    return ConstantModel(float(np.mean(y_train)))
