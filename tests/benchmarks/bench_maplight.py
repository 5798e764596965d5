"""Does our run of MapLight give MapLight's published figures?

Fits the reference recipe of `model_zoo/benchmark/maplight.py` with seeds 1 to 5 on the official files, and prints by
how many published standard deviations its mean lies off. `python -m tests.benchmarks.bench_maplight FOLDER [SET ...]`,
all 21 sets with a published figure when none is named; a set that is in the results is not computed again.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.benchmark import maplight
from model_zoo.benchmark.report import mean_and_deviation
from model_zoo.benchmark.sets import METRIC_NAMES, TASKS
from model_zoo.data.targets import Task
from model_zoo.metrics import score

RESULTS = Path(__file__).parent / "results" / "maplight.json"
PUBLISHED = Path(__file__).parent / "published" / "tdc_admet.csv"
SEEDS = 5
LEAST_DEVIATION = 0.0005
"""A published 0.000 is anything below this."""


def main() -> None:
    """Reproduce the sets that are not in the results, and print how far off all of them are."""
    folder, *names = sys.argv[1:]
    published = {row["set"]: row for row in rows(PUBLISHED) if row["maplight"]}
    index = {row["benchmark"]: row for row in rows(Path(folder) / "endpoints.csv")}
    for name in names or published:
        known: dict[str, Any] = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
        if name not in known:
            known[name] = reproduced(Path(folder) / name, index[name], published[name])
            RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(name, known[name], flush=True)


def reproduced(folder: Path, described: dict[str, str], published: dict[str, str]) -> dict[str, Any]:
    """Fit with each seed; give the scores, and how many published deviations their mean is off."""
    metric = METRIC_NAMES[described["metric"]]
    task: Task = "binary" if TASKS[described["task"]] == "binary" else "regression"
    train, (smiles, expected) = read(folder / "train_val.csv"), read(folder / "test.csv")
    logarithmic, began = folder.name in maplight.LOGARITHMIC, time.process_time()
    predicted = maplight.predict(train, smiles, task, range(1, SEEDS + 1), logarithmic=logarithmic)
    scores = [round(score(task, expected, each)[metric], 6) for each in predicted]
    mean, deviation = mean_and_deviation(scores)
    theirs, spread = float(published["maplight"]), float(published["maplight_std"])
    return {
        "metric": metric,
        "scores": scores,
        "mean": mean,
        "std": deviation,
        "published": theirs,
        "published_std": spread,
        "deviations": round(abs(mean - theirs) / max(spread, LEAST_DEVIATION), 2),
        "processor_s": round(time.process_time() - began, 1),
    }


def read(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Read an official file: every row of it."""
    content = rows(path)
    return [row["Drug"] for row in content], np.array([float(row["Y"]) for row in content])


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()
