"""What a prediction costs, and what its features do."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import numpy as np

from model_zoo import featurizers
from model_zoo.chemistry.stored_molecules import StoredMolecules
from model_zoo.features.blocks import JoinedBlocks
from model_zoo.fitted_models.formats import Model
from model_zoo.type_aliases import Numbers

LATENCY_ROWS = 20
LATENCY_REPEATS = 5


def latency_ms(model: Model, X: Numbers | JoinedBlocks) -> float:
    """Return the processor time of one molecule beside its features: the median over single rows, each at its best.

    Not time by the clock: on a busy machine that elects the model that was measured in a quiet moment.
    """
    return round(float(np.median([_best_ms(model, X[row : row + 1]) for row in range(min(LATENCY_ROWS, len(X)))])), 4)


def featurizing_ms(features: Collection[str], smiles: Sequence[str]) -> dict[str, float]:
    """Return the processor time of each featurizer for one of some molecules, at its best of several times.

    Parameters
    ----------
    features
        Names of featurizers.
    smiles
        Standardised SMILES; `LATENCY_ROWS` of them, evenly chosen, are featurized together.

    Examples
    --------
    >>> list(featurizing_ms(["erg"], ["CCO", "c1ccccc1"]))
    ['erg']
    """
    step = max(1, len(smiles) // LATENCY_ROWS)
    molecules = list(StoredMolecules(list(smiles)[::step][:LATENCY_ROWS]))
    found = {}
    for name in sorted(features):
        featurizer = featurizers.get(name)
        featurizer.featurize(molecules[:1])  # tables that are made once
        best = np.inf
        for _ in range(LATENCY_REPEATS):
            begun = time.process_time_ns()
            featurizer.featurize(molecules)
            best = min(best, time.process_time_ns() - begun)
        found[name] = round(float(best) / 1e6 / max(1, len(molecules)), 4)
    return found


def _best_ms(model: Model, X: Numbers) -> float:
    """Measure several times: what other threads of the process do meanwhile only adds to it."""
    best = np.inf
    for _ in range(LATENCY_REPEATS):
        begun = time.process_time_ns()
        model.predict(X)
        best = min(best, time.process_time_ns() - begun)
    return float(best) / 1e6
