"""What each column of a lab's table is: a measurement, its relation, its unit, a day, a series, a name, or nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from model_zoo.data.assays.beside import belonging, names_relation, names_unit, names_unit_of_values
from model_zoo.data.assays.names_of_columns import is_no_measurement, is_potency_kind, unit_in
from model_zoo.data.assays.numerals_of_columns import Numerals, numerals_of
from model_zoo.data.assays.whole_table import WholeTable
from model_zoo.data.curation import says_no_value
from model_zoo.data.splits import ISO_DAY
from model_zoo.data.units import is_relation, is_unit

MOST = 0.9
"""Share of the filled cells that must be relations, units or days."""
FEW = 12
"""Most different texts of a column by which rows are chosen."""
FEW_CLASSES = 3
MANY_VALUES = 20
"""Values of which three different ones are no chance."""
_LABELS = (
    ({"1", "1.0", "active", "yes", "y", "true", "positive", "pos", "+", "toxic", "inhibitor", "permeable", "high",
      "hit", "t", "blocker", "substrate", "binder", "mutagenic"}, 1),
    ({"0", "0.0", "inactive", "no", "n", "false", "negative", "neg", "-", "nontoxic", "non-toxic", "noninhibitor",
      "non-inhibitor", "impermeable", "low", "miss", "f", "non-blocker",
      "nonblocker", "non-substrate", "nonsubstrate", "non-binder", "nonbinder", "non-mutagenic", "nonmutagenic"}, 0),
)  # fmt: skip
_NAME = re.compile(r"(^|[ _])(id|name|compound|molecule|cmpd|code|chembl|drug|mol)([ _]|id$|$)", re.IGNORECASE)
_DAY = re.compile(r"date|day|measured.?on|tested.?on", re.IGNORECASE)
_SERIES = re.compile(r"^(series|chemotype|scaffold|cluster|project|chemical.?series)$", re.IGNORECASE)
_CHOOSING = re.compile(
    r"^((standard|activity)[ _]?)?type$|^(endpoint|parameter|measurement|pref_name)$|^target([ _]?(pref_?)?name)?$"
    r"|^(assay|test|protocol|method|gene|protein|receptor|enzyme|kinase|construct)([ _]?(name|symbol))?$"
    r"|^(readout|property|analyte|result[ _]?(type|name)|direction|medium|buffer|tissue|sex|route|formulation)$"
    r"|species|organism|strain|isoform|matrix|cell.?line|variant|mutation|mutant|genotype|data.?validity",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"^((assay|test|incubation|compound|cmpd|inhibitor)[ _]*)?"
    r"(ph([ _]?value)?|conc(entration)?|dose|temp(erature)?|time([ _]?point)?|duration)[ _]*$",
    re.IGNORECASE,
)
"""A number that rows are chosen by."""
_ZERO = {"0", "0.0"}
_UNDECIDED = {"inconclusive", "unspecified", "undetermined", "ambiguous", "equivocal", "borderline", "not tested"}
"""Texts beside two labels that are none."""
_WEIGHT = re.compile(
    r"^(weight|n|(n|(number|no\.?)[ _]of)[ _](experiments|replicates|measurements))$",
    re.IGNORECASE,
)
_STANDARD = re.compile(r"standard.?(value|units?|relation|type)", re.IGNORECASE)
_PARTS = {"train", "test"}


@dataclass(frozen=True)
class Value:
    """A column that may hold measurements."""

    name: str
    filled: int
    """`name` and `filled`: the column, and how many of its cells are not empty."""
    numerals: Numerals
    """How its numbers are written."""
    labels: dict[str, int] | None
    """The class of each of its texts, where it holds two."""
    unit: str
    """What its name says."""
    relations: str = ""
    units: str = ""
    """`relations` and `units`: the columns that say of each row whether it is a bound, and its unit; empty for none."""
    below: str = ""
    """What rows below the header say of it."""


@dataclass(frozen=True)
class Roles:
    """What the columns are; a name is empty where there is no such column."""

    values: tuple[Value, ...]
    """Columns that hold measurements, as far as one can see."""
    day: str = ""
    series: str = ""
    part: str = ""
    identifier: str = ""
    weight: str = ""
    """`day`, `series`, `part`, `identifier` and `weight`: columns that say more of them."""
    choosing: dict[str, Counter[str]] = field(default_factory=dict)
    """Columns by which some rows may be meant and others not, with how often each text is there."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Columns of numbers that are taken for none, with why."""


