"""Do boosters gain from what is predicted of a molecule at the sister endpoints? Biogen's assays over new chemistry.

`xgb` learns each assay from its features, and once more with a column for each other assay: a kernel ridge's prediction
of it. These are out of fold by molecule: what is predicted of a molecule that is learnt from comes of a model that saw
neither its fold nor the one held out, and what is predicted of one held out of a model that saw nothing of its fold, at
any endpoint. A third fit has the assay's own prediction too, which tells sisters from a second opinion. The test split
takes no part. `python -m tests.benchmarks.bench_stacking FOLDER KIND`, FOLDER being that of `ADME_public_set_3521.csv`
and KIND `cluster` or `scaffold`; four minutes of processor time for each. Then `python -m
tests.benchmarks.programme_report`.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo import models
from model_zoo.featurizers import rdkit_descriptors
from model_zoo.models._columns import Columns
from model_zoo.models._covariance import Block
from tests.benchmarks.bench_programme import JUDGED, Predicted, Programme, Values, change

RESULTS = Path(__file__).parent / "results" / "stacking.json"
BOOSTER = "xgb"
ADDED = ("sisters", "sisters and itself")
NOISE = 0.3
"""Of the ridge, as a share of the values' variance."""


def main() -> None:
    """Fit, compare, and write the result."""
    folder, kind = sys.argv[1:]
    programme = Programme(Path(folder), kind)
    began = time.process_time()
    plain, _ = programme.predicted(BOOSTER, fit=True)
    assert plain is not None
    spec = programme.models[BOOSTER]
    X, Y, folds = programme.features(spec), programme.Y, programme.folds
    known = nested(kernel(X), Y, folds)
    missed: dict[str, Predicted] = {}
    kin: dict[str, NDArray[np.int_]] = {}
    own = {}
    for place, name in enumerate(programme.group.datasets):
        if name not in JUDGED:
            continue
        there = np.isfinite(Y[:, place]) & (folds >= 0)
        raw = {BOOSTER: plain[:, place]}
        sisters = [each for each in range(Y.shape[1]) if each != place]
        for title, columns in zip(ADDED, (sisters, [*sisters, place]), strict=True):
            raw[title] = np.full(len(Y), np.nan)
            for fold in range(len(known)):
                wide = np.hstack([X, known[fold][:, columns]]).astype(np.float32)
                fitted, inside = there & (folds != fold), folds == fold
                model = models.get(spec.recipe).train(wide[fitted], Y[fitted, place], spec.settings())
                raw[title][inside] = model.predict(wide[inside])
        missed[name] = {title: np.abs(each - Y[:, place])[there] for title, each in raw.items()}
        kin[name] = programme.groups[there]
        own[name] = {title: round(float(each.mean()), 4) for title, each in missed[name].items()}
        print(name, own[name], f"{time.process_time() - began:.0f} s", flush=True)
    against = dict.fromkeys(JUDGED, BOOSTER)
    found = {
        "errors": own,
        "judged": {
            f"{title}, {metric}": change(missed, kin, against, title, power)
            for title in ADDED
            for power, metric in ((1, "mae"), (2, "rmse"))
        },
    }
    kept = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    RESULTS.write_text(f"{json.dumps({**kept, kind: found}, indent=1, sort_keys=True)}\n", encoding="utf-8")
    print(json.dumps(found["judged"], indent=1))


def kernel(X: Values) -> Values:
    """Return the `n x n` covariances of molecules: they fall with the distance of what a network would read."""
    measures = len(rdkit_descriptors.NAMES)
    blocks = [Block(columns=X.shape[1] - measures), Block(columns=measures, distance="rank")]
    Z = Columns.of(X, blocks).scaled(X).astype(np.float64)
    squares = (Z**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * Z @ Z.T, 0))
    return np.asarray(np.exp(-distance / np.median(distance)))


def nested(K: Values, Y: Values, folds: NDArray[np.int_]) -> Values:
    """Return `k x n x t` ridge predictions: for each fold held out, of all molecules that are in a fold.

    The prediction of a molecule comes of a model that learnt neither from the fold held out nor from its own.
    """
    count = int(folds.max()) + 1
    known = np.full((count, *Y.shape), np.nan)
    for task in range(Y.shape[1]):
        for first, second in [*combinations(range(count), 2), *((fold, fold) for fold in range(count))]:
            rows = np.flatnonzero(np.isfinite(Y[:, task]) & (folds >= 0) & ~np.isin(folds, [first, second]))
            center = Y[rows, task].mean()
            ridge = K[np.ix_(rows, rows)] + NOISE * np.eye(len(rows))
            weights = np.linalg.solve(ridge, Y[rows, task] - center)
            for held_out, own in {(first, second), (second, first)}:
                mine = folds == own
                known[held_out, mine, task] = center + K[np.ix_(mine, rows)] @ weights
    return known


if __name__ == "__main__":
    main()
