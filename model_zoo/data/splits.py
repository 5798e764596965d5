"""Who is trained on and who is held out: the test split and the folds of a snapshot.

Molecules that could leak into each other share a group, and a group is never divided: those with the same
InChIKey without stereochemistry, those that are tautomers, and, in a scaffold split, those with the same scaffold.
Acyclic molecules have no scaffold; each is a group of its own, since "no ring" says nothing about likeness.

In a split by time the newest molecules are the test split, and folds are spans of time that are chained forward (see
`folds.py`). A molecule is of the day on which it, or a stereoisomer or tautomer of it, was measured first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from model_zoo.chemistry.molecules import scaffold
from model_zoo.chemistry.standardisation.tautomers import skeleton
from model_zoo.data.folds import OLDEST, TEST_FOLD
from model_zoo.errors import DataError
from model_zoo.io.processes import spread

if TYPE_CHECKING:
    import pandas as pd
    from rdkit.Chem import Mol

    from model_zoo.data.targets import Task

CONNECTIVITY = 14
"""The first 14 characters of an InChIKey name the skeleton without stereochemistry and isotopes."""
CLUSTER_DISTANCE = 0.6
"""Least Tanimoto distance between the leaders of two clusters."""
ISO_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}")
WORTH_PROCESSES, CHUNK = 5_000, 250
"""Molecules that are worth starting processes for, and how many each gets at once."""
FAIR = 0.25
"""The share of an even fold below which a fold is too small to score a model on."""


class Split(BaseModel):
    """How a snapshot is divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["scaffold", "cluster", "time", "group", "column", "random", "official"] = "scaffold"
    """What stays together: molecules of one `scaffold`, of one `cluster` by similarity, of one `group` of the source's
    `group_column`, or only the same molecule (`random`). `time` takes the newest molecules by the source's
    `date_column` as the test split, and spans of time as folds, each held out against older ones; `column` those that
    its `split_column` calls `test`, `official` those of a benchmark; the last two make scaffold folds of the rest."""
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """The share of molecules in the test split, about."""
    folds: int = Field(default=5, ge=2, le=20)
    """The number of folds in which models are compared."""
    seed: int = 0
    """Of what is dealt at random."""


def assign(table: pd.DataFrame, split: Split, task: Task, processes: int = 1) -> pd.DataFrame:
    """Add the columns `group`, `split` (`train`, `test`) and `fold` (0.., or -1 in the test split).

    Groups are dealt so that folds have about equal size and about the same mix of values (of classes, or
    quartiles), deterministically for a snapshot and a seed.

    Raises
    ------
    DataError
        When there are too few groups to divide, one scaffold leaves next to nothing for the other folds, or an
        official split is missing.
    """
    skeletons = list(spread(skeleton, list(table["smiles"]), processes, least=WORTH_PROCESSES, chunk=CHUNK))
    groups = joined([key[:CONNECTIVITY] for key in table["inchikey"]], skeletons, kin(table, split, processes))
    strata = strata_of(table["value"].to_numpy(dtype=float), task)
    result = table.assign(group=groups)
    if split.kind == "time":
        return by_time(result, groups, split)
    if split.kind in ("official", "column"):
        if not set(table["split"]) <= {"train", "test"} or len(set(table["split"])) != 2:
            what = "an official split" if split.kind == "official" else "a split by a column (`split_column`)"
            raise DataError(f"{what} needs a source that marks its rows as train and test")
        test = table["split"].to_numpy() == "test"
    else:
        test = most_diverse(groups, deal(groups, strata, max(2, round(1 / split.test_fraction)), split.seed))
    folds = np.full(len(table), TEST_FOLD)
    folds[~test] = deal(groups[~test], strata[~test], split.folds, split.seed)
    require_even(folds[~test], groups[~test], split.folds)
    return result.assign(split=np.where(test, "test", "train"), fold=folds)


def kin(table: pd.DataFrame, split: Split, processes: int = 1) -> list[str]:
    """Label the molecules that stay together beside those that are the same; an empty label is none."""
    from rdkit import Chem

    if split.kind in ("random", "time"):
        return []
    if split.kind == "group":
        return [f"series {name}" if name else "" for name in _column(table, "series", "group_column", split)]
    if split.kind == "cluster":
        return [f"cluster {leader}" for leader in clusters(Chem.MolFromSmiles(text) for text in table["smiles"])]
    return list(spread(_scaffold_of, list(table["smiles"]), processes, least=WORTH_PROCESSES, chunk=CHUNK))


def _scaffold_of(smiles: str) -> str:
    from rdkit import Chem

    return scaffold(Chem.MolFromSmiles(smiles))


def _identity_of(smiles: str) -> tuple[str, str]:
    from rdkit import Chem

    from model_zoo.chemistry.molecules import inchikey

    return inchikey(Chem.MolFromSmiles(smiles))[:CONNECTIVITY], skeleton(smiles)


def _column(table: pd.DataFrame, name: str, key: str, split: Split) -> list[str]:
    if name not in table:
        raise DataError(f"a split by {split.kind} needs `{key}` in the endpoint's source, and some cell of it filled")
    return list(table[name])


