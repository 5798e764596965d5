"""From raw measurements to one value per molecule, with a reason for every row that did not make it.

Belongs here: the one curation path that every source takes.
Does not belong here: reading files (see `sources.py`), units and signs (see `units.py`), structures (see
`standardised.py`), what represents several
measurements (see `replicates.py`), splits (see `splits.py`).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_zoo.chemistry.molecules import Standardise
from model_zoo.data.numerals import POINT
from model_zoo.data.reasons import count_reasons
from model_zoo.data.replicates import Measured, Merged, merge, weight_of
from model_zoo.data.standardised import standardised, weight_of_one
from model_zoo.data.targets import Task
from model_zoo.data.units import (
    FLIPPED_RELATION,
    Conversion,
    NotPositiveError,
    conversion,
    measured,
    possible,
    split_unit,
    unit_name,
)
from model_zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

IMPOSSIBLE = "impossible"
MOST_IMPOSSIBLE = 0.1
"""Share of values that may be impossible in the endpoint's unit, as errors of entry."""
KNOWN_COLUMNS = ("measured_on", "series")
"""What a source may say of a molecule for its place in a split: the earliest day, and the series."""
TABLE_COLUMNS = ("smiles", "inchikey", "value", "relation", "measurements", "split")
REPORT_COLUMNS = ("file", "row", "smiles", "value", "action", "reason", "inchikey")


NOT_MEASURED = {
    "na", "n/a", "n.a.", "nd", "n.d.", "n/d", "nt", "n.t.", "nan", "none", "null", "-", "--", "?", "tbd", "failed",
    "pending", "not determined", "not measured", "not tested", "no data", "not available", "not applicable", "missing",
    "#n/a",
}  # fmt: skip
"""Texts that say that there is no value, in lower case."""
_NINES = re.compile(r"-9{3,5}(?:[.,]0*)?")
"""The numbers that programs write where there is no value."""
BELOW_LIMIT = {"blq", "bloq", "bql", "<lloq", "<loq", "<lod", "lloq", "below loq", "below lloq"}
"""Texts that say that a value is below the limit of quantification."""


def says_no_value(text: str) -> bool:
    """Return whether a cell says that nothing was measured.

    Examples
    --------
    >>> [says_no_value(text) for text in ("n.d.", "-999.00", "-9999", "-99.9")]
    [True, True, True, False]
    """
    return text.lower() in NOT_MEASURED or bool(_NINES.fullmatch(text))


class Threshold(BaseModel):
    """How a measured value becomes a label."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    unit: str
    positive: Literal["above", "below"]
    """On which side of the value the class is 1; the value itself is on it."""

    def label(self, value: float, sign: str) -> int:
        """Return the class of a measured value or bound.

        Raises
        ------
        ValueError
            For a bound that is on the other side: nobody knows.

        Examples
        --------
        >>> weak = Threshold(value=10.0, unit="uM", positive="below")
        >>> weak.label(3.0, "="), weak.label(10.0, "="), weak.label(50.0, ">")
        (1, 1, 0)
        """
        up = value > self.value or (value == self.value and (self.positive == "above" or sign == ">"))
        if (sign == ">" and not up) or (sign == "<" and value > self.value):
            raise ValueError(f"censored: {sign} {value:g} {self.unit} may be on either side of {self.value:g}")
        return int(up == (self.positive == "above"))


class Curation(BaseModel):
    """The rules by which measurements of one endpoint are curated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    standardise: Standardise = Standardise()
    labels: dict[str, Literal[0, 1]] | None = None
    """Binary endpoints: the class of each label text. `1` and `0` need no entry."""
    threshold: Threshold | None = None
    """Binary endpoints: makes the class from a measured value, in place of labels."""
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
        if self.labels and self.threshold:
            raise ValueError("expected labels or a threshold, got both")
        if self.threshold and (self.lloq, self.uloq, self.valid_range) != (None, None, None):
            raise ValueError("lloq, uloq, valid_range: expected none beside a threshold, which makes labels of values")
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
        notes[index], smiles, key, value, sign, weight = judged
        if curation.replicates == "keep":
            key = f"{key} {index}"
        keys[index] = key
        smiles_of.setdefault(key, smiles)
        found.setdefault(key, []).append(Measured(index, value, sign, weight))
    _require_possible(reasons, rows, source_unit, unit)
    table = []
    actions = ["dropped"] * len(rows)
    for item in _also_tested(found, rows):
        reasons[item.row] = "split: its molecule is in the test split, too"
        found[keys[item.row]].remove(item)
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
            given = [rows[item.row] for item in used]
            first, series, part = (
                min(filter(None, (getattr(row, name) for row in given)), default="")
                for name in ("measured_on", "series", "split")
            )
            table.append((*place, merged.value, merged.relation, len(used), part, first, series))
    if not table:
        why = next((reason for reason in reasons if reason), "no row")
        raise DataError(
            f"all {len(rows)} rows were dropped, expected at least one usable; the first reason: {why}; "
            f"all reasons: {count_reasons(reasons)}"
        )
    report = [
        (row.file, row.row, row.smiles, row.value, action, "; ".join(filter(None, parts)), key.partition(" ")[0])
        for row, action, key, *parts in zip(rows, actions, keys, reasons, notes, strict=True)
    ]
    curated = pd.DataFrame(table, columns=[*TABLE_COLUMNS, *KNOWN_COLUMNS])
    # Kept where some row has one: the content of a snapshot is what models learn from, and the rest is no part of it.
    empty = [name for name in KNOWN_COLUMNS if not curated[name].any()]
    return curated.drop(columns=empty), pd.DataFrame(report, columns=list(REPORT_COLUMNS))


