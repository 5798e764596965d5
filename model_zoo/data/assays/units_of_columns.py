"""The unit of a column of measurements: what its name, the cells, another column and the file's name say of it.

Belongs here: choosing a unit by evidence.
Does not belong here: asking where the evidence is divided (see `proposal.py`), units in a text (see `data/units.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from model_zoo.data.assays.beside import names_unit_of_values
from model_zoo.data.assays.names_of_columns import is_negative_logarithm, potency_kind
from model_zoo.data.assays.roles import Roles, Value
from model_zoo.data.assays.whole_table import WholeTable
from model_zoo.data.units import is_logarithmic, is_unit, split_unit, unit_name

UNKNOWN = "unknown"
_NAMELESS = re.compile(r"((standard|activity|published)[ _]?)?(value|result|potency|activity)s?$", re.IGNORECASE)
"""Names that do not say what was measured."""
_NO_POTENCY = re.compile(
    r"solub|perm|papp|clint|clear|half|bound|inhibition|inh\b|viab|remain|recover|cmax", re.IGNORECASE
)
"""Names of what is no potency, whatever its file is called."""
MOST_DECADES = 20.0
"""No logarithm of an amount in any unit is above this."""
_MOLAR = {"M", "mM", "uM", "nM", "pM", "fM", "mol/L", "mmol/L", "umol/L", "nmol/L", "pmol/L"}


def units_of(
    table: WholeTable, roles: Roles, value: Value, given: str | None, where: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """Return the endpoint's unit and that of the file, as far as the column, another one or the caller says it.

    Parameters
    ----------
    table, roles
        The rows that are meant, and what their columns are.
    value
        The column of measurements.
    given
        The unit that the caller says; none to guess it.
    where
        Which rows are meant, as column and text: `IC50` in a column of kinds says that values are potencies.

    Returns
    -------
    tuple of str
        The endpoint's unit, `unknown` where nothing says it; and the file's unit, empty where it is the same.
    """
    unit = given or stated_unit(table, roles, value, where)
    numbers = [number for number in value.numerals.values if not math.isnan(number)]
    if given is None and unit in _MOLAR and numbers and min(numbers) < 0 and max(numbers) <= MOST_DECADES:
        unit = ""  # no concentration is negative: they may be logarithms, which the name keeps to itself
    if not unit:
        return UNKNOWN, ""
    hints = _names(value, where)
    if not _NO_POTENCY.search(value.name) and (len(roles.values) == 1 or _NAMELESS.match(value.name)):
        hints += [*(text for texts in roles.choosing.values() for text in texts), table.path.name]
    potency = next(
        filter(None, map(potency_kind, hints)), "IC50" if value.units and _NAMELESS.match(value.name) else ""
    )
    return (f"p{potency}", unit) if potency and unit in _MOLAR else (unit, "")


def stated_unit(table: WholeTable, roles: Roles, value: Value, where: Sequence[tuple[str, str]]) -> str:
    """Return the unit that the column, another one or the cells state; empty where none does. See `units_of`."""
    unit = value.unit
    if not unit and value.units:
        texts = [unit_name(text) for text in table.column(value.units) if is_unit(text)]
        unit = max(dict.fromkeys(texts), key=texts.count)
    named = filter(names_unit_of_values, table.names)
    same = {text for name in named for text in table.column(name) if text}
    if not unit and len(same) == 1:
        unit = unit_name(same.pop())  # one that converts into no other, and the same in all rows
    if not unit and (inside := [inner for cell in table.column(value.name) if (inner := split_unit(cell)[1])]):
        unit = max(dict.fromkeys(inside), key=inside.count)
    kinds = (re.search(r"log ?(s|bb|d|p)\b", name, re.IGNORECASE) for name in _names(value, where))
    kind = next(filter(None, kinds), None)
    if not unit and kind and not is_negative_logarithm(value.name):
        unit = {"s": "log10 mol/L", "bb": "logBB", "d": "log D", "p": "log P"}[kind[1].lower()]
    return unit


def is_molar(unit: str) -> bool:
    """Return whether a unit is one of concentrations in moles."""
    return unit in _MOLAR


def is_potency(unit: str) -> bool:
    """Return whether a unit is that of potencies: the negative logarithm of a concentration.

    Examples
    --------
    >>> [is_potency(unit) for unit in ("pIC50", "pKi", "log10 uM", "nM")]
    [True, True, False, False]
    """
    return unit.startswith("p") and is_logarithmic(unit)


def _names(value: Value, where: Sequence[tuple[str, str]]) -> list[str]:
    return [value.name, value.below, *(text for _, text in where)]
