"""The dataset: the curated, split snapshot of one endpoint's measurements.

Belongs here: making, saving and loading a snapshot, and its content digest.
Does not belong here: the steps themselves (`sources.py`, `curation.py`, `splits.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model_zoo.curation import Curation, curate
from model_zoo.errors import DataError
from model_zoo.molecules import Molecule
from model_zoo.sources import Source, read_source
from model_zoo.splits import Split, assign
from model_zoo.targets import Task

if TYPE_CHECKING:
    import pandas as pd


class DatasetConfig(BaseModel):
    """Everything that decides the content of a snapshot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    unit: str
    source: Source
    source_unit: str
    curation: Curation = Curation()
    split: Split = Split()


@dataclass(frozen=True)
class Dataset:
    """A snapshot.

    Attributes
    ----------
    table
        One row per molecule: `smiles, inchikey, value, relation, measurements, group, split, fold`.
    report
        One row per raw measurement, with what became of it and why.
    """

    table: pd.DataFrame
    report: pd.DataFrame

    @property
    def digest(self) -> str:
        """SHA-256 of the table's content: equal content, equal digest, whatever file it lies in."""
        text = self.table.to_csv(index=False, float_format="%.12g", lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def values(self) -> NDArray[np.float64]:
        """The `n` values in the endpoint's unit, in row order."""
        return self.table["value"].to_numpy(dtype=np.float64)

    @property
    def folds(self) -> NDArray[np.int_]:
        """The `n` fold numbers, -1 in the test split."""
        return self.table["fold"].to_numpy(dtype=int)

    def molecules(self) -> list[Molecule]:
        """Parse the (already standardised) SMILES, in row order."""
        from rdkit import Chem

        return [Molecule(smiles, Chem.MolFromSmiles(smiles)) for smiles in self.table["smiles"]]

    def summary(self) -> dict[str, Any]:
        """Count what people look at first: rows in, kept, merged, dropped by reason, train and test."""
        dropped = self.report[self.report["action"] == "dropped"]
        reasons = Counter(str(reason).partition(":")[0] for reason in dropped["reason"])
        return {
            "measurements": len(self.report),
            "molecules": len(self.table),
            "train": int((self.table["split"] == "train").sum()),
            "test": int((self.table["split"] == "test").sum()),
            "merged": int((self.report["action"] == "merged").sum()),
            "dropped": dict(reasons.most_common()),
        }

    def save(self, folder: Path) -> None:
        """Write both tables as Parquet into an existing folder."""
        self.table.to_parquet(folder / "table.parquet", index=False)
        self.report.to_parquet(folder / "report.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Read a saved snapshot.

        Raises
        ------
        DataError
            When it is not there.
        """
        import pandas as pd

        try:
            return cls(pd.read_parquet(folder / "table.parquet"), pd.read_parquet(folder / "report.parquet"))
        except FileNotFoundError as error:
            raise DataError(f"{folder}: expected a saved dataset, got none. Materialise the dataset first.") from error


def make_dataset(config: DatasetConfig, root: Path) -> Dataset:
    """Read, curate and split the measurements of one endpoint.

    Parameters
    ----------
    config
        The endpoint's `dataset` section.
    root
        Folder that relative file names start from: the checkout.

    Raises
    ------
    DataError
        When the source is missing or holds nothing usable.
    """
    raw = read_source(config.source, root)
    table, report = curate(raw, config.curation, task=config.task, source_unit=config.source_unit, unit=config.unit)
    return Dataset(assign(table, config.split, config.task), report)
