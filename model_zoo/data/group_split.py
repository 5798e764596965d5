"""One place per molecule for endpoints that share compounds: one fold, or the test split, whichever measured it.

Molecules are told apart as in `splits.py`: stereoisomers and tautomers are the same one. Where the files of an endpoint
say which of its rows are the test split, these molecules are the test split of all; and a row that one endpoint would
train on while another is tested on its molecule is taken out, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.standardisation.tautomers import skeleton
from model_zoo.data.folds import OLDEST, TEST_FOLD
from model_zoo.data.splits import (
    CONNECTIVITY,
    Split,
    by_time,
    deal,
    joined,
    kin,
    most_diverse,
    require_even,
    strata_of,
)
from model_zoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from model_zoo.data.targets import Task

WITHHELD = "test split of its group"
"""Kind of the reason why a row is taken out."""


def assign_together(
    tables: Mapping[str, pd.DataFrame], tasks: Mapping[str, Task], split: Split, given: Collection[str] = ()
) -> dict[str, pd.DataFrame]:
    """Add the columns `group`, `split` (`train`, `test`) and `fold` to the tables of several endpoints.

    Groups of molecules are dealt so that folds have about equal size and, of the endpoint that measured the fewest of
    those who measured a molecule, about the same mix of values.

    Parameters
    ----------
    tables, tasks
        By endpoint, its curated molecules, and what kind of values it has.
    split
        How molecules are divided.
    given
        The endpoints whose tables say in a column `split` which rows are `train` and `test`.

    Returns
    -------
    dict
        The tables in the same order of rows. A row of an endpoint of `given` that is no test row of its own, and whose
        molecule is in the test split, has the split `withheld` and the fold -1.

    Raises
    ------
    DataError
        When the molecules cannot be divided, or an endpoint has none in the test split or in a fold.
    """
    union = _union(tables, tasks)
    identity = [[key[:CONNECTIVITY] for key in union["inchikey"]], [skeleton(text) for text in union["smiles"]]]
    same = joined(*identity)
    groups = joined(*identity, kin(union, split))
    strata = union["stratum"].to_numpy(dtype=int)
    test, train = _given(union, tables, given, same)
    if split.kind == "time":
        if train.any():
            raise DataError("a split by time, and an endpoint whose files say its test split: expected one of both")
        folds = by_time(union, groups, split)["fold"].to_numpy(dtype=int)
    else:
        free = ~np.isin(groups, groups[test | train])
        if free.any() and set(tables) - set(given):
            dealt = deal(groups[free], strata[free], max(2, round(1 / split.test_fraction)), split.seed)
            test[free] = most_diverse(groups[free], dealt)
        folds = np.full(len(union), TEST_FOLD)
        folds[~test] = deal(groups[~test], strata[~test], split.folds, split.seed)
        require_even(folds[~test], groups[~test], split.folds)
    places = union.assign(group=groups, fold=folds).set_index("smiles")[["group", "fold"]]
    return {name: _placed(table, places, own=name in given) for name, table in tables.items()}


def require_all_folds(name: str, table: pd.DataFrame, split: Split) -> None:
    """Refuse an endpoint that has no measured value in some fold, or in the test split."""
    measured = table.loc[(table["split"] != "withheld") & (table["relation"] == "=")]
    parts = [TEST_FOLD, *range(split.folds), *([OLDEST] if split.kind == "time" else [])]
    counts = {fold: int((measured["fold"] == fold).sum()) for fold in parts}
    if min(counts.values()) == 0:
        test, *folds = counts.values()
        oldest = " (the last number: of the oldest span)" if split.kind == "time" else ""
        raise DataError(
            f"{name}: expected measured values in the test split and in each of the {split.folds} folds that its "
            f"group divides its molecules into, got {test} and {folds}{oldest}. Add measurements, use fewer folds, or "
            "take the endpoint out of the group."
        )


def _union(tables: Mapping[str, pd.DataFrame], tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Return every molecule once, with the kind of value it has where fewest molecules were measured."""
    import pandas as pd

    parts, first = [], 0
    for name, table in sorted(tables.items(), key=lambda item: (len(item[1]), item[0])):
        strata = strata_of(table["value"].to_numpy(dtype=float), tasks[name])
        parts.append(table.assign(stratum=first + strata))
        first += int(strata.max(initial=0)) + 1
    rows = pd.concat(parts, ignore_index=True)
    union = rows.drop_duplicates("smiles").reset_index(drop=True)
    if "measured_on" in union:
        days = rows[rows["measured_on"].fillna("") != ""].groupby("smiles")["measured_on"].min()
        union["measured_on"] = union["smiles"].map(days).fillna("")
    if "series" in union:
        union["series"] = union["series"].fillna("")
    # In an order of their own, so that which endpoint is first in the group's file changes no fold.
    return union.sort_values("smiles", ignore_index=True)


def _given(
    union: pd.DataFrame, tables: Mapping[str, pd.DataFrame], given: Collection[str], same: NDArray[np.int_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which molecules the files of endpoints put into the test split, and which into training."""
    test, listed = np.zeros(len(union), dtype=bool), np.zeros(len(union), dtype=bool)
    for name in given:
        table = tables[name]
        if "split" not in table or set(table["split"]) != {"train", "test"}:
            raise DataError(f"{name}: an official split, or one by a column, needs rows that say train and test")
        inside = union["smiles"].isin(table["smiles"]).to_numpy()
        tested = union["smiles"].isin(table.loc[table["split"] == "test", "smiles"]).to_numpy()
        test |= np.isin(same, same[tested])
        listed |= inside
    return test, listed & ~test


def _placed(table: pd.DataFrame, places: pd.DataFrame, *, own: bool) -> pd.DataFrame:
    found = places.loc[table["smiles"]].reset_index(drop=True)
    test = found["fold"].to_numpy() == TEST_FOLD
    split = np.where(test, "test", "train")
    if own:
        split = np.where(test & (table["split"].to_numpy() != "test"), "withheld", split)
    return table.assign(group=found["group"].to_numpy(), split=split, fold=found["fold"].to_numpy())
