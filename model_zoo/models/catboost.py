"""Gradient-boosted oblivious trees (CatBoost) on molecular features.

Source: Prokhorenkova et al., NeurIPS 2018; on fingerprints and descriptors as in MapLight (Notwell & Wood,
arXiv 2310.00174), made cheaper: a fifth of the columns per split and 64 borders. Fitted by CatBoost, kept and served
as arrays (see `model_zoo/fitted_models/oblivious_trees.py`), so that nothing but numpy is needed to predict.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from model_zoo.fitted_models.formats import ConstantModel, Model, require_equal
from model_zoo.fitted_models.oblivious_trees import ObliviousModel
from model_zoo.models._base import ModelConfig
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Numbers

CHECKED_ROWS = 256
TOLERANCE = 1e-9
"""Of the largest value."""


class Config(ModelConfig):
    """Hyper-parameters; the names are CatBoost's."""

    iterations: int = Field(default=1000, ge=1)
    depth: int = Field(default=6, ge=1, le=12)
    learning_rate: float | None = Field(default=None, gt=0)
    """CatBoost's own choice by the number of rows and iterations when omitted."""
    l2_leaf_reg: float = Field(default=3.0, ge=0)
    random_strength: float = Field(default=2.0, ge=0)
    rsm: float = Field(default=0.2, gt=0, le=1)
    border_count: int = Field(default=64, ge=1, le=65535)
    loss: Literal["RMSE", "MAE"] = "RMSE"
    """What a regression minimises; a binary model always minimises the log loss."""


def train(X_train: Numbers, y_train: Numbers, config: Config) -> Model:
    """Fit boosted trees on `n x d` features and convert them; equal values give a constant.

    Raises
    ------
    TrainingError
        When the arrays do not predict what the booster predicts.
    """
    import catboost

    if np.ptp(y_train) == 0:  # CatBoost refuses to learn from equal values
        return ConstantModel(float(y_train[0]))
    binary = config.task == "binary"
    X = X_train.astype(np.float32, copy=False)
    family = catboost.CatBoostClassifier if binary else catboost.CatBoostRegressor
    booster = family(
        **config.model_dump(exclude={"task", "seed", "loss"}),
        loss_function="Logloss" if binary else config.loss,
        random_seed=config.seed,
        thread_count=-1,
        allow_writing_files=False,
        verbose=False,
    )
    learnt = standardised(y_train, config.task)
    booster.fit(X, y_train.astype(int) if binary else learnt.values)
    model = _arrays(booster, log_odds=binary, center=learnt.center, scale=learnt.scale)
    sample = X[:CHECKED_ROWS]
    expected = booster.predict_proba(sample)[:, 1] if binary else learnt.center + learnt.scale * booster.predict(sample)
    require_equal(model, sample, expected, TOLERANCE * learnt.size, "CatBoost")
    return model


def _arrays(booster: Any, *, log_odds: bool, center: float = 0.0, scale: float = 1.0) -> ObliviousModel:
    """Take a booster's trees out of the file that CatBoost writes for other programs; predict `center + scale` x."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        content = json.loads(path.read_bytes())
    columns = [each["flat_feature_index"] for each in content["features_info"]["float_features"]]
    trees = content["oblivious_trees"]
    depth = max((len(tree["splits"] or []) for tree in trees), default=0)
    feature = np.zeros((len(trees), depth), dtype=np.int32)
    border = np.full((len(trees), depth), np.inf, dtype=np.float32)
    leaf = np.zeros((len(trees), 2**depth))
    own_scale, start = content["scale_and_bias"]
    for row, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"] or []):
            feature[row, level], border[row, level] = columns[split["float_feature_index"]], split["border"]
        leaf[row, : len(tree["leaf_values"])] = tree["leaf_values"]
    begin = center + scale * float(np.ravel(start)[0])
    return ObliviousModel(feature, border, scale * own_scale * leaf, begin, log_odds=log_odds)
