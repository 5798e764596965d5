"""From raw measurements to one value per molecule, with a reason for every row that did not make it.

Belongs here: the one curation path that every source takes.
Does not belong here: reading files (see `sources.py`), units and signs (see `units.py`), what stands for several
measurements (see `replicates.py`), splits (see `splits.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_zoo.chemistry.molecules import (
    CURATION_LIMITS,
    InvalidMolecule,
    Standardise,
    molecule_key,
    parse_molecule,
    weight_as_written,
)
from model_zoo.data.replicates import Measured, Merged, merge
from model_zoo.data.targets import Task
from model_zoo.data.units import FLIPPED_RELATION, Conversion, NotPositiveError, conversion, measured, unit_name
from model_zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

TABLE_COLUMNS = ("smiles", "inchikey", "value", "relation", "measurements", "split")
REPORT_COLUMNS = ("file", "row", "smiles", "value", "action", "reason", "inchikey")


class Curation(BaseModel):
    """The rules by which measurements of one endpoint are curated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    standardise: Standardise = Standardise()
    labels: dict[str, Literal[0, 1]] | None = None
    """Binary endpoints: the class of each label text. `1` and `0` need no entry."""
    censored: Literal["drop", "keep_bound"] = "drop"
    """A value known only as `<` or `>`: dropped, or kept as a bound. A kept bound is trained on as if it were the value
    and shown with its sign; it is never scored, and no interval is made from it."""
    lloq: float | None = None
    """Lower limit of quantification, in the endpoint's unit: a value below it is known only as `<` this limit. So is a
    zero or less where a logarithm is taken."""
    uloq: float | None = None
    """Upper limit of quantification: a value above it is known only as `>` this limit."""
    replicates: Literal["median", "mean", "first", "keep"] = "median"
    """Several measurements of one molecule: merged by this rule, or kept as rows of their own (benchmarks)."""
    max_spread: Literal["tenfold"] | Annotated[float, Field(ge=0)] | None = "tenfold"
    """Regression: replicates further apart than this, in the endpoint's unit, contradict and are all dropped.
    `tenfold`: one logarithmic unit, or a factor of ten between positive amounts; `null`: never."""
    valid_range: tuple[float, float] | None = None
    """Values outside are dropped as errors of unit or entry."""

    @model_validator(mode="after")
    def _ordered(self) -> Curation:
        limits = None if self.lloq is None or self.uloq is None else (self.lloq, self.uloq)
        for name, ends in (("valid_range", self.valid_range), ("lloq and uloq", limits)):
            if ends is not None and ends[0] >= ends[1]:
                raise ValueError(f"{name}: expected low < high, got {ends[0]:g} and {ends[1]:g}")
        return self


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
        What is measured, the unit of rows that say none of their own, and the endpoint's unit.

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

    rows: list[Any] = list(raw.itertuples(index=False))
    reasons = [""] * len(rows)
    found: dict[str, list[Measured]] = {}
    smiles_of: dict[str, str] = {}
    keys = [""] * len(rows)
    notes = [""] * len(rows)
    reader = _Reader(curation, task, source_unit, unit)
    for index, row in enumerate(rows):
        judged = reader.judge(row)
        if isinstance(judged, str):
            reasons[index] = judged
            continue
        notes[index], smiles, key, value, sign = judged
        if curation.replicates == "keep":
            key = f"{key} {index}"
        keys[index] = key
        smiles_of.setdefault(key, smiles)
        found.setdefault(key, []).append(Measured(index, value, sign))
    table = []
    actions = ["dropped"] * len(rows)
    for key, measurements in found.items():
        merged = merge(measurements, curation.replicates, curation.max_spread, task, unit)
        used = _used(measurements, merged, curation)
        several = f"{len(used)} measurements" if len(used) > 1 else ""
        if several and task == "regression":
            several += f", spread {merged.spread:.3g}"
        for item in measurements:
            if item in used:
                actions[item.row] = "merged" if several else "kept"
                reasons[item.row] = several
            else:
                bound = f"censored: only known as {item.relation} {item.value:g}"
                reasons[item.row] = merged.conflict or merged.between or bound
        if used:
            place = (smiles_of[key], key.partition(" ")[0])
            table.append((*place, merged.value, merged.relation, len(used), rows[used[0].row].split))
    if not table:
        first = next((reason for reason in reasons if reason), "no row")
        raise DataError(f"all {len(rows)} rows were dropped, expected at least one usable; the first reason: {first}")
    report = [
        (row.file, row.row, row.smiles, row.value, action, "; ".join(filter(None, said)), key.partition(" ")[0])
        for row, action, key, *said in zip(rows, actions, keys, reasons, notes, strict=True)
    ]
    return pd.DataFrame(table, columns=list(TABLE_COLUMNS)), pd.DataFrame(report, columns=list(REPORT_COLUMNS))


