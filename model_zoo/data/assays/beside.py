"""Columns that say more of another one: which values a column of relations or of units belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from model_zoo.data.assays.names_of_columns import unit_in

_RELATION = re.compile(
    r"(?<![a-z])(relations?|qualifiers?|modifiers?|operators?|prefix|sign|rel|mod|op|censor(ed|ing)?)(?![a-z])",
    re.IGNORECASE,
)
_CALLED = re.compile(r"(?<![a-z])(relations?|qualifiers?|modifiers?|censor(ed|ing)?)(?![a-z])", re.IGNORECASE)
_OF_CONDITION = re.compile(r"(?<![a-z])(conc(entration)?|dose|time|temp(erature)?)(?![a-z])", re.IGNORECASE)
_UNIT = re.compile(r"(?<![a-z])units?(?![a-z])", re.IGNORECASE)
_UNNAMED = re.compile(r"column_\d+")


def names_relation(name: str) -> bool:
    """Return whether a column is called as one that says whether values are bounds.

    Examples
    --------
    >>> [names_relation(name) for name in ("IC50_Qualifier", "standard_relation", "assignment", "Operator")]
    [True, True, False, False]
    """
    return bool(_CALLED.search(name.replace("_", " ")))


def names_unit(name: str) -> bool:
    """Return whether a column is called as one of units."""
    return bool(_UNIT.search(name.replace("_", " ")))


def names_unit_of_values(name: str) -> bool:
    """Return whether a column is called as one of units, and not of those of a concentration or a time of the assay.

    Examples
    --------
    >>> [names_unit_of_values(name) for name in ("Conc Unit", "Standard Units", "Concentration")]
    [False, True, False]
    """
    return names_unit(name) and not _OF_CONDITION.search(name.replace("_", " "))


def belonging(columns: Sequence[str], names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Return which of the columns belongs to each value; a value without one is left out, and so is what is unclear.

    By their names, where these say it; else the column on the same side of every value; a column alone, and without a
    name of its own, says it of all.

    Parameters
    ----------
    columns
        Of relations, or of units.
    names, values
        All columns of the table in their order, and those that hold measurements.

    Examples
    --------
    >>> names = ["SMILES", "IC50 rel", "IC50 (nM)", "Ki rel", "Ki (nM)"]
    >>> belonging(["IC50 rel", "Ki rel"], names, ["IC50 (nM)", "Ki (nM)"])
    {'IC50 (nM)': 'IC50 rel', 'Ki (nM)': 'Ki rel'}
    >>> belonging(["column_3", "column_5"], ["SMILES", "IC50", "column_3", "Ki", "column_5"], ["IC50", "Ki"])
    {'IC50': 'column_3', 'Ki': 'column_5'}
    >>> belonging(["Qualifier"], ["SMILES", "Qualifier", "IC50", "Ki"], ["IC50", "Ki"])
    {'IC50': 'Qualifier', 'Ki': 'Qualifier'}
    """
    if len(values) == 1 and columns:
        named = [column for column in columns if _words(column) and _words(column) <= _words(values[0])]
        if named or len(columns) == 1:
            return {values[0]: (named or list(columns))[0]}
    found: dict[str, str] = {}
    rest = []
    for column in columns:
        own = [value for value in values if _words(column) and _words(column) <= _words(value)]
        found.update({value: column for value in own if value not in found})
        if not own:
            rest.append(column)
    if len(rest) == 1 and not found and not _words(rest[0]):
        return dict.fromkeys(values, rest[0])
    # Signs and units of one value may be between it and those of another kind: only columns of one kind count.
    order = [name for name in names if name in rest or (name in values and name not in found)]
    left = {name: before for before, name in pairwise(order) if name in values and before in rest}
    right = {name: behind for name, behind in pairwise(order) if name in values and behind in rest}
    return found if len(left) == len(right) else found | max(left, right, key=len)


def _words(name: str) -> frozenset[str]:
    """Return what a name says beside a unit and that it is a relation or a unit."""
    if _UNNAMED.fullmatch(name):
        return frozenset()
    plain = _UNIT.sub(" ", _RELATION.sub(" ", unit_in(name)[1].replace("_", " ")))
    return frozenset(re.findall(r"[a-z0-9]+", plain.lower())) - {"value", "values", "result", "results"}
