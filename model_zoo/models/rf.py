"""Random forest on molecular features.

Source: Breiman, Machine Learning 2001, 45, 5. Fitted by scikit-learn, kept and served as ONNX: the same forest
answers single rows about 40 times as fast there.
"""

from __future__ import annotations

import math
import os

from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import OnnxModel
from model_zoo.models._base import ModelConfig
from model_zoo.models._tree_graph import Forest
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Numbers

CHECKED_ROWS = 256
GRAPH_BYTES = 18
"""Of the ONNX graph, for each tree and row: half of the leaves hold one of the rows that the tree drew. Measured by
`python -m tests.benchmarks.bench_memory`."""
FITTED_BYTES = 500
"""Of memory for the same while the forest is fitted and converted."""
LARGEST_GRAPH = 2**31
"""What a file of protocol buffers can hold."""
TOLERANCE = 1e-4
"""Of the largest value: ONNX sums float32 leaves where scikit-learn sums float64 ones."""


class Config(ModelConfig):
    """Hyper-parameters; the names are scikit-learn's."""

    n_estimators: int = Field(default=200, ge=1)
    max_features: float = Field(default=0.1, gt=0, le=1)
    min_samples_leaf: int = Field(default=1, ge=1)
    max_depth: int | None = None


def require_rows(count: int, config: Config) -> None:
    """Refuse rows of which the forest would be too large to keep, before the first tree is grown."""
    smallest = count if config.max_depth is None else min(count, 2**config.max_depth)
    units = config.n_estimators * smallest / config.min_samples_leaf
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    short = max(units * GRAPH_BYTES / LARGEST_GRAPH, units * FITTED_BYTES / memory)
    if short > 1:
        raise TrainingError(
            f"rf: {config.n_estimators} trees on {count} rows make a graph of about {units * GRAPH_BYTES / 1e9:.1f} GB "
            f"and need {units * FITTED_BYTES / 1e9:.0f} GB of memory to fit; expected at most "
            f"{LARGEST_GRAPH / 1e9:.1f} GB of graph and {memory / 1e9:.0f} GB of memory. Set `min_samples_leaf: "
            f"{math.ceil(config.min_samples_leaf * short)}` for this endpoint, or `max_depth`, or fewer trees."
        )


def train(X_train: Numbers, y_train: Numbers, config: Config) -> OnnxModel:
    """Fit a forest on `n x d` features and convert it.

    Raises
    ------
    TrainingError
        When the ONNX graph does not predict what the forest predicts.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    settings = config.model_dump(exclude={"task", "seed"})
    binary = config.task == "binary"
    family = RandomForestClassifier if binary else RandomForestRegressor
    forest = family(**settings, random_state=config.seed, n_jobs=-1)
    learnt = standardised(y_train, config.task)
    forest.fit(X_train, y_train.astype(int) if binary else learnt.values)
    sample = X_train[:CHECKED_ROWS]
    expected = forest.predict_proba(sample)[:, 1] if binary else learnt.center + learnt.scale * forest.predict(sample)
    trees = Forest.of(forest.estimators_, label=1 if binary else None)
    del forest
    graph = trees.graph(X_train.shape[1], learnt.center, learnt.scale, probability=binary)
    del trees  # each of the three takes as much as the forest itself
    model = OnnxModel(graph, "y", column=None)
    model.require_equal(sample, expected, TOLERANCE * learnt.size, "scikit-learn")
    return model
