"""Exact Gaussian process with a MinMax kernel on count fingerprints.

Source: Rasmussen & Williams, Gaussian Processes for Machine Learning, MIT Press 2006 (chapters 2 and 5). Noise and
sharpness of the kernel maximise the marginal likelihood; a class is regressed as 0 and 1, and turned into a
probability by a logistic curve through leave-one-out predictions. Fitted by NumPy and SciPy, kept and served as ONNX.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.model_formats import ConstantModel, Model, OnnxModel
from model_zoo.models._kernel import (
    KernelConfig,
    Unary,
    counts_of,
    expansion_graph,
    fitted_logistic,
    kernel,
    rows_to_learn,
)

CHECKED_ROWS = 256
TOLERANCE = 1e-6
NOISES = tuple(float(noise) for noise in np.geomspace(1e-3, 10.0, 13))
"""Variance of the noise over that of the signal, among which the likelihood chooses."""


class Config(KernelConfig):
    """Hyper-parameters; the rest the marginal likelihood chooses."""

    sharpness: tuple[float, ...] = Field(default=(0.0, 1.0, 2.0, 4.0, 8.0), min_length=1)
    """Among these the likelihood chooses: 0 is the kernel itself, more lets only close molecules speak."""
    likelihood_rows: int = Field(default=1000, ge=10)
    """Rows the marginal likelihood looks at, chosen by the seed."""


def train(X_train: NDArray[Any], y_train: NDArray[Any], config: Config) -> Model:
    """Fit on `n x d` counts; equal values give a constant.

    Raises
    ------
    TrainingError
        When there are more rows than `max_rows`, features are no counts, the covariance has no Cholesky factor, or
        the ONNX graph differs.
    """
    from scipy.linalg import cho_solve

    if np.ptp(y_train) == 0:
        return ConstantModel(float(y_train[0]))
    rows = rows_to_learn(len(y_train), config, "gp")
    y = y_train[rows]
    counts = counts_of(X_train[rows], config, "gp")
    bits, sums = Unary.of(counts).bits(counts), counts.sum(axis=1, dtype=np.float64)
    likeness = kernel(bits, bits, (sums, sums))
    mean = float(np.mean(y))
    sharpness, noise = _chosen(likeness, y - mean, config)
    covariance = _sharpened(likeness, sharpness)
    factor = _factor(covariance, noise)
    weights = cho_solve(factor, y - mean)
    logistic = None
    if config.task == "binary":
        precision = np.diagonal(cho_solve(factor, np.eye(len(y))))
        logistic = fitted_logistic(y - weights / precision, y)
    graph = expansion_graph(counts, weights, mean, config, sharpness=sharpness, logistic=logistic)
    model = OnnxModel(graph, "y", column=None)
    raw = covariance[:CHECKED_ROWS] @ weights + mean
    expected = 1 / (1 + np.exp(-(raw * logistic[0] + logistic[1]))) if logistic else raw
    scale = max(1.0, abs(mean), float(np.std(y)))
    model.require_equal(X_train[rows][:CHECKED_ROWS], expected, TOLERANCE * scale, "NumPy")
    return model


def _sharpened(likeness: NDArray[np.float64], sharpness: float) -> NDArray[np.float64]:
    return np.exp(sharpness * (likeness - 1)) if sharpness > 0 else likeness


def _factor(covariance: NDArray[np.float64], noise: float) -> tuple[NDArray[np.float64], bool]:
    from scipy.linalg import LinAlgError, cho_factor

    noisy = covariance.copy()
    noisy[np.diag_indices_from(noisy)] += noise
    try:
        factor, lower = cho_factor(noisy, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise TrainingError(f"gp: the covariance of {len(noisy)} molecules cannot be factored: {error}") from error
    return factor, bool(lower)


def _chosen(likeness: NDArray[np.float64], y: NDArray[np.float64], config: Config) -> tuple[float, float]:
    """Give the sharpness and noise of the highest marginal likelihood, the signal's variance at its best for each."""
    from scipy.linalg import cho_solve

    count = min(len(y), config.likelihood_rows)
    rows = np.sort(np.random.default_rng(config.seed).choice(len(y), count, replace=False))
    part, values = likeness[np.ix_(rows, rows)], y[rows]
    best = (-np.inf, config.sharpness[0], NOISES[-1])
    for sharpness in config.sharpness:
        covariance = _sharpened(part, sharpness)
        for noise in NOISES:
            factor = _factor(covariance, noise)
            signal = float(values @ cho_solve(factor, values)) / count
            likelihood = -0.5 * count * np.log(max(signal, 1e-300)) - float(np.log(np.diagonal(factor[0])).sum())
            best = max(best, (likelihood, sharpness, noise))
    return best[1], best[2]
