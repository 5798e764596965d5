"""What does each way of dividing a programme promise of the same molecules? Biogen's assays under four splits.

The kernel ridge of `bench_stacking` predicts the molecules that are in a fold under every split (random, scaffold,
cluster, and the order of their identifiers in place of dates, of which the file has none) once under each, having seen
nothing of that fold, and the errors are compared. The test splits take no part. `python -m
tests.benchmarks.bench_splits FOLDER`, FOLDER being that of `ADME_public_set_3521.csv`; half a minute of processor time.
Then `python -m tests.benchmarks.programme_report`.
"""

from __future__ import annotations

import csv
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.folds import TEST_FOLD, held_out
from tests.benchmarks.bench_programme import HOME, JUDGED, Predicted, Programme, change
from tests.benchmarks.bench_stacking import kernel, ridge

RESULTS = Path(__file__).parent / "results" / "splits.json"
FILE, DAY, FIRST = "ADME_public_set_3521.csv", "day", date(2000, 1, 1)
KINDS = ("random", "scaffold", "cluster", "time")


def main() -> None:
    """Predict under each split, compare, and write the result."""
    folder = Path(sys.argv[1])
    dated = with_days(folder / FILE, HOME / "programme" / "by_identifier")
    programmes = {kind: Programme(folder, kind) for kind in KINDS[:-1]}
    found = compared(programmes | {"time": Programme(dated, "time", date_column=DAY)})
    RESULTS.write_text(f"{json.dumps(found, indent=1, sort_keys=True)}\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def with_days(file: Path, folder: Path) -> Path:
    """Write the table with a day for each row, in the order of the identifiers `Mol1`, `Mol2`; return the folder."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / file.name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], DAY])
        writer.writeheader()
        for row in rows:
            number = int(row["Internal ID"].removeprefix("Mol"))
            writer.writerow({**row, DAY: (FIRST + timedelta(days=number)).isoformat()})
    return folder


def compared(programmes: dict[str, Programme]) -> dict[str, Any]:
    """Return the errors under each split, of the molecules that all of them predict, for each assay that reaches every
    fold of every split.
    """
    cluster = programmes["cluster"]
    K = kernel(cluster)
    # Assays that some split has no place for leave it without their molecules.
    folds = {kind: np.full(len(cluster.rows), TEST_FOLD) for kind in programmes}
    for kind, each in programmes.items():
        folds[kind][[cluster.rows[smiles] for smiles in each.rows]] = each.folds
    errors: dict[str, dict[str, float]] = {}
    missed: dict[str, Predicted] = {}
    kin: dict[str, NDArray[np.int_]] = {}
    names = [name for name in JUDGED if all(name in each.group.datasets for each in programmes.values())]
    for name in names:
        values = {kind: each.values_of(name) for kind, each in programmes.items()}
        same = [cluster.rows[smiles] for smiles in sorted(set.intersection(*(set(each) for each in values.values())))]
        y, kin[name] = cluster.Y[:, list(cluster.group.datasets).index(name)], cluster.groups[same]
        missed[name] = {}
        for kind, of_kind in folds.items():
            raw = np.full(len(y), np.nan)
            for _, fitted, inside in held_out(of_kind):
                raw[inside] = ridge(K, y, fitted, inside)
            missed[name][kind] = np.abs(raw[same] - y[same])
        errors[name] = {kind: round(float(each.mean()), 4) for kind, each in missed[name].items()}
    return {
        "errors": errors,
        "rows": {name: len(each) for name, each in kin.items()},
        "learnt_from": {kind: {name: each.learnt_from(name) for name in names} for kind, each in programmes.items()},
        "against_random": {
            kind: change(missed, kin, dict.fromkeys(names, "random"), kind, 1) for kind in KINDS if kind != "random"
        },
    }


if __name__ == "__main__":
    main()
