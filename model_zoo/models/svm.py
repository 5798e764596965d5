"""Support vector machine with the MinMax kernel on count fingerprints.

Source: Drucker et al., NeurIPS 1996 (regression), Cortes & Vapnik, Machine Learning 1995, 20, 273; probabilities after
Platt 1999, from decisions on held-out rows. Fitted by scikit-learn, kept and served as ONNX.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.fitted_models.formats import ConstantModel, Model, OnnxModel
from model_zoo.models import _kernel
from model_zoo.models._kernel import (
    KernelConfig,
    Unary,
    counts_of,
    expansion_graph,
    fitted_logistic,
    kernel,
    rows_to_learn,
)
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Numbers

CHECKED_ROWS = 256
TOLERANCE = 1e-6
"""Of the largest value."""
HELD_OUT_PARTS = 3


class Config(KernelConfig):
    """Hyper-parameters; the names are scikit-learn's."""

    recipe: ClassVar = "svm"
    C: float = Field(default=3.0, gt=0)
    epsilon: float = Field(default=0.1, ge=0)
    """Regression: errors up to this share of the values' standard deviation cost nothing."""


require_rows = _kernel.require_rows


def train(X_train: Numbers, y_train: Numbers, config: Config) -> Model:
    """Fit on `n x d` counts; equal values give a constant.

    Raises
    ------
    TrainingError
        When there are more rows than `max_rows`, features are no counts, or the ONNX graph differs.
    """
    if np.ptp(y_train) == 0:
        return ConstantModel(float(y_train[0]))
    rows = rows_to_learn(len(y_train), config)
    y = y_train[rows]
    counts = counts_of(X_train[rows], config)
    bits, sums = Unary.of(counts).bits(counts), counts.sum(axis=1, dtype=np.float64)
    gram = kernel(bits, bits, (sums, sums))
    binary = config.task == "binary"
    learnt = standardised(y, config.task)
    center, scale = learnt.center, learnt.scale
    machine = _fit(gram, learnt.values, config)
    learned, weights = machine.support_, machine.dual_coef_[0] * scale
    intercept = float(machine.intercept_[0]) * scale + center
    logistic = fitted_logistic(_held_out(gram, y, config), y) if binary else None
    graph = expansion_graph(counts[learned], weights, intercept, config, logistic=logistic)
    model = OnnxModel(graph, "y", column=None)
    sample = slice(0, CHECKED_ROWS)
    raw = machine.decision_function(gram[sample]) if binary else machine.predict(gram[sample]) * scale + center
    expected = 1 / (1 + np.exp(-(raw * logistic[0] + logistic[1]))) if logistic else raw
    model.require_equal(X_train[rows][sample], expected, TOLERANCE * learnt.size, "scikit-learn")
    return model


def _fit(gram: NDArray[np.float64], y: NDArray[np.float64], config: Config) -> Any:
    from sklearn.svm import SVC, SVR

    binary = config.task == "binary"
    machine = (
        SVC(C=config.C, kernel="precomputed")
        if binary
        else SVR(C=config.C, epsilon=config.epsilon, kernel="precomputed")
    )
    machine.random_state = config.seed  # else NumPy's global generator is moved, although nothing here is random
    return machine.fit(gram, y.astype(int) if binary else y)


def _held_out(gram: NDArray[np.float64], y: NDArray[np.float64], config: Config) -> NDArray[np.float64]:
    """Return each row a decision by a machine that did not see it; each part holds both classes."""
    part = np.empty(len(y), dtype=int)
    generator = np.random.default_rng(config.seed)
    for label in (0, 1):
        places = np.flatnonzero(y == label)
        part[generator.permutation(places)] = np.arange(len(places)) % HELD_OUT_PARTS
    decisions = np.zeros(len(y))
    for held in range(HELD_OUT_PARTS):
        inside = part != held
        if len(np.unique(y[inside])) == 2:  # else no machine: these rows keep the decision 0
            machine = _fit(gram[np.ix_(inside, inside)], y[inside], config)
            decisions[~inside] = machine.decision_function(gram[np.ix_(~inside, inside)])
    return decisions
