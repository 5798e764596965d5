"""Gradient-boosted oblivious trees (CatBoost) on molecular features.

Source: Prokhorenkova et al., NeurIPS 2018; on fingerprints and descriptors as in MapLight (Notwell & Wood,
arXiv 2310.00174), made cheaper: a fifth of the columns per split and 64 borders. Fitted by CatBoost, kept and served
as ONNX, so that nothing but ONNX Runtime is needed to predict.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.model_formats import ConstantModel, Model, OnnxModel
from model_zoo.models._base import ModelConfig

CHECKED_ROWS = 256
TOLERANCE = 1e-4


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


def train(X_train: NDArray[Any], y_train: NDArray[Any], config: Config) -> Model:
    """Fit boosted trees on `n x d` features and convert them; equal values give a constant.

    Raises
    ------
    TrainingError
        When the ONNX graph does not predict what the booster predicts.
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
    booster.fit(X, y_train.astype(int) if binary else y_train)
    model = OnnxModel(_graph(booster), "probabilities" if binary else "predictions", column=1 if binary else 0)
    sample = X[:CHECKED_ROWS]
    expected = booster.predict_proba(sample)[:, 1] if binary else booster.predict(sample)
    model.require_equal(sample, expected, TOLERANCE, "CatBoost")
    return model


def _graph(booster: Any) -> bytes:
    """Convert a booster to ONNX, its probabilities as a matrix instead of a list of mappings."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        booster.save_model(str(path), format="onnx")
        model = onnx.load_model_from_string(path.read_bytes())
    graph = model.graph
    zipmap = next((node for node in graph.node if node.op_type == "ZipMap"), None)
    if zipmap is not None:
        (trees,) = (node for node in graph.node if zipmap.input[0] in node.output)
        trees.output[list(trees.output).index(zipmap.input[0])] = zipmap.output[0]
        graph.node.remove(zipmap)
    for output in graph.output:
        shape = ("n", 2) if output.name == "probabilities" else ("n", 1)
        if output.name in ("probabilities", "predictions"):
            output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, shape))
    # CatBoost writes the time of training into the file: equal models are equal files without it.
    del model.metadata_props[:]
    return bytes(model.SerializeToString())
