"""How do errors fall with the number of measurements? Two of Biogen's assays over folds of new chemistry.

Each model learns from some of the values, drawn at random, each draw within the next larger one, and predicts all
molecules of each fold that it saw nothing of; the blend's shares are learnt from predictions of drawn values alone.
The test split takes no part. `python -m tests.benchmarks.bench_learning FOLDER KIND VALUES ...`, FOLDER being that of
`ADME_public_set_3521.csv`, KIND `cluster` or `scaffold`, and VALUES how many are kept in all folds together; one to
three minutes of processor time for each. Then `python -m tests.benchmarks.programme_report`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from model_zoo import models
from tests.benchmarks.bench_programme import Programme, blended, change

RESULTS = Path(__file__).parent / "results" / "learning.json"
MODELS, BLEND = ("rf", "xgb", "catboost", "gp"), "blend"
ASSAYS = ("biogen_hlm", "biogen_solubility")


def main() -> None:
    """Fit, and write the result of each number of values as soon as it is there."""
    folder, kind, *counts = sys.argv[1:]
    programme = Programme(Path(folder), kind)
    for count in map(int, counts):
        found = learnt(programme, count)
        known = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
        of_kind = {**known.get(kind, {}), str(count): found}
        RESULTS.write_text(f"{json.dumps({**known, kind: of_kind}, indent=1, sort_keys=True)}\n", encoding="utf-8")
        print(count, json.dumps(found), flush=True)


def learnt(programme: Programme, count: int) -> dict[str, Any]:
    """Return the errors of all models that learnt from so many values of an assay."""
    began, found, missed, kin = time.process_time(), {}, {}, {}
    for name in ASSAYS:
        y = programme.Y[:, list(programme.group.datasets).index(name)]
        there, folds = np.isfinite(y) & (programme.folds >= 0), programme.folds
        drawn = np.zeros(len(y), dtype=bool)
        drawn[np.random.default_rng(0).permutation(np.flatnonzero(there))[:count]] = True
        P = np.full((len(y), len(MODELS)), np.nan)
        for place, model in enumerate(MODELS):
            spec = programme.models[model]
            X, recipe = programme.features(spec), models.get(spec.recipe)
            for fold in range(int(folds.max()) + 1):
                fitted, inside = drawn & (folds != fold), there & (folds == fold)
                P[inside, place] = recipe.train(X[fitted], y[fitted], spec.settings()).predict(X[inside])
        raw = blended(P[there], y[there], folds[there], "MAE", drawn[there])
        each = {**dict(zip(MODELS, P[there].T, strict=True)), BLEND: raw}
        missed[name] = {model: np.abs(predicted - y[there]) for model, predicted in each.items()}
        kin[name] = programme.groups[there]
        found[name] = {model: round(float(one.mean()), 4) for model, one in missed[name].items()}
    best = {name: min(MODELS, key=lambda model: found[name][model]) for name in ASSAYS}
    return {
        "errors": found,
        "values": {name: min(count, len(each)) for name, each in kin.items()},
        "blend": change(missed, kin, best, BLEND, 1),
        "processor_s": round(time.process_time() - began, 1),
    }


if __name__ == "__main__":
    main()