def by_time(table: pd.DataFrame, groups: NDArray[np.int_], split: Split) -> pd.DataFrame:
    """Take the newest molecules as the test split, spans of time as folds, and an oldest span that is none.

    A molecule is as old as its oldest kin. Molecules of one day are never divided.

    Raises
    ------
    DataError
        For a day that is none, and too few days.
    """
    days = np.array([_day(text) for text in _column(table, "measured_on", "date_column", split)])
    if wrong := [text for text, day in zip(table["measured_on"], days, strict=True) if not day]:
        raise DataError(
            f"a split by time needs the day of every measurement as 2026-01-31, got {wrong[0]!r} and {len(wrong) - 1} "
            "others: write the dates so, for 01/02/2026 is two days"
        )
    first: dict[int, str] = {}
    for group, day in zip(groups, days, strict=True):
        first[group] = min(day, first.get(group, day))
    known, since, counts = np.unique([first[group] for group in groups], return_inverse=True, return_counts=True)
    parts = split.folds + 2
    if len(known) < parts:
        raise DataError(
            f"a split by time needs {parts} days or more for an oldest span, {split.folds} folds and a test split, got "
            f"{len(known)}: {', '.join(known[:3])}. Use fewer folds, or another split"
        )
    shares = [*np.linspace(0, 1 - split.test_fraction, split.folds + 2)[1:], 1.0]
    spans = _spans(counts, shares)[since]
    sizes = np.bincount(spans, minlength=parts)
    if sizes[1:].min() < FAIR * sizes.sum() * min(split.test_fraction, (1 - split.test_fraction) / (split.folds + 1)):
        raise DataError(
            f"expected days to divide into an oldest span, {split.folds} folds and a test split, got parts of "
            f"{sizes.tolist()} molecules: {counts.max()} of {sizes.sum()} are of one day. Use fewer folds, or another "
            "split"
        )
    folds = np.select([spans == 0, spans == parts - 1], [OLDEST, TEST_FOLD], spans - 1)
    return table.assign(split=np.where(folds == TEST_FOLD, "test", "train"), fold=folds)


def _spans(counts: NDArray[np.int_], shares: Sequence[float]) -> NDArray[np.int_]:
    """Return the span of each of `d` days: each ends after the day nearest to its share of all, none is empty."""
    ends = np.cumsum(counts) / counts.sum()
    found, begin = np.empty(len(counts), dtype=int), 0
    for number, share in enumerate(shares):
        most = len(counts) - (len(shares) - 1 - number)
        end = begin + 1 + int(np.argmin(np.abs(ends[begin:most] - share)))
        found[begin:end] = number
        begin = end
    return found


def _day(text: str) -> str:
    """Return the day that a cell begins with; empty where it is none."""
    try:
        return date.fromisoformat(text[:10]).isoformat() if ISO_DAY.match(text) else ""
    except ValueError:
        return ""


def clusters(mols: Iterable[Mol]) -> list[int]:
    """Return each molecule the place of its cluster's leader: the most similar one of molecules unlike each other.

    Leaders are chosen in order by sphere exclusion (Tanimoto similarity of Morgan fingerprints of radius 2 below 0.4).
    """
    from rdkit import DataStructs
    from rdkit.Chem import rdFingerprintGenerator
    from rdkit.SimDivFilters import rdSimDivPickers

    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [make.GetFingerprint(mol) for mol in mols]
    leaders = list(rdSimDivPickers.LeaderPicker().LazyBitVectorPick(prints, len(prints), CLUSTER_DISTANCE))
    chosen = [prints[leader] for leader in leaders]
    return [leaders[int(np.argmax(DataStructs.BulkTanimotoSimilarity(each, chosen)))] for each in prints]


def leaks(table: pd.DataFrame, processes: int = 1) -> list[str]:
    """List the stereo-less InChIKeys that are in more than one of: test split, fold 0, fold 1, ...

    A molecule's tautomers and stereoisomers count as itself. Computed from the structures, not from the `group` column,
    so that it checks `assign` rather than repeating it.
    """
    places: dict[str, set[int]] = {}
    known: dict[str, str] = {}
    found = spread(_identity_of, list(table["smiles"]), processes, least=WORTH_PROCESSES, chunk=CHUNK)
    for (key, frame), fold in zip(found, table["fold"], strict=True):
        for label in (key, frame):
            places.setdefault(label, set()).add(int(fold))
            known.setdefault(label, key)
    return sorted({known[label] for label, folds in places.items() if len(folds) > 1})


def require_even(folds: NDArray[np.int_], groups: NDArray[np.int_], parts: int) -> None:
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


def joined(*labellings: list[str]) -> NDArray[np.int_]:
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


def most_diverse(groups: NDArray[np.int_], parts: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Take the part with the most groups as the test split.

    One common scaffold (benzene in the solubility set) can fill most of a part; it should be trained on, not be
    what a model is judged by.
    """
    counts = [len(np.unique(groups[parts == part])) for part in range(parts.max() + 1)]
    return np.asarray(parts == int(np.argmax(counts)))


def strata_of(values: NDArray[np.float64], task: Task) -> NDArray[np.int_]:
    """Label `n` values by what folds should have the same mix of: classes, or quartiles."""
    if task == "binary":
        return values.astype(int)
    return np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)


def deal(groups: NDArray[np.int_], strata: NDArray[np.int_], parts: int, seed: int) -> NDArray[np.int_]:
    """Deal groups to parts; gives each row its part."""
    import warnings

    from model_zoo.data._group_dealer import GroupDealer

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
        dealer = GroupDealer(n_splits=parts, shuffle=True, random_state=seed)
        for part, (_, held_out) in enumerate(dealer.split(groups, strata, groups)):
            dealt[held_out] = part
    return dealt
