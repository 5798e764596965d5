"""Scores of predictions, by one name each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Task

HIGHER_IS_BETTER: dict[str, bool] = {
    "mae": False,
    "rmse": False,
    "r2": True,
    "spearman": True,
    "auroc": True,
    "auprc": True,
    "brier": False,
}
METRICS: dict[Task, tuple[str, ...]] = {
    "regression": ("mae", "rmse", "r2", "spearman"),
    "binary": ("auroc", "auprc", "brier"),
}


def score(task: Task, expected: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """Score `n` predictions by every metric of the task.

    Parameters
    ----------
    task
        `regression`, or `binary` with probabilities of class 1 in `predicted`.
    expected, predicted
        `n` values each, in the endpoint's unit.

    Returns
    -------
    dict
        A finite number per metric. Where a metric is undefined it takes the value of a constant guess: Spearman 0
        for constant predictions, AUROC 0.5 and AUPRC the share of class 1 where only one class is present.

    Examples
    --------
    >>> score("regression", np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))["mae"]
    0.3333333333333333
    """
    from sklearn import metrics

    if task == "regression":
        from scipy.stats import spearmanr

        constant = np.ptp(predicted) == 0 or np.ptp(expected) == 0
        r2 = float(metrics.r2_score(expected, predicted)) if len(expected) > 1 and np.ptp(expected) else 0.0
        return {
            "mae": float(metrics.mean_absolute_error(expected, predicted)),
            "rmse": math.sqrt(metrics.mean_squared_error(expected, predicted)),
            "r2": r2 if math.isfinite(r2) else 0.0,  # a spread too small to be divided by
            "spearman": 0.0 if constant else float(spearmanr(expected, predicted).statistic),
        }
    share = float(expected.mean())
    both = 0 < share < 1
    return {
        "auroc": float(metrics.roc_auc_score(expected, predicted)) if both else 0.5,
        "auprc": float(metrics.average_precision_score(expected, predicted)) if both else share,
        "brier": float(np.mean((expected - predicted) ** 2)),
    }