class _Reader:
    """Reads the cells of a row as one measurement in the endpoint's unit."""

    def __init__(self, curation: Curation, task: Task, source_unit: str, unit: str) -> None:
        self._curation, self._task, self._source_unit, self._unit = curation, task, source_unit, unit
        self._conversions: dict[str, Conversion] = {"": conversion(source_unit, unit)}
        self._labels: dict[str, int] = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, **(curation.labels or {})}

    def judge(self, row: Any) -> tuple[str, str, str, float, str] | str:
        """Give what was left out, standardised SMILES, identity, value and relation of a row; or why it is unusable."""
        if row.excluded:
            return str(row.excluded)
        molecule = parse_molecule(row.smiles, self._curation.standardise, CURATION_LIMITS)
        if isinstance(molecule, InvalidMolecule):
            return f"{molecule.code}: {molecule.detail}"
        try:
            value, sign = self._read(row)
        except ValueError as error:
            return f"value: {error}"
        if refused := _refused(value, self._curation):
            return refused
        notes = "; ".join(note.detail for note in molecule.notes)
        return notes, molecule.smiles, molecule_key(molecule), value, sign

    def _read(self, row: Any) -> tuple[float, str]:
        """Give value and relation.

        Raises
        ------
        ValueError
            With the reason why the row cannot be used.
        """
        if row.value == "":
            raise ValueError("expected a value, got an empty cell")
        if self._task == "binary":
            if row.value not in self._labels:
                raise ValueError(f"expected one of the labels {', '.join(self._labels)}, got {row.value!r}")
            return float(self._labels[row.value]), "="
        value, sign = measured(row.value, row.relation)
        convert, flips, by_weight = self._conversion(unit_name(row.unit))
        try:
            weight = weight_as_written(row.smiles) if by_weight else math.nan
            value, sign = convert(value, weight), FLIPPED_RELATION[sign] if flips else sign
        except NotPositiveError:
            limit = self._curation.uloq if flips else self._curation.lloq
            if limit is None:
                raise
            return limit, ">" if flips else "<"
        return _within_limits(value, sign, self._curation)

    def _conversion(self, name: str) -> Conversion:
        if name not in self._conversions:
            try:
                self._conversions[name] = conversion(name, self._unit)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return self._conversions[name]


def _within_limits(value: float, sign: str, curation: Curation) -> tuple[float, str]:
    """Turn what lies beyond a limit of quantification into a bound at the limit."""
    low, high = curation.lloq, curation.uloq
    if low is not None and value < low and sign != ">":
        return low, "<"
    if high is not None and value > high and sign != "<":
        return high, ">"
    return value, sign


def _refused(value: float, curation: Curation) -> str:
    if curation.valid_range and not curation.valid_range[0] <= value <= curation.valid_range[1]:
        low, high = curation.valid_range
        return f"out of range: expected {low:g} to {high:g}, got {value:g}"
    return ""


def _used(measurements: list[Measured], merged: Merged, curation: Curation) -> list[Measured]:
    """Give the measurements that a molecule's value stands for: none where they contradict or say too little."""
    if merged.conflict or merged.between:
        return []
    if curation.censored == "keep_bound":
        return measurements
    return [item for item in measurements if item.relation == "="]
