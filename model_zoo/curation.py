"""From raw measurements to one value per molecule, with a reason for every row that did not make it.

Belongs here: the one curation path that every source takes.
Does not belong here: reading files (see `sources.py`), splits (see `splits.py`).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from model_zoo.errors import DataError
from model_zoo.molecules import CURATION_LIMITS, InvalidMolecule, Standardise, molecule_key, parse_molecule
from model_zoo.targets import Task
from model_zoo.units import FLIPPED_RELATION, converter

if TYPE_CHECKING:
    import pandas as pd

TABLE_COLUMNS = ("smiles", "inchikey", "value", "relation", "measurements", "split")
REPORT_COLUMNS = ("file", "row", "smiles", "value", "action", "reason", "inchikey")
_CENSORED = re.compile(r"^\s*(>=|<=|>|<|=|~)?\s*(.+?)\s*$", re.DOTALL)


class Curation(BaseModel):
    """The rules by which measurements of one endpoint are curated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    standardise: Standardise = Standardise()
    labels: dict[str, Literal[0, 1]] | None = None
    """Binary endpoints: the class of each label text. `1` and `0` need no entry."""
    censored: Literal["drop", "keep_bound"] = "drop"
    """A value known only as `<` or `>`: dropped, or its bound taken as the value and marked in `relation`."""
    replicates: Literal["median", "mean", "first", "keep"] = "median"
    """Several measurements of one molecule: merged by this rule, or kept as rows of their own (benchmarks)."""
    max_spread: float | None = None
    """Regression: replicates further apart than this, in the endpoint's unit, contradict and are all dropped."""
    valid_range: tuple[float, float] | None = None
    """Values outside are dropped as errors of unit or entry."""

    @field_validator("valid_range")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError(f"expected low < high, got {value[0]:g} and {value[1]:g}")
        return value


def curate(
    raw: pd.DataFrame, curation: Curation, *, task: Task, source_unit: str, unit: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curate a raw table.

    Parameters
    ----------
    raw
        As `sources.read_source` gives it.
    curation
        The endpoint's rules.
    task, source_unit, unit
        What is measured, the unit it came in and the endpoint's own unit.

    Returns
    -------
    tuple of DataFrame
        The table: one row per molecule, in order of first appearance, columns `smiles, inchikey, value
        (in unit, or 0 and 1), relation, measurements, split`. And the report: one row per raw row, in the
        order of `raw`, columns `file, row, smiles, value, action (kept, merged, dropped), reason, inchikey`.

    Raises
    ------
    DataError
        When no row at all is usable.
    """
    import pandas as pd

    convert, flips = converter(source_unit, unit)
    rows: list[Any] = list(raw.itertuples(index=False))
    reasons: list[str | None] = [None] * len(rows)
    found: dict[str, list[tuple[int, float, str]]] = {}
    smiles_of: dict[str, str] = {}
    keys = [""] * len(rows)
    notes = [""] * len(rows)
    for index, row in enumerate(rows):
        molecule = parse_molecule(row.smiles, curation.standardise, CURATION_LIMITS)
        if isinstance(molecule, InvalidMolecule):
            reasons[index] = f"{molecule.code}: {molecule.detail}"
            continue
        notes[index] = "; ".join(note.detail for note in molecule.notes)
        try:
            value, relation = _measurement(row.value, row.relation, curation, task)
            if task == "regression":
                value = convert(value)
                relation = FLIPPED_RELATION[relation] if flips else relation
        except ValueError as error:
            reasons[index] = f"value: {error}"
            continue
        reasons[index] = _refused(value, relation, curation)
        if reasons[index] is None:
            key = molecule_key(molecule)
            if curation.replicates == "keep":
                key = f"{key} {index}"
            keys[index] = key
            smiles_of.setdefault(key, molecule.smiles)
            found.setdefault(key, []).append((index, value, relation))
    table = []
    actions = ["dropped"] * len(rows)
    for key, measurements in found.items():
        value, relation, conflict = _merge(measurements, curation, task)
        for index, _, _ in measurements:
            actions[index] = "dropped" if conflict else ("kept" if len(measurements) == 1 else "merged")
            reasons[index] = conflict or ("" if len(measurements) == 1 else f"{len(measurements)} measurements")
        if not conflict:
            split = rows[measurements[0][0]].split
            identity = key.partition(" ")[0]
            table.append((smiles_of[key], identity, value, relation, len(measurements), split))
    if not table:
        first = next((reason for reason in reasons if reason), "no row")
        raise DataError(f"all {len(rows)} rows were dropped, expected at least one usable; the first reason: {first}")
    report = [
        (row.file, row.row, row.smiles, row.value, action, "; ".join(filter(None, said)), key.partition(" ")[0])
        for row, action, key, *said in zip(rows, actions, keys, reasons, notes, strict=True)
    ]
    return pd.DataFrame(table, columns=list(TABLE_COLUMNS)), pd.DataFrame(report, columns=list(REPORT_COLUMNS))


def _measurement(text: str, relation: str, curation: Curation, task: Task) -> tuple[float, str]:
    """Parse one cell; the relation may stand in its own column or before the number."""
    if text == "":
        raise ValueError("expected a value, got an empty cell")
    if task == "binary":
        labels: dict[str, Literal[0, 1]] = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, **(curation.labels or {})}
        if text not in labels:
            raise ValueError(f"expected one of the labels {', '.join(labels)}, got {text!r}")
        return float(labels[text]), "="
    match = _CENSORED.match(text)
    assert match is not None
    sign, inline = (mark[0].replace("~", "=") for mark in (relation or match[1] or "=", match[1] or relation or "="))
    if sign not in FLIPPED_RELATION:
        raise ValueError(f"expected the relation '=', '<' or '>', got {relation!r}")
    if inline != sign:
        raise ValueError(f"the relation {relation!r} contradicts the value {text!r}")
    try:
        value = float(match[2].replace("_", "?"))  # Python reads 1_000 as a number; a table means something else
    except ValueError:
        raise ValueError(f"expected a number, got {text!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {text!r}")
    return value, sign


def _refused(value: float, relation: str, curation: Curation) -> str | None:
    if relation != "=" and curation.censored == "drop":
        return f"censored: only known as {relation} {value:g}"
    if curation.valid_range and not curation.valid_range[0] <= value <= curation.valid_range[1]:
        low, high = curation.valid_range
        return f"out of range: expected {low:g} to {high:g}, got {value:g}"
    return None


def _merge(measurements: list[tuple[int, float, str]], curation: Curation, task: Task) -> tuple[float, str, str]:
    """Merge the measurements of one molecule: value, relation, and why they contradict (empty when not)."""
    exact = [item for item in measurements if item[2] == "="] or measurements
    values = sorted(value for _, value, _ in exact)
    relations = {relation for _, _, relation in exact}
    if len(relations) > 1:
        return math.nan, "=", "contradiction: bounds in both directions"
    relation = relations.pop()
    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    if task == "binary":
        if median == 0.5:
            return math.nan, relation, f"contradiction: {len(values)} measurements, as many 0 as 1"
        return float(round(median)), relation, ""
    if curation.max_spread is not None and values[-1] - values[0] > curation.max_spread:
        spread = values[-1] - values[0]
        return math.nan, relation, f"contradiction: {len(values)} measurements spread over {spread:.3g}"
    if curation.replicates == "mean":
        return math.fsum(values) / len(values), relation, ""
    if curation.replicates == "first":
        return exact[0][1], relation, ""
    return median, relation, ""
