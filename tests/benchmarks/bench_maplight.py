"""Does our run of MapLight give MapLight's published figures?

Fits the reference recipe of `model_zoo/benchmark/maplight.py` with seeds 1 to 5 on the official files, and prints by
how many published standard deviations its mean is off. `python -m tests.benchmarks.bench_maplight FOLDER [SET ...]`,
all 21 sets with a published figure when none is named. Each seed goes over all sets before the next one begins, and one
that is in the results is not fitted again: what is broken off has some seeds of every set.
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
    for seed in range(1, SEEDS + 1):
        for name in names or published:
            before = kept().get(name, {})
            if len(before.get("scores", [])) < seed:
                result = reproduced(Path(folder) / name, index[name], published[name], before)
                text = json.dumps({**kept(), name: result}, indent=1, sort_keys=True)
                RESULTS.write_text(f"{text}\n", encoding="utf-8")
                print(name, result, flush=True)


def kept() -> dict[str, Any]:
    """Read what was found before."""
    return dict(json.loads(RESULTS.read_bytes())) if RESULTS.exists() else {}


def reproduced(
    folder: Path, described: dict[str, str], published: dict[str, str], before: dict[str, Any]
) -> dict[str, Any]:
    """Fit with the first seed that is missing; give the scores, and how many published deviations their mean is off."""
    metric = METRIC_NAMES[described["metric"]]
    task: Task = "binary" if TASKS[described["task"]] == "binary" else "regression"
    train, (smiles, expected) = read(folder / "train_val.csv"), read(folder / "test.csv")
    scores, began = list(before.get("scores", [])), time.process_time()
    theirs, spread = float(published["maplight"]), float(published["maplight_std"])
    logarithmic = folder.name in maplight.LOGARITHMIC
    (predicted,) = maplight.predict(train, smiles, task, [len(scores) + 1], logarithmic=logarithmic)
    scores.append(round(score(task, expected, predicted)[metric], 6))
    mean, deviation = mean_and_deviation(scores)
    return {
        "metric": metric,
        "scores": scores,
        "mean": mean,
        "std": deviation,
        "published": theirs,
        "published_std": spread,
        "deviations": round(abs(mean - theirs) / max(spread, LEAST_DEVIATION), 2),
        "processor_s": round(before.get("processor_s", 0.0) + time.process_time() - began, 1),
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