def find_roles(table: WholeTable, wanted: tuple[str, ...] = (), numerals: str | None = None) -> Roles:
    """Find what the columns of a table are."""
    cells = {name: table.column(name) for name in dict.fromkeys(table.names) if table.names.count(name) == 1}
    cells.pop(table.structure, None)
    published = {name for name in cells if name not in wanted and _has_standard(name, tuple(cells))}
    cells = {name: texts for name, texts in cells.items() if name not in published}
    relations = [name for name, texts in cells.items() if _share(_with_value(texts), is_relation) >= MOST]
    beside = [
        name for name, texts in cells.items()
        if names_unit_of_values(name) and _share(texts, is_unit) > 0
    ]  # fmt: skip
    day = _first(cells, lambda name, texts: _share(texts, _is_day) >= MOST)
    left_out = {
        name: f"it holds no days such as 2026-01-31, but {next(filter(None, texts))!r}: no split by time can use it"
        for name, texts in cells.items()
        if not day and any(texts) and _DAY.search(name) and name not in wanted
    }
    left_out |= dict.fromkeys(sorted(published), "it is as it was published, and its standard form is beside it")
    series = _first(cells, lambda name, texts: bool(_SERIES.match(name)))
    part = _first(cells, lambda name, texts: {text for text in texts if text} == _PARTS)
    identifier = _first(cells, lambda name, texts: bool(_NAME.search(name)) and not _CHOOSING.search(name))
    weight = _first(cells, lambda name, texts: bool(_WEIGHT.match(name)) and _share(texts, _is_positive) == 1)
    taken = {*relations, *beside, day, series, part, identifier, weight, *left_out} - set(wanted)
    conditions = {name for name in cells if _is_condition(name) and name not in wanted}
    taken |= conditions | {name for name in cells if names_relation(name) and name not in wanted}
    values = []
    for name, texts in cells.items():
        if (wanted and name not in wanted) or name in taken:
            continue
        filled = [text for text in texts if text]
        labels = labels_of(filled)
        found = numerals_of(texts, numerals)
        if not filled or not (labels or found.is_numeric):
            if name in wanted:
                values.append(Value(name, len(filled), found, None, ""))
            continue
        below = table.below(name)
        units_below = (unit_in(each)[0] or unit_in(f"x ({each})")[0] for each in below)
        unit_here = unit_in(name)[0] or next(filter(None, units_below), "")
        why = "" if name in wanted else _why_none(" ".join([name, *below]), found, cells)
        measured_for_sure = labels or unit_here or beside or any(map(is_potency_kind, re.split(r"[\s_()]+", name)))
        if not (why or measured_for_sure or name in wanted) and (classes := classes_in(found)):
            why = f"it holds only {classes}, as classes do"
        if why:
            left_out[name] = why
        else:
            values.append(Value(name, len(filled), found, labels, unit_here, below=" ".join(below)))
    measured = [value.name for value in values]
    if len(relations) > 1 or len(beside) > 1:  # then a column that is not asked for may own one of them
        measured = [
            name for name, texts in cells.items()
            if name not in taken and (name in measured or numerals_of(texts, numerals).is_numeric)
        ]  # fmt: skip
    signs, units_of = (belonging(columns, table.names, measured) for columns in (relations, beside))
    unclear = {*relations, *beside} - {*signs.values(), *units_of.values()}
    unknown = {
        name for name in cells if names_unit(name) and name not in taken and len(set(filter(None, cells[name]))) > 1
    }
    values = [
        replace(value, relations=signs.get(value.name, ""), units=units_of.get(value.name, ""))
        if value.labels is None else value
        for value in values
    ]  # fmt: skip
    unclear |= unknown | {name for name in cells if names_relation(name) and name not in relations}
    rest = {name: texts for name, texts in cells.items() if name not in {value.name for value in values}}
    counts = {name: _chosen_by(table, name, texts, taken, unclear) for name, texts in rest.items()}
    choosing = {name: counted for name, counted in counts.items() if counted}
    return Roles(tuple(values), day, series, part, identifier, weight, choosing, left_out)


