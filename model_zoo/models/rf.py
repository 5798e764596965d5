"""Random forest on molecular features.

Source: Breiman, Machine Learning 2001, 45, 5. Fitted by scikit-learn, kept and served as ONNX: the same forest
answers single rows about 40 times as fast there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.fitted_models.formats import OnnxModel
from model_zoo.models._base import ModelConfig
from model_zoo.models._tree_graph import rescale_leaves
from model_zoo.models._values import standardised

CHECKED_ROWS = 256
TOLERANCE = 1e-4
"""Of the largest value: ONNX sums float32 leaves where scikit-learn sums float64 ones."""


class Config(ModelConfig):
    """Hyper-parameters; the names are scikit-learn's."""

    n_estimators: int = Field(default=200, ge=1)
    max_features: float = Field(default=0.1, gt=0, le=1)
    min_samples_leaf: int = Field(default=1, ge=1)
    max_depth: int | None = None


def train(X_train: NDArray[Any], y_train: NDArray[Any], config: Config) -> OnnxModel:
    """Fit a forest on `n x d` features and convert it.

    Raises
    ------
    TrainingError
        When the ONNX graph does not predict what the forest predicts.
    """
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    settings = config.model_dump(exclude={"task", "seed"})
    binary = config.task == "binary"
    family = RandomForestClassifier if binary else RandomForestRegressor
    forest = family(**settings, random_state=config.seed, n_jobs=-1)
    learnt = standardised(y_train, config.task)
    forest.fit(X_train, y_train.astype(int) if binary else learnt.values)
    options = {"options": {"zipmap": False}} if binary else {}
    graph = to_onnx(forest, X_train[:1].astype(np.float32), **options)
    if not binary:
        rescale_leaves(graph, learnt.center, learnt.scale)
    output = "probabilities" if binary else "variable"
    model = OnnxModel(graph.SerializeToString(), output, column=1 if binary else 0)
    sample = X_train[:CHECKED_ROWS]
    expected = forest.predict_proba(sample)[:, 1] if binary else learnt.center + learnt.scale * forest.predict(sample)
    model.require_equal(sample, expected, TOLERANCE * learnt.size, "scikit-learn")
    return model