class _Reader:
    """Reads the cells of a row as one measurement in the endpoint's unit."""

    def __init__(self, curation: Curation, task: Task, source_unit: str, unit: str) -> None:
        self._curation, self._task = curation, task
        self._unit = curation.threshold.unit if curation.threshold else unit
        self._possible = possible(unit) if task == "regression" else (-math.inf, math.inf)
        self._conversions: dict[str, Conversion] = {"": conversion(source_unit, self._unit)}
        self._labels: dict[str, int] = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, **(curation.labels or {})}

    def judge(self, row: Any) -> tuple[str, str, str, float, str, float] | str:
        """Return what was left out, standardised SMILES, identity, value, relation, weight; or why it is unusable."""
        if row.excluded:
            return str(row.excluded)
        if row.value == "":
            return "empty value: expected one, got an empty cell"  # before chemistry: most cells of a wide table
        molecule = standardised(row.smiles, self._curation.standardise)
        if isinstance(molecule, str):
            return molecule
        try:
            (value, sign), weight = self._read(row), weight_of(row.weight, row.numerals or POINT)
        except ValueError as error:
            return str(error)
        if refused := _refused(value, self._curation) or self._impossible(value):
            return refused
        return *molecule, value, sign, weight

    def _read(self, row: Any) -> tuple[float, str]:
        """Return value and relation."""
        if self._task == "binary" and self._curation.threshold is None:
            if row.value not in self._labels:
                if says_no_value(row.value):
                    raise ValueError(f"not measured: the cell says {row.value!r}")
                raise ValueError(f"label: expected one of {', '.join(self._labels)}, got {row.value!r}")
            return float(self._labels[row.value]), "="
        text, unit = split_unit(row.value)
        beside = unit_name(row.unit)
        if unit and beside and unit != beside:
            raise ValueError(f"unit: {row.unit!r} contradicts the value {row.value!r}")
        convert, flips, by_weight = self._conversion(unit or beside)
        below = row.value.lower() in BELOW_LIMIT
        if says_no_value(row.value):
            raise ValueError(f"not measured: the cell says {row.value!r}")
        value, sign = (-math.inf, "<") if below else measured(text, row.relation, row.numerals or POINT)
        if self._curation.threshold is not None:
            if below:
                raise ValueError(f"below quantification: {row.value!r}, and nothing says which limit that is")
            weight = weight_of_one(row.smiles, self._curation.standardise) if by_weight else math.nan
            sign = FLIPPED_RELATION[sign] if flips else sign
            return float(self._curation.threshold.label(convert(value, weight), sign)), "="
        try:
            if below:
                raise NotPositiveError(f"below quantification: {row.value!r}, and nothing says which limit that is")
            weight = weight_of_one(row.smiles, self._curation.standardise) if by_weight else math.nan
            value, sign = convert(value, weight), FLIPPED_RELATION[sign] if flips else sign
        except NotPositiveError:
            limit = self._curation.uloq if flips else self._curation.lloq
            if limit is None:
                raise
            return limit, ">" if flips else "<"
        return _within_limits(value, sign, self._curation)

    def _impossible(self, value: float) -> str:
        low, high = self._possible
        return "" if low <= value <= high else f"{IMPOSSIBLE}: no {self._unit} is {value:g}"

    def _conversion(self, name: str) -> Conversion:
        if name not in self._conversions:
            try:
                self._conversions[name] = conversion(name, self._unit)
            except ConfigError as error:
                raise ValueError(f"unit: {error}") from None
        return self._conversions[name]


def _within_limits(value: float, sign: str, curation: Curation) -> tuple[float, str]:
    """Turn what is beyond a limit of quantification into a bound at the limit."""
    low, high = curation.lloq, curation.uloq
    if low is not None and value < low and sign != ">":
        return low, "<"
    if high is not None and value > high and sign != "<":
        return high, ">"
    return value, sign


def _require_possible(reasons: list[str], rows: list[Any], source_unit: str, unit: str) -> None:
    """Refuse measurements of which many are impossible in their unit: then it is not theirs, and the rest is wrong."""
    wrong = [row for reason, row in zip(reasons, rows, strict=True) if reason.startswith(IMPOSSIBLE)]
    if len(wrong) > MOST_IMPOSSIBLE * sum(row.value != "" for row in rows):
        raise DataError(
            f"{len(wrong)} of {len(rows)} values, such as {wrong[0].value!r}, are impossible as {unit} if they are in "
            f"{source_unit}, so that the others are wrong, too. Say which unit the file is in (`source_unit`)"
        )


def _also_tested(found: dict[str, list[Measured]], rows: list[Any]) -> list[Measured]:
    """Return the training measurements of molecules that a source's test rows measure, too."""
    return [
        item
        for measurements in found.values()
        if any(rows[item.row].split == "test" for item in measurements)
        for item in measurements
        if rows[item.row].split == "train"
    ]


def _refused(value: float, curation: Curation) -> str:
    if curation.valid_range and not curation.valid_range[0] <= value <= curation.valid_range[1]:
        low, high = curation.valid_range
        return f"out of range: expected {low:g} to {high:g}, got {value:g}"
    return ""


def _used(measurements: list[Measured], merged: Merged, curation: Curation) -> list[Measured]:
    """Return the measurements that a molecule's value represents: none where they contradict or say too little."""
    if merged.conflict or merged.between:
        return []
    if curation.censored == "keep_bound":
        return measurements
    return [item for item in measurements if item.relation == "="]