def _chosen_by(
    table: WholeTable, name: str, texts: list[str], taken: Collection[str], unclear: Collection[str]
) -> Counter[str]:
    """Count the texts of a column by which some rows may be meant and others not; none where it is no such column."""
    counted = Counter(filter(None, texts))
    if _CHOOSING.search(name) and name not in taken:
        if counted and "validity" in name.lower():
            return Counter(texts)
        return counted if len(counted) > 1 else Counter()
    if _is_condition(name):
        return counted if 1 < len(counted) <= FEW or _differs_within(table, texts) else Counter()
    if name in unclear:
        return counted if len(counted) <= FEW else Counter()
    return Counter()


def _differs_within(table: WholeTable, texts: list[str]) -> bool:
    """Return whether a structure, as it is written, is in rows with different texts."""
    pairs = {
        (structure, text) for structure, text in zip(table.structures(), texts, strict=False) if structure and text
    }
    return len({structure for structure, _ in pairs}) < len(pairs)


def _has_standard(name: str, names: Sequence[str]) -> bool:
    """Return whether another column has the standard form of this one, as `standard_value` has of `value`."""
    return any(
        _STANDARD.fullmatch(other) and re.sub(r"^standard[ _]?", "", other.lower()) == name.lower() for other in names
    )


def _is_condition(name: str) -> bool:
    return bool(_CONDITION.match(re.sub(r"\s*[(\[].*[)\]]", "", unit_in(name)[1])))


def _with_value(texts: list[str]) -> list[str]:
    return [text for text in texts if not says_no_value(text)]


def labels_of(texts: list[str]) -> dict[str, int] | None:
    """Return the class of each text of a column that holds two kinds of known labels, 0 and 1, or -1 and 1 alone.

    Beside 0 and 1, -1 may be a third class or a mark of what was not measured: these are no labels.

    Examples
    --------
    >>> labels_of(["Active", "inactive", "Active"]), labels_of(["1", "0", "n.d."]), labels_of(["1", "2"])
    ({'Active': 1, 'inactive': 0}, {'1': 1, '0': 0}, None)
    >>> labels_of(["1", "-1", "1"]), labels_of(["1", "0", "-1"])
    ({'1': 1, '-1': 0}, None)
    """
    found: dict[str, int] = {}
    different = dict.fromkeys(texts)
    known = _LABELS if different.keys() & _ZERO else (*_LABELS, ({"-1", "-1.0"}, 0), ({"+1", "+1.0"}, 1))
    for text in different:
        label = next((value for words, value in known if text.lower() in words), None)
        if label is not None:
            found[text] = label
        elif text.lower() not in _UNDECIDED and not says_no_value(text):
            return None
    return found if set(found.values()) == {0, 1} else None


def classes_in(found: Numerals) -> str:
    """Return what a column of numbers consists of, if it is two or three whole numbers again and again.

    A regression of classes is trained without a fault, and predicts what is between them.
    """
    numbers = [value for value in found.values if value == value]  # noqa: PLR0124  NaN
    different = sorted(set(numbers))
    if len(numbers) < MANY_VALUES or not 1 < len(different) <= FEW_CLASSES or any(value % 1 for value in different):
        return ""
    return ", ".join(f"{value:g}" for value in different)


def _why_none(name: str, found: Numerals, cells: dict[str, list[str]]) -> str:
    if is_no_measurement(name):
        return "its name says that it is not a measurement"
    numbers = [value for value in found.values if value == value]  # noqa: PLR0124  NaN
    if len(numbers) > 2 and numbers[0] in (0, 1) and numbers == [numbers[0] + place for place in range(len(numbers))]:
        return "it counts the rows"
    if "pchembl" in name.lower() and any(_STANDARD.search(other) for other in cells):
        return "it is the logarithm of another column, without its bounds"
    rest = {unit_in(other)[1].lower() for other in cells}
    if re.match(r"p[A-Z]", name) and name[1:].lower() in rest:
        return f"it is the logarithm of {name[1:]!r}"
    return ""


def _first(cells: dict[str, list[str]], holds: object) -> str:
    return next((name for name, texts in cells.items() if any(texts) and holds(name, texts)), "")  # type: ignore[operator]


def _share(texts: list[str], holds: object) -> float:
    filled = [text for text in texts if text]
    known = {text: bool(holds(text)) for text in dict.fromkeys(filled)}  # type: ignore[operator]
    return sum(known[text] for text in filled) / len(filled) if filled else 0.0


def _is_positive(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", text)) and float(text) > 0


def _is_day(text: str) -> bool:
    return bool(ISO_DAY.match(text))
