"""What a prediction costs beside its features."""

from __future__ import annotations

import time

import numpy as np

from model_zoo.fitted_models.formats import Model
from model_zoo.type_aliases import Numbers

LATENCY_ROWS = 20
LATENCY_REPEATS = 5


def latency_ms(model: Model, X: Numbers) -> float:
    """Give the processor time of one molecule beside its features: the median over single rows, each at its best.

    Not time by the clock: on a busy machine that elects whoever was measured in a quiet moment.
    """
    return round(float(np.median([_best_ms(model, X[row : row + 1]) for row in range(min(LATENCY_ROWS, len(X)))])), 4)


def _best_ms(model: Model, X: Numbers) -> float:
    """Measure several times: what other threads of the process do meanwhile only adds to it."""
    best = np.inf
    for _ in range(LATENCY_REPEATS):
        begun = time.process_time_ns()
        model.predict(X)
        best = min(best, time.process_time_ns() - begun)
    return float(best) / 1e6
