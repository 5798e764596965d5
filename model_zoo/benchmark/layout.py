"""A file of measurements as one more set of a benchmark folder.

The split: molecules with one scaffold (Bemis-Murcko, without chirality) stay together, those without a ring are each
their own group. Groups go to `train_val` from the largest to the smallest (of equal ones, the one that appears first)
while they fit in 0.8 of the molecules; the others are the test rows. So the test rows are rare scaffolds, and with the
official protocol a model learns from 70 %, leaves 10 % aside, and is scored on 20 %.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_zoo.benchmark.sets import INDEX, METRIC_NAMES
from model_zoo.chemistry.molecules import scaffold
from model_zoo.data.curation import Curation, curate
from model_zoo.data.sources import CsvSource, read_source
from model_zoo.data.splits import CONNECTIVITY
from model_zoo.errors import DataError
from model_zoo.io.files import atomic_write

TRAIN_VAL_FRACTION = 0.8
COLUMNS = ("benchmark", "task", "metric", "y_meaning_or_unit")


@dataclass(frozen=True)
class SetDescription:
    """What a benchmark's index says of a set: a regression on values that are already in the unit to be scored."""

    name: str
    metric: str = "RMSE"
    unit: str = "pIC50"


def lay_out(source: CsvSource, root: Path, folder: Path, description: SetDescription) -> dict[str, int]:
    """Write `<folder>/<name>/train_val.csv` and `test.csv`, and the set's row in the folder's index.

    Parameters
    ----------
    source, root
        Where the measurements are, and the folder that relative names start from. Several measurements of a molecule
        become their median; rows that curation drops are left out.
    folder
        The benchmark folder; made when absent. A set of the same name is replaced.
    description
        The set's row in the index.

    Returns
    -------
    dict
        Numbers of `measurements`, `dropped` rows, `train_val` and `test` molecules.

    Raises
    ------
    DataError
        When the metric is unknown, no row is usable, or one scaffold leaves nothing to test on.
    """
    if METRIC_NAMES.get(description.metric) not in ("mae", "rmse", "spearman"):
        raise DataError(f"expected a metric of MAE, RMSE or Spearman, got {description.metric!r}")
    raw = read_source(source, root)
    unit = description.unit
    table, report = curate(raw, Curation(max_spread=None), task="regression", source_unit=unit, unit=unit)
    texts, values = list(table["smiles"]), list(table["value"])
    train_val, test = scaffold_order_split(texts, list(table["inchikey"]))
    if not (train_val and test):
        raise DataError(f"{description.name}: all {len(texts)} molecules have one scaffold: nothing is left to test on")
    for part, rows in (("train_val", train_val), ("test", test)):
        lines = [(f"{description.name}_{row}", texts[row], f"{values[row]:.12g}") for row in rows]
        _write(folder / description.name / f"{part}.csv", [("Drug_ID", "Drug", "Y"), *lines])
    _index(folder / INDEX, description)
    return {
        "measurements": len(raw),
        "dropped": int((report["action"] == "dropped").sum()),
        "train_val": len(train_val),
        "test": len(test),
    }


def scaffold_order_split(smiles: Sequence[str], inchikeys: Sequence[str]) -> tuple[list[int], list[int]]:
    """Divide rows by scaffold into `train_val` and `test`, each ascending.

    Examples
    --------
    >>> scaffold_order_split(["Cc1ccccc1", "CC1CC1", "CCc1ccccc1", "c1ccccc1", "C1CCC1"], ["a", "b", "c", "d", "e"])
    ([0, 1, 2, 3], [4])
    """
    from rdkit import Chem

    groups: dict[str, list[int]] = {}
    for row, (text, key) in enumerate(zip(smiles, inchikeys, strict=True)):
        label = scaffold(Chem.MolFromSmiles(text)) or key[:CONNECTIVITY]
        groups.setdefault(label, []).append(row)
    room = int(TRAIN_VAL_FRACTION * len(smiles))
    train_val: list[int] = []
    test: list[int] = []
    for group in sorted(groups.values(), key=lambda rows: (-len(rows), rows[0])):
        (train_val if len(train_val) + len(group) <= room else test).extend(group)
    return sorted(train_val), sorted(test)


def _index(path: Path, description: SetDescription) -> None:
    kept: list[tuple[str, ...]] = []
    if path.is_file():
        with path.open(encoding="utf-8-sig", newline="") as stream:
            kept = [tuple(row.get(column) or "" for column in COLUMNS) for row in csv.DictReader(stream)]
    mine = (description.name, "regression", description.metric, description.unit)
    _write(path, [COLUMNS, *(row for row in kept if row[0] != description.name), mine])


def _write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    atomic_write(path, text.getvalue().encode())
