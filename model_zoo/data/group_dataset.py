"""The snapshots of endpoints that share compounds, divided together.

Belongs here: making, saving and loading them, and what is found wrong with one of them.
Does not belong here: how molecules are divided (see `group_split.py`), learning from them (see `training/joint.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_zoo.data.dataset import Dataset, DatasetConfig, read_curated
from model_zoo.data.group_split import WITHHELD, assign_together, require_all_folds
from model_zoo.data.sources import Source
from model_zoo.data.splits import Split, leaks
from model_zoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FAULTS = "faults.json"
OWN_SPLITS = ("official", "column")


@dataclass(frozen=True)
class GroupDataset:
    """Snapshots with one place per molecule."""

    datasets: Mapping[str, Dataset]
    """By endpoint, its snapshot."""
    faults: Mapping[str, str]
    """By endpoint that has none, the reason."""

    @property
    def molecules(self) -> Dataset:
        """Every molecule once: `smiles, inchikey, group, split, fold`."""
        import pandas as pd

        columns = ["smiles", "inchikey", "group", "split", "fold"]
        rows = pd.concat([each.table[columns] for each in self.datasets.values()], ignore_index=True)
        report = next(iter(self.datasets.values())).report
        return Dataset(rows.drop_duplicates("smiles").sort_values("smiles", ignore_index=True), report.iloc[:0])

    @property
    def digest(self) -> str:
        """Digest of the content of all of them."""
        from model_zoo.io.digests import json_digest

        return json_digest({name: each.digest for name, each in self.datasets.items()} | {"": dict(self.faults)})

    def leaks(self) -> list[str]:
        """List the molecules that are in more than one fold, or in a fold and a test split, across all endpoints.

        Computed from structures, as `splits.leaks` does.
        """
        import pandas as pd

        rows = pd.concat([each.table[["smiles", "fold"]] for each in self.datasets.values()])
        return leaks(rows.drop_duplicates())

    def shared(self) -> dict[str, int]:
        """Count per endpoint the molecules that another endpoint has measured too, by skeleton."""
        keys = {name: set(each.table["inchikey"].str[:14]) for name, each in self.datasets.items()}
        return {
            name: len(mine & set().union(*(others for other, others in keys.items() if other != name)))
            for name, mine in keys.items()
        }

    def save(self, folder: Path) -> None:
        """Write them into an existing folder: the molecules, and a folder per endpoint."""
        self.molecules.save(folder)
        for name, dataset in self.datasets.items():
            (folder / name).mkdir()
            dataset.save(folder / name)
        (folder / FAULTS).write_text(json.dumps(dict(self.faults), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> GroupDataset:
        """Read what was saved.

        Raises
        ------
        DataError
            When nothing is there.
        """
        try:
            faults = json.loads((folder / FAULTS).read_bytes())
        except OSError as error:
            raise DataError(f"{folder}: expected the snapshots of a group, got none. Materialise it first.") from error
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        return cls({name: Dataset.load(folder / name) for name in names}, faults)


def member_dataset(folder: Path, endpoint: str) -> Dataset:
    """Read the snapshot of one endpoint out of its group's folder.

    Raises
    ------
    DataError
        When it has none, with the reason.
    """
    faults: Mapping[str, str] = json.loads((folder / FAULTS).read_bytes())
    if endpoint in faults:
        raise DataError(faults[endpoint])
    return Dataset.load(folder / endpoint)


def make_group_dataset(
    configs: Mapping[str, DatasetConfig], split: Split, folder_of: Callable[[Source], Path]
) -> GroupDataset:
    """Read and curate the measurements of several endpoints, and divide their molecules together.

    Parameters
    ----------
    configs
        The `dataset` section of each endpoint. The split of one counts where its files say it; see `OWN_SPLITS`.
    split
        How the molecules are divided.
    folder_of
        Gives the folder that the file names of a source start from.

    Returns
    -------
    GroupDataset
        An endpoint whose measurements cannot be used, or do not reach every fold, is in `faults`: the others are
        divided without it.

    Raises
    ------
    DataError
        When the molecules cannot be divided, or no endpoint is left.
    """
    curated: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    faults: dict[str, str] = {}
    for name in sorted(configs):
        try:
            curated[name] = read_curated(configs[name], folder_of(configs[name].source))
        except DataError as error:
            faults[name] = f"{name}: {error}"
    if not curated:
        raise DataError(f"none of the endpoints of the group can be used: {'; '.join(faults.values())}")
    given = [name for name in curated if configs[name].split.kind in OWN_SPLITS]
    tables = assign_together(
        {name: table for name, (table, _) in curated.items()},
        {name: configs[name].task for name in curated},
        split,
        given,
    )
    datasets = {}
    for name, table in tables.items():
        try:
            require_all_folds(name, table, split)
        except DataError as error:
            faults[name] = str(error)
            continue
        datasets[name] = _without_withheld(table, curated[name][1])
    if not datasets:
        raise DataError(f"none of the endpoints of the group can be used: {'; '.join(faults.values())}")
    return GroupDataset(datasets, faults)


def _without_withheld(table: pd.DataFrame, report: pd.DataFrame) -> Dataset:
    """Take rows out that must not be trained on, and say so of the measurements that they came from."""
    withheld = (table["split"] == "withheld").to_numpy()
    if not withheld.any():
        return Dataset(table, report)
    # By molecule: where repeats are kept apart, a test row and a training row may be of one.
    gone = set(table.loc[withheld, "inchikey"]) - set(table.loc[~withheld, "inchikey"])
    lost = report["inchikey"].isin(gone) & (report["action"] != "dropped")
    why = f"{WITHHELD}: expected a molecule that no endpoint of the group is tested on"
    marked = report.assign(
        action=np.where(lost, "dropped", report["action"]), reason=np.where(lost, why, report["reason"])
    )
    return Dataset(table[~withheld].reset_index(drop=True), marked)
