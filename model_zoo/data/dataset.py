"""The dataset: the curated, split snapshot of one endpoint's measurements.

Belongs here: making, saving and loading a snapshot, and its content digest.
Does not belong here: the steps themselves (`sources.py`, `curation.py`, `splits.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model_zoo.chemistry.stored_molecules import StoredMolecules
from model_zoo.data.curation import Curation, curate
from model_zoo.data.reasons import count_reasons, reason_kind, share_lost
from model_zoo.data.sources import Source, read_source
from model_zoo.data.splits import Split, assign
from model_zoo.data.standardised import standardise_all
from model_zoo.data.targets import Target, Task
from model_zoo.errors import DataError
from model_zoo.type_aliases import Json

if TYPE_CHECKING:
    import pandas as pd

NO_DAY = "no day: a split by time needs the day of each measurement, got an empty cell"
SHOWN = 5
"""Rows that an error names."""


class DatasetConfig(BaseModel):
    """Everything that decides the content of a snapshot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    unit: str
    source: Source
    source_unit: str
    curation: Curation = Curation()
    split: Split = Split()
    target: Target | None = None
    """The scale of training, on which every value must have a place; not checked when omitted."""


@dataclass(frozen=True)
class Dataset:
    """A snapshot."""

    table: pd.DataFrame
    """One row per molecule: `smiles, inchikey, value, relation, measurements, group, split, fold`."""
    report: pd.DataFrame
    """One row per raw measurement, with what became of it and why."""

    @property
    def digest(self) -> str:
        """SHA-256 of the table's content: equal content, equal digest, whatever file it is in."""
        text = self.table.to_csv(index=False, float_format="%.12g", lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def values(self) -> NDArray[np.float64]:
        """The `n` values in the endpoint's unit, in row order."""
        return self.table["value"].to_numpy(dtype=np.float64)

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Which of the `n` values were measured; the others are bounds, of which nothing is scored."""
        return np.asarray(self.table["relation"].to_numpy() == "=", dtype=bool)

    @property
    def folds(self) -> NDArray[np.int_]:
        """The `n` fold numbers, as `folds.py` has them."""
        return self.table["fold"].to_numpy(dtype=int)

    def molecules(self) -> StoredMolecules:
        """Return the molecules in row order; none is parsed before it is asked for."""
        return StoredMolecules(self.table["smiles"])

    def summary(self) -> dict[str, Json]:
        """Count what people look at first: rows in, kept, merged, dropped by reason, train and test."""
        dropped = self.report[self.report["action"] == "dropped"]
        reasons = Counter(reason_kind(str(reason)) for reason in dropped["reason"])
        return {
            "measurements": len(self.report),
            "molecules": len(self.table),
            "train": int((self.table["split"] == "train").sum()),
            "test": int((self.table["split"] == "test").sum()),
            "bounds": int((~self.exact).sum()),
            "merged": int((self.report["action"] == "merged").sum()),
            "dropped": dict(reasons.most_common()),
        }

    @property
    def share_lost(self) -> float:
        """Of the measurements that were asked for, the share that was dropped."""
        return share_lost(len(self.report), self.summary()["dropped"])

    def save(self, folder: Path) -> None:
        """Write both tables as Parquet into an existing folder."""
        self.table.to_parquet(folder / "table.parquet", index=False)
        self.report.to_parquet(folder / "report.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Read a saved snapshot."""
        import pandas as pd

        try:
            return cls(pd.read_parquet(folder / "table.parquet"), pd.read_parquet(folder / "report.parquet"))
        except FileNotFoundError as error:
            raise DataError(f"{folder}: expected a saved dataset, got none. Materialise the dataset first.") from error


def make_dataset(config: DatasetConfig, root: Path, processes: int = 1) -> Dataset:
    """Read, curate and split the measurements of one endpoint.

    Parameters
    ----------
    config
        The endpoint's `dataset` section.
    root
        Folder that relative file names start from: the checkout.
    processes
        How many work side by side on many structures; the snapshot is the same.

    Raises
    ------
    DataError
        When the source is missing, holds nothing usable, or holds values that have no place on the scale of training.
    """
    table, report = read_curated(config, root, processes)
    try:
        return Dataset(assign(table, config.split, config.task, processes), report)
    except DataError as error:
        dropped = report.loc[report["action"] == "dropped", "reason"]
        if len(dropped) * 2 <= len(report):
            raise
        raise DataError(
            f"{error} Before that, {len(dropped)} of {len(report)} rows were dropped: {count_reasons(dropped)}."
        ) from error


def read_curated(config: DatasetConfig, root: Path, processes: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read and curate the measurements of one endpoint; give its molecules and the report, as `curate` does."""
    raw = read_raw(config, root)
    standardise_all(raw, config.curation.standardise, processes)
    table, report = curate(raw, config.curation, task=config.task, source_unit=config.source_unit, unit=config.unit)
    if config.target is not None:
        _require_place(table, report, config.target)
    return table, report


def read_raw(config: DatasetConfig, root: Path) -> pd.DataFrame:
    """Read the measurements of one endpoint as `read_source` does; those of no day take no part in a split by time.

    Raises
    ------
    DataError
        When the source is missing or cannot be read.
    """
    raw = read_source(config.source, root)
    if config.split.kind == "time" and (raw["measured_on"] != "").any():
        undated = (raw["measured_on"] == "") & (raw["excluded"] == "") & (raw["value"] != "")
        raw.loc[undated, "excluded"] = NO_DAY
    return raw


def _require_place(table: pd.DataFrame, report: pd.DataFrame, target: Target) -> None:
    """Refuse values without a place on the scale of training: found here, by file and row, not after minutes of it."""
    outside = table[target.outside(table["value"].to_numpy(dtype=np.float64))]
    if outside.empty:
        return
    places = report[report["inchikey"].isin(outside["inchikey"]) & (report["action"] != "dropped")]
    shown = ", ".join(f"{row.file} row {row.row} ({row.value})" for row in places.head(SHOWN).itertuples())
    raise DataError(
        f"`transform: {target.transform}` needs {target.takes}, got others for {len(outside)} of {len(table)} "
        f"molecules: {shown}{', ...' if len(places) > SHOWN else ''}. Say in `curation` what they mean "
        "(`lloq`, `uloq` for limits of quantification, `valid_range` for errors), or use `transform: log1p` or none."
    )
