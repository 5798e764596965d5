"""The molecules of a snapshot on disk, kept for what is made of it next."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.dataset import Dataset


@lru_cache(maxsize=1)
def read_molecules(snapshot: Path) -> list[Molecule]:
    """Read the molecules of the snapshot in a folder, in row order.

    Folders of snapshots are named after their signature, so that the same folder always holds the same molecules.

    Raises
    ------
    DataError
        When there is no snapshot.
    """
    return Dataset.load(snapshot).molecules()
