"""Do targets that need no measurement help a joint model, above all where little was measured? Biogen's assays.

`mlp_joint` learns the four large assays from some of their values, drawn at random, with and without what describes a
molecule as targets beside them (`auxiliary`), and predicts all molecules of each fold that it saw nothing of. The test
split takes no part. `python -m tests.benchmarks.bench_auxiliary FOLDER KIND VALUES [WEIGHT ...]`, FOLDER being that of
`ADME_public_set_3521.csv`, KIND `cluster` or `scaffold`, and VALUES how many of each assay are kept in all folds
together; two minutes of processor time for 250 of them. Then `python -m tests.benchmarks.programme_report`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from model_zoo.training.joint import JointData, cross_validate_jointly
from tests.benchmarks.bench_programme import JOINT, JUDGED, Predicted, Programme, change

RESULTS = Path(__file__).parent / "results" / "auxiliary.json"
WEIGHTS = ("0", "0.5")
"""The first is what the others are compared with."""
EVERY = 1_000_000
"""However many values there are, the weight counts."""


def main() -> None:
    """Fit, compare, and write the result."""
    folder, kind, count, *chosen = sys.argv[1:]
    programme, weights = Programme(Path(folder), kind), chosen or WEIGHTS
    names = list(programme.group.datasets)
    places = [names.index(name) for name in JUDGED]
    spec, Y, folds = programme.models[JOINT], programme.Y[:, places], programme.folds
    there = np.isfinite(Y) & (folds >= 0)[:, None]
    generator, kept = np.random.default_rng(0), np.full(Y.shape, np.nan)
    for place in range(len(JUDGED)):
        rows = np.flatnonzero(there[:, place])
        drawn = generator.choice(rows, min(int(count), len(rows)), replace=False)
        kept[drawn, place] = Y[drawn, place]
    tasks = tuple(programme.endpoints[name].target.task for name in JUDGED)
    data = JointData(programme.features(spec), kept, folds, JUDGED, tasks)
    missed: dict[str, Predicted] = {name: {} for name in JUDGED}
    seconds = {}
    for weight in weights:
        began = time.process_time()
        config = spec.settings().model_copy(update={"auxiliary": float(weight), "auxiliary_until": EVERY})
        raw = cross_validate_jointly(spec.recipe, config, data)
        for place, name in enumerate(JUDGED):
            missed[name][weight] = np.abs(raw[:, place] - Y[:, place])[there[:, place]]
        seconds[weight] = round(time.process_time() - began, 1)
        print(weight, {name: round(float(missed[name][weight].mean()), 4) for name in JUDGED}, seconds[weight])
    kin = {name: programme.groups[there[:, place]] for place, name in enumerate(JUDGED)}
    against = dict.fromkeys(JUDGED, weights[0])
    found = {
        "errors": {
            name: {weight: round(float(each.mean()), 4) for weight, each in of_weights.items()}
            for name, of_weights in missed.items()
        },
        "judged": {
            f"{weight}, {metric}": change(missed, kin, against, weight, power)
            for weight in weights[1:]
            for power, metric in ((1, "mae"), (2, "rmse"))
        },
        "processor_s": seconds,
    }
    known = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    text = json.dumps({**known, f"{kind}, {count}": found}, indent=1, sort_keys=True)
    RESULTS.write_text(f"{text}\n", encoding="utf-8")
    print(json.dumps(found["judged"], indent=1))


if __name__ == "__main__":
    main()
