"""Who is trained on and who is held out: the test split and the folds of a snapshot.

Molecules that could leak into each other share a group, and a group is never divided: those with the same
InChIKey without stereochemistry, those that are tautomers, and, in a scaffold split, those with the same scaffold.
Acyclic molecules have no scaffold; each is a group of its own, since "no ring" says nothing about likeness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from model_zoo.chemistry.molecules import scaffold
from model_zoo.chemistry.standardisation.tautomers import skeleton
from model_zoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from model_zoo.data.targets import Task

TEST_FOLD = -1
CONNECTIVITY = 14
"""The first 14 characters of an InChIKey name the skeleton without stereochemistry and isotopes."""
FAIR = 0.25
"""The share of an even fold below which a fold is too small to score a model on."""


class Split(BaseModel):
    """How a snapshot is divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["scaffold", "random", "official"] = "scaffold"
    """`official` takes the test set from the source (benchmarks) and makes scaffold folds of the rest."""
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    folds: int = Field(default=5, ge=2, le=20)
    seed: int = 0


def assign(table: pd.DataFrame, split: Split, task: Task) -> pd.DataFrame:
    """Add the columns `group`, `split` (`train`, `test`) and `fold` (0.., or -1 in the test split).

    Groups are dealt so that folds have about equal size and about the same mix of values (of classes, or
    quartiles), deterministically for a snapshot and a seed.

    Raises
    ------
    DataError
        When there are too few groups to divide, one scaffold leaves next to nothing for the other folds, or an
        official split is missing.
    """
    from rdkit import Chem

    scaffolds = None
    if split.kind != "random":
        scaffolds = [scaffold(Chem.MolFromSmiles(text)) for text in table["smiles"]]
    skeletons = [skeleton(text) for text in table["smiles"]]
    groups = _groups([key[:CONNECTIVITY] for key in table["inchikey"]], skeletons, scaffolds or [])
    strata = _strata(table["value"].to_numpy(dtype=float), task)
    result = table.assign(group=groups)
    if split.kind == "official":
        if not set(table["split"]) <= {"train", "test"} or len(set(table["split"])) != 2:
            raise DataError("an official split needs a source that marks its rows as train and test")
        test = table["split"].to_numpy() == "test"
    else:
        test = _most_diverse(groups, _deal(groups, strata, max(2, round(1 / split.test_fraction)), split.seed))
    folds = np.full(len(table), TEST_FOLD)
    folds[~test] = _deal(groups[~test], strata[~test], split.folds, split.seed)
    _require_even(folds[~test], groups[~test], split.folds)
    return result.assign(split=np.where(test, "test", "train"), fold=folds)


def leaks(table: pd.DataFrame) -> list[str]:
    """List the stereo-less InChIKeys that stand in more than one of: test split, fold 0, fold 1, ...

    A molecule's tautomers and stereoisomers count as itself. Computed from the structures, not from the `group` column,
    so that it checks `assign` rather than repeating it.
    """
    from rdkit import Chem

    from model_zoo.chemistry.molecules import inchikey

    places: dict[str, set[int]] = {}
    known: dict[str, str] = {}
    for smiles, fold in zip(table["smiles"], table["fold"], strict=True):
        key = inchikey(Chem.MolFromSmiles(smiles))[:CONNECTIVITY]
        for label in (key, skeleton(smiles)):
            places.setdefault(label, set()).add(int(fold))
            known.setdefault(label, key)
    return sorted({known[label] for label, folds in places.items() if len(folds) > 1})


def _require_even(folds: NDArray[np.int_], groups: NDArray[np.int_], parts: int) -> None:
    """Refuse folds of which one holds nearly everything: what the others score would be chance."""
    sizes = sorted((int(size) for size in np.bincount(folds, minlength=parts)), reverse=True)
    fair = len(folds) / parts
    if sizes[-1] < FAIR * fair:
        most = int(np.bincount(groups).max())
        raise DataError(
            f"expected groups of molecules to divide into {parts} folds of about {fair:.0f}, got folds of {sizes}: "
            f"{most} of {len(folds)} training molecules share one scaffold. Add other scaffolds, use fewer folds, or "
            "split at random (split: {kind: random})."
        )


def _groups(*labellings: list[str]) -> NDArray[np.int_]:
    """Join molecules that share a label of any kind, by union-find; an empty label is none."""
    parent = list(range(len(labellings[0])))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for labels in labellings:
        first: dict[str, int] = {}
        for item, label in enumerate(labels):
            if label:
                parent[root(item)] = root(first.setdefault(label, item))
    return np.array([root(item) for item in range(len(parent))])


def _most_diverse(groups: NDArray[np.int_], parts: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Take the part with the most groups as the test split.

    One common scaffold (benzene in the solubility set) can fill most of a part; it should be trained on, not be
    what a model is judged by.
    """
    counts = [len(np.unique(groups[parts == part])) for part in range(parts.max() + 1)]
    return np.asarray(parts == int(np.argmax(counts)))


def _strata(values: NDArray[np.float64], task: Task) -> NDArray[np.int_]:
    if task == "binary":
        return values.astype(int)
    return np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)


def _deal(groups: NDArray[np.int_], strata: NDArray[np.int_], parts: int, seed: int) -> NDArray[np.int_]:
    """Deal groups to parts; gives each row its part."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    count = len(np.unique(groups))
    if count < parts:
        raise DataError(
            f"expected at least {parts} groups of molecules to divide, got {count}: the data is too small or too "
            "uniform. Add measurements, use fewer folds, or split at random."
        )
    if np.bincount(strata).max() < parts:
        strata = np.zeros_like(strata)  # so few values that no stratum reaches every part: sizes alone are balanced
    dealt = np.empty(len(groups), dtype=int)
    with warnings.catch_warnings():
        # A class rarer than the number of folds is dealt as well as it can be; scoring says what it lacks.
        warnings.simplefilter("ignore", UserWarning)
        dealer = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
        for part, (_, held_out) in enumerate(dealer.split(groups, strata, groups)):
            dealt[held_out] = part
    return dealt
