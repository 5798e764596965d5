"""What does each way of dividing a programme promise of the same molecules? Biogen's assays under four splits.

`xgb` predicts the molecules that are in a fold under every split (random, scaffold, cluster, and the order of their
identifiers in place of dates, of which the file has none) once under each, having seen nothing of that fold, and the
errors are compared. The test splits take no part. `python -m tests.benchmarks.bench_splits FOLDER [KIND ...]`,
FOLDER being that of `ADME_public_set_3521.csv`: fits what is not kept in `AIDRUG_HOME` of the named kinds, all of them
when none is named; a minute of processor time for each kind. Then `python -m tests.benchmarks.programme_report`.
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

from tests.benchmarks.bench_programme import HOME, JUDGED, Predicted, Programme, change

RESULTS = Path(__file__).parent / "results" / "splits.json"
FILE, DAY, FIRST = "ADME_public_set_3521.csv", "day", date(2000, 1, 1)
KINDS = ("random", "scaffold", "cluster", "time")
MODEL = "xgb"


def main() -> None:
    """Predict under each split, and compare once all is there."""
    folder, *chosen = sys.argv[1:]
    dated = with_days(Path(folder) / FILE, HOME / "programme" / "by_identifier")
    programmes = {kind: of_kind(kind, Path(folder), dated) for kind in KINDS}
    for kind in chosen or KINDS:
        _, seconds = programmes[kind].predicted(MODEL, fit=True)
        print(f"{kind}: {seconds:.0f} s of processor time", flush=True)
    if made := compared(programmes):
        RESULTS.write_text(f"{json.dumps(made, indent=1, sort_keys=True)}\n", encoding="utf-8")
        print(json.dumps(made, indent=1))


def of_kind(kind: str, folder: Path, dated: Path) -> Programme:
    """Return the assays, divided by one kind of split."""
    return Programme(dated, kind, date_column=DAY) if kind == "time" else Programme(folder, kind)


def with_days(file: Path, folder: Path) -> Path:
    """Write the table anew with a day for each row, in the order of the identifiers `Mol1`, `Mol2`; give the folder."""
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
    """Return the errors of each assay under each split, of the molecules that all of them predict; nothing before all
    are predicted.
    """
    raw = {kind: each.predicted(MODEL)[0] for kind, each in programmes.items()}
    errors: dict[str, dict[str, float]] = {}
    missed: dict[str, Predicted] = {}
    kin: dict[str, NDArray[np.int_]] = {}
    cluster = programmes["cluster"]
    for name in JUDGED:
        values = {kind: each.values_of(name) for kind, each in programmes.items()}
        same = sorted(set.intersection(*(set(each) for each in values.values())))
        truth = np.array([values["random"][smiles] for smiles in same])
        kin[name] = cluster.groups[[cluster.rows[smiles] for smiles in same]]
        missed[name] = {}
        for kind, programme in programmes.items():
            predicted, place = raw[kind], list(programme.group.datasets).index(name)
            if predicted is None:
                return {}
            missed[name][kind] = np.abs(predicted[[programme.rows[smiles] for smiles in same], place] - truth)
        errors[name] = {kind: round(float(each.mean()), 4) for kind, each in missed[name].items()}
    return {
        "errors": errors,
        "rows": {name: len(each) for name, each in kin.items()},
        "learnt_from": {kind: {name: each.learnt_from(name) for name in JUDGED} for kind, each in programmes.items()},
        "against_random": {
            kind: change(missed, kin, dict.fromkeys(JUDGED, "random"), kind, 1) for kind in KINDS if kind != "random"
        },
    }


if __name__ == "__main__":
    main()
