"""A weighted mean of other models of the zoo, its weights learnt from their out-of-fold predictions.

Source: stacked regressions (Breiman, Machine Learning 1996, 24, 49): non-negative weights, which keep a blend of
bounded predictions inside the same bounds. They sum to one and are drawn towards equal shares, the more so the fewer
molecules there are: on a few hundred molecules the best weights on paper are mostly luck.

Nothing is fitted again: the members named in the YAML are trained models of their own.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.models._base import ModelConfig

LOSSES = {"mae": "MAE"}
REWEIGHTED = 10
SMALLEST_ERROR = 0.05
"""Of the mean error: smaller ones have no weight."""


class Config(ModelConfig):
    """Hyper-parameters."""

    shrinkage: float = Field(default=100.0, ge=0)
    """How many molecules' worth of errors one unit of squared distance from equal shares costs."""
    smallest_share: float = Field(default=0.03, ge=0, lt=0.5)
    """Members with less than this are left out: they cost time and change nothing."""
    loss: Literal["MSE", "MAE"] = "MSE"
    """What the shares of a regression minimise; `MAE` where the mean absolute error elects and no YAML says otherwise
    (`bench_programme` compares the two)."""


def fit_weights(P: NDArray[np.float64], y: NDArray[np.float64], config: Config) -> NDArray[np.float64]:
    """Return the members' shares, `m` numbers of at least zero that sum to one.

    Parameters
    ----------
    P
        `n x m` out-of-fold predictions of the members, on the scale of training.
    y
        The `n` values, on the same scale.
    config
        Hyper-parameters.

    Examples
    --------
    >>> y = np.arange(4000.0)
    >>> fit_weights(np.column_stack([y, -y]), y, Config()).tolist()
    [1.0, 0.0]
    >>> fit_weights(np.column_stack([y - 1, y - 1]), y, Config()).tolist()
    [0.5, 0.5]
    """
    nearest = _nearest_absolute if config.loss == "MAE" and config.task == "regression" else _nearest
    shares = nearest(P, y, config.shrinkage)
    kept = shares >= config.smallest_share
    result = np.zeros(P.shape[1])
    result[kept] = nearest(P[:, kept], y, config.shrinkage)
    return result


def _nearest_absolute(P: NDArray[np.float64], y: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """Minimise the absolute error in place of the squared one, by weighing squares by the inverse of the last error."""
    shares = np.full(P.shape[1], 1 / P.shape[1])
    for _ in range(REWEIGHTED):
        missed = np.abs(P @ shares - y)
        weights = 1 / np.sqrt(np.maximum(missed, SMALLEST_ERROR * (missed.mean() or 1.0)))
        weights *= np.sqrt(len(y) / np.sum(weights**2))
        shares = _nearest(P * weights[:, None], y * weights, shrinkage)
    return shares


def _nearest(P: NDArray[np.float64], y: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """Minimise the squared error plus the price of leaving equal shares, over shares that sum to one."""
    from scipy.optimize import nnls

    m = P.shape[1]
    errors = P - y[:, None]  # shares sum to one, so the blend's error is the blend of the errors
    scale = float(np.sqrt(np.mean(errors**2))) or 1.0
    price = np.sqrt(shrinkage) * scale * np.eye(m)
    one = 1e4 * np.sqrt(len(y) + shrinkage) * scale * np.ones((1, m))
    A = np.vstack([errors, price, one])
    b = np.concatenate([np.zeros(len(y)), np.full(m, np.sqrt(shrinkage) * scale / m), one[0, :1]])
    shares: NDArray[np.float64] = nnls(A, b)[0]
    shares = np.round(shares / shares.sum(), 6)  # what comes after is noise of the solver, not of the molecules
    shares[np.argmax(shares)] += 1 - shares.sum()
    return shares
