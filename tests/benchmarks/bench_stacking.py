"""Do boosters gain from what is predicted of a molecule at the sister endpoints? Biogen's assays over new chemistry.

A kernel ridge predicts each assay out of fold by molecule: what is said of a molecule that is learnt from comes of a
model that saw neither its fold nor the one held out, and of a molecule held out of a model that saw nothing of its
fold, at any endpoint. Shallow boosted trees then correct the ridge, from its own prediction of the assay, and once more
from its predictions of all assays: the difference is what the sisters add. The test split takes no part. `python -m
tests.benchmarks.bench_stacking FOLDER KIND`, FOLDER being that of `ADME_public_set_3521.csv` and KIND `cluster` or
`scaffold`; a minute of processor time for each. Then `python -m tests.benchmarks.programme_report`.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import combinations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo import models
from model_zoo.featurizers import rdkit_descriptors
from model_zoo.models._columns import Columns
from model_zoo.models._covariance import Block
from tests.benchmarks.bench_programme import JUDGED, Predicted, Programme, Values, change

RESULTS = Path(__file__).parent / "results" / "stacking.json"
RIDGE, ITSELF, SISTERS = "ridge", "itself", "itself and sisters"
SHALLOW = {"n_estimators": 120, "max_depth": 3, "learning_rate": 0.04, "min_child_weight": 20, "colsample_bytree": 1}
NOISE = 0.3
"""Of the ridge, as a share of the values' variance."""


def main() -> None:
    """Fit, compare, and write the result."""
    folder, kind = sys.argv[1:]
    programme, began = Programme(Path(folder), kind), time.process_time()
    Y, folds, recipe = programme.Y, programme.folds, models.get("xgb")
    known, config = nested(kernel(programme), Y, folds), recipe.Config(**SHALLOW)
    missed: dict[str, Predicted] = {}
    kin: dict[str, NDArray[np.int_]] = {}
    for place, name in enumerate(programme.group.datasets):
        if name not in JUDGED:
            continue
        y, there = Y[:, place], np.isfinite(Y[:, place]) & (folds >= 0)
        raw = {title: np.full(len(y), np.nan) for title in (RIDGE, ITSELF, SISTERS)}
        for fold, predicted in enumerate(known):
            fitted, inside, own = there & (folds != fold), folds == fold, predicted[:, place]
            raw[RIDGE][inside] = own[inside]
            for title, columns in ((ITSELF, [place]), (SISTERS, list(range(Y.shape[1])))):
                model = recipe.train(predicted[fitted][:, columns], (y - own)[fitted], config)
                raw[title][inside] = own[inside] + model.predict(predicted[inside][:, columns])
        missed[name] = {title: np.abs(each - y)[there] for title, each in raw.items()}
        kin[name] = programme.groups[there]
    against = dict.fromkeys(JUDGED, ITSELF)
    found = {
        "errors": {
            name: {title: round(float(each.mean()), 4) for title, each in of_titles.items()}
            for name, of_titles in missed.items()
        },
        "judged": {metric: change(missed, kin, against, SISTERS, power) for power, metric in ((1, "mae"), (2, "rmse"))},
        "processor_s": round(time.process_time() - began, 1),
    }
    kept = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    RESULTS.write_text(f"{json.dumps({**kept, kind: found}, indent=1, sort_keys=True)}\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def kernel(programme: Programme) -> Values:
    """Return the `n x n` covariances of molecules: they fall with the distance of what a network would read."""
    X = programme.features(programme.models["gp"])
    measures = len(rdkit_descriptors.NAMES)
    blocks = [Block(columns=X.shape[1] - measures), Block(columns=measures, distance="rank")]
    Z = Columns.of(X, blocks).scaled(X).astype(np.float64)
    squares = (Z**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * Z @ Z.T, 0))
    return np.asarray(np.exp(-distance / np.median(distance)))


def ridge(K: Values, y: Values, fitted: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Values:
    """Predict some molecules from others, of which some have a value."""
    rows = np.flatnonzero(np.isfinite(y) & fitted)
    center = y[rows].mean()
    weights = np.linalg.solve(K[np.ix_(rows, rows)] + NOISE * np.eye(len(rows)), y[rows] - center)
    return np.asarray(center + K[np.ix_(predicted, rows)] @ weights)


def nested(K: Values, Y: Values, folds: NDArray[np.int_]) -> Values:
    """Return `k x n x t` ridge predictions: for each fold held out, of all molecules that are in a fold.

    The prediction of a molecule comes of a model that learnt neither from the fold held out nor from its own.
    """
    count = int(folds.max()) + 1
    known = np.full((count, *Y.shape), np.nan)
    pairs = [*combinations(range(count), 2), *((fold, fold) for fold in range(count))]
    for task, (first, second) in product(range(Y.shape[1]), pairs):
        fitted = (folds >= 0) & ~np.isin(folds, [first, second])
        for held_out, own in {(first, second), (second, first)}:
            known[held_out, folds == own, task] = ridge(K, Y[:, task], fitted, folds == own)
    return known


if __name__ == "__main__":
    main()
