"""Conversions from the unit a measurement came in to the endpoint's own unit, and the signs before a number."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from model_zoo.data.numerals import POINT, normal, plain_number
from model_zoo.errors import ConfigError

# Families of units: within one, a unit is so many of the family's first.
_M = {"M": 1.0, "mM": 1e-3, "uM": 1e-6, "nM": 1e-9, "pM": 1e-12, "fM": 1e-15}
_MOLAR = {**_M, **{f"{name[:-1]}mol/L": factor for name, factor in _M.items()}}
_MASS = {"g/L": 1.0, "mg/mL": 1.0, "mg/L": 1e-3, "ug/mL": 1e-3, "ug/L": 1e-6, "ng/mL": 1e-6, "pg/mL": 1e-9}
_FAMILIES: dict[str, dict[str, float]] = {
    "molar": _MOLAR,
    "mass": _MASS,
    "share": {"fraction": 1.0, "%": 0.01},
    "time": {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "energy": {"kcal/mol": 4184.0, "kJ/mol": 1000.0, "J/mol": 1.0},
    "permeability": {"cm/s": 1.0, "1e-6 cm/s": 1e-6, "nm/s": 1e-7},
}
_KIND_OF = {unit: (family, factor) for family, units in _FAMILIES.items() for unit, factor in units.items()}
_NAMES = {
    "percent": "%", "hr": "h", "hours": "h", "minutes": "min", "days": "d", "molar": "M", "millimolar": "mM",
    "micromolar": "uM", "nanomolar": "nM", "picomolar": "pM",
}  # fmt: skip
"""What units are called in words; a sign for micro that was decoded wrongly is none of them."""
_NEGATIVE_LOGARITHM = re.compile(r"^p(IC50|EC50|AC50|XC50|GI50|Ki|Kd|KB|A2)$")
_LOGARITHM = "log10 "

# A unit whose scale runs against the measured one turns "greater than" into "less than".
FLIPPED_RELATION = {"=": "=", ">": "<", "<": ">"}
_WORDS = {
    **dict.fromkeys(("eq", "equal", "equals", "exact"), "="),
    **dict.fromkeys(("ca", "ca.", "circa", "approx", "approx.", "approximately", "about"), "="),
    **dict.fromkeys(("gt", "ge", "gte", "greater", "greater than", "more than", "above", "larger than"), ">"),
    **dict.fromkeys(("lt", "le", "lte", "less", "less than", "below", "smaller than"), "<"),
}
_SIGNS = {
    **dict.fromkeys(("=", "==", "~", "≈", "\u223c", "≃", "≅"), "="),
    **dict.fromkeys((">", ">=", "=>", ">>", "≥", "≧", "⩾", "≫"), ">"),
    **dict.fromkeys(("<", "<=", "=<", "<<", "≤", "≦", "⩽", "≪"), "<"),
}
_NO_SIGN = {"n/a", "na", "none", "null", "nan", "-"}
"""What a column of relations holds where a value has none."""
_POSSIBLE = (-20.0, 3.0)
"""The logarithms of the least and the largest concentration in mol/L that anybody measures."""
_TRAILING = re.compile(r"^(.*[0-9.,])\s*([^\W\d_]\S*|%)$", re.DOTALL)
_SIGNED = re.compile(
    rf"^([{re.escape(''.join(sorted(set(''.join(_SIGNS)))))}]+"
    rf"|(?:{'|'.join(map(re.escape, sorted(_WORDS, key=len, reverse=True)))})(?![a-z]))\s*(.+)$",
    re.DOTALL | re.IGNORECASE,
)


class Unit(NamedTuple):
    """What a unit's name means: `amount = factor * number` in its family, or ten to the power of the number."""

    family: str
    factor: float
    power: int = 0
    """1 where the number is a logarithm, -1 where it is a negative one, 0 where it is the amount itself."""


class Conversion(NamedTuple):
    """How numbers of one unit become numbers of another."""

    convert: Callable[[float, float], float]
    """From a number and the molecule's weight in g/mol to the number in the other unit; raises `ValueError` for a
    number that has none there."""
    flips: bool
    """Whether a larger number becomes a smaller one, so that `>` must become `<`."""
    by_weight: bool = False
    """Whether the molecule's weight is needed: from mass to amount or back."""


def unit_name(text: str) -> str:
    """Write a unit's name in the one way that is known here: micro as `u`, `ug.mL-1` as `ug/mL`.

    Examples
    --------
    >>> unit_name(" µM "), unit_name("ug.mL-1"), unit_name("ng/ml"), unit_name("MICROMOLAR"), unit_name("furlong")
    ('uM', 'ug/mL', 'ng/mL', 'uM', 'furlong')
    """
    name = unicodedata.normalize("NFKC", text.replace("Âµ", "µ").replace("Î¼", "µ")).strip().replace("μ", "u")
    name = re.sub(r"^(\S+?)[.· ](m?[lL]|mol|s)-1$", r"\1/\2", name)
    name = re.sub(r"/(m?)l$", r"/\1L", name)
    return _NAMES.get(name.lower(), name)


def conversion(source_unit: str, unit: str) -> Conversion:
    """Find the conversion from `source_unit` to `unit`.

    Parameters
    ----------
    source_unit, unit
        Names of units. Equal names need no conversion. Amounts of one kind convert into each other: molar (`M` to
        `fM`, `mol/L`), mass (`g/L`, `ug/mL`), shares (`%`, `fraction`), times, energies, permeabilities; molar and
        mass through the molecule's weight; and each to and from its logarithm (`log10 uM`) and `pIC50`, `pEC50`,
        `pKi`, `pKd`: the negative one of mol/L.

    Raises
    ------
    ConfigError
        When no conversion between the two is known.

    Examples
    --------
    >>> conversion("ug/mL", "pIC50").convert(18.0, 180.0).__round__(9)
    4.0
    >>> conversion("pIC50", "nM").convert(7.0, math.nan).__round__(9), conversion("pIC50", "nM").flips
    (100.0, True)
    """
    if unit_name(source_unit) == unit_name(unit):
        return Conversion(lambda value, weight: float(value), flips=False)
    come, wanted = _meaning(source_unit), _meaning(unit)
    families = {each.family for each in (come, wanted) if each is not None}
    if come is None or wanted is None or (len(families) == 2 and families != {"molar", "mass"}):
        raise _unknown(source_unit, unit)

    # Fifteen digits, so that a micromolar is a thousand nanomolar and not 999.9999999999999.
    ratio = float(f"{come.factor / wanted.factor:.15g}")

    def convert(value: float, weight: float) -> float:
        per = _by_weight(come, wanted, weight)
        if not come.power and not wanted.power:
            return value * ratio * per
        if not come.power and value <= 0:
            raise NotPositiveError(f"not positive: a concentration must be positive, got {value:g} {source_unit}")
        logarithm = (come.power * value if come.power else math.log10(value)) + math.log10(ratio) + math.log10(per)
        return wanted.power * logarithm if wanted.power else float(10.0**logarithm)

    return Conversion(convert, (come.power < 0) != (wanted.power < 0), by_weight=len(families) == 2)


class NotPositiveError(ValueError):
    """A number without a logarithm, where one is needed."""


def bare_number(text: str) -> str:
    """Return what is left of a cell without a relation before it and a known unit behind it.

    Examples
    --------
    >>> bare_number("> 1,5 µM"), bare_number("\N{MINUS SIGN}3")
    ('1,5', '-3')
    """
    plain = normal(split_unit(text)[0])
    match = _SIGNED.match(plain)
    return (match[2] if match else plain).strip()


def sign_before(text: str) -> str:
    """Return the relation that a cell is or begins with; empty for none.

    Examples
    --------
    >>> [sign_before(text) for text in ("> 5", "GT", "'<'", "less than 3", "5")]
    ['>', '>', '<', '<', '']
    """
    if is_relation(text):
        return relation(text)
    match = _SIGNED.match(normal(text))
    return relation(match[1]) if match else ""


def is_relation(text: str) -> bool:
    """Return whether a text is a relation such as `>` or `'='`."""
    try:
        return bool(relation(text))
    except ValueError:
        return False


def is_unit(text: str) -> bool:
    """Return whether a text is a unit that converts into others.

    Examples
    --------
    >>> [is_unit(text) for text in ("uM", "log10 nM", "pKi", "mL/min/kg", "")]
    [True, True, True, False, False]
    """
    return bool(text) and _meaning(text) is not None


def split_unit(text: str) -> tuple[str, str]:
    """Cut a unit that is known here off the end of a cell; the unit is empty where none is.

    Examples
    --------
    >>> split_unit("> 5 µM"), split_unit("50%"), split_unit("1.5e-3"), split_unit("5 furlong")
    (('> 5', 'uM'), ('50', '%'), ('1.5e-3', ''), ('5 furlong', ''))
    """
    match = _TRAILING.match(normal(text))
    unit = unit_name(match[2]) if match else ""
    return (match[1], unit) if match and unit in _KIND_OF else (text, "")


def is_logarithmic(unit: str) -> bool:
    """Return whether one more of a unit is ten times as much.

    Examples
    --------
    >>> [is_logarithmic(unit) for unit in ("pIC50", "log10 mol/L", "logBB", "nM", "kcal/mol")]
    [True, True, True, False, False]
    """
    return bool(_NEGATIVE_LOGARITHM.match(unit)) or unit.lower().startswith("log")


def possible(unit: str) -> tuple[float, float]:
    """Return between which numbers logarithms of a concentration lie: 1e-20 to 1000 mol/L; no bounds for other units.

    Examples
    --------
    >>> possible("pIC50"), possible("log10 mol/L"), possible("log10 nM"), possible("nM")
    ((-3.0, 20.0), (-20.0, 3.0), (-11.0, 12.0), (-inf, inf))
    """
    found = _meaning(unit)
    if found is None or found.family != "molar" or not found.power:
        return -math.inf, math.inf
    low, high = (found.power * (power - math.log10(found.factor)) for power in _POSSIBLE)
    return min(low, high), max(low, high)


def relation(text: str) -> str:
    r"""Read a relation as `=`, `<` or `>`; an empty text stays empty.

    Examples
    --------
    >>> [relation(text) for text in ("", "=", "~", "≥", " \uff1c ", "'<='", "GT", "less than", "&gt;")]
    ['', '=', '=', '>', '<', '<', '>', '<', '>']
    """
    sign = unicodedata.normalize("NFKC", html.unescape(text)).strip().strip("'\"").strip()
    if not sign:
        return ""
    found = _SIGNS.get(sign) or _WORDS.get(sign.lower())
    if found is None:
        raise ValueError(f"relation: expected '=', '<' or '>', got {text!r}")
    return found


def measured(text: str, sign: str = "", numerals: str = POINT) -> tuple[float, str]:
    r"""Read a number with the relation before it or in a cell of its own.

    Parameters
    ----------
    text
        A number such as `12.5`, `>10` or `≤ 3`, with any minus sign.
    sign
        The relation from a column of its own; empty where there is none.
    numerals
        How numbers are written; see `numerals.py`.

    Returns
    -------
    tuple
        The number, and `=`, `<` or `>`; `~` and its kin are read as `=`.

    Raises
    ------
    ValueError
        When the text is no finite number, or the two relations contradict each other; the message begins with the
        kind of the fault and a colon.

    Examples
    --------
    >>> measured("≥ 10"), measured("10", "<"), measured("\N{MINUS SIGN}2.5")
    ((10.0, '>'), (10.0, '<'), (-2.5, '='))
    """
    if not text.strip():
        raise ValueError("empty value: expected a number, got an empty cell")
    plain = normal(text)
    match = _SIGNED.match(plain)
    column_sign = "" if sign.strip().lower() in _NO_SIGN else sign
    beside, before = relation(column_sign), relation(match[1]) if match else ""
    if beside and before and beside != before:
        raise ValueError(f"relation: {sign!r} contradicts the value {text!r}")
    try:
        value = float(plain_number(match[2] if match else plain, numerals))
    except ValueError as error:
        raise ValueError(f"not a number: {error}") from None
    if not math.isfinite(value):
        raise ValueError(f"not a number: expected a finite number, got {text!r}")
    return value, beside or before or "="


def _meaning(name: str) -> Unit | None:
    name = unit_name(name)
    if _NEGATIVE_LOGARITHM.match(name):
        return Unit("molar", 1.0, -1)
    power = 1 if name.startswith(_LOGARITHM) else 0
    found = _KIND_OF.get(unit_name(name.removeprefix(_LOGARITHM)))
    return None if found is None else Unit(*found, power)


def _by_weight(come: Unit, wanted: Unit, weight: float) -> float:
    """Return how many of one kind of concentration one of the other is: mol/L and g/L of a molecule of this weight."""
    if come.family == wanted.family:
        return 1.0
    if not weight > 0:
        raise ValueError("expected a molecular weight above zero to convert between mass and mol")
    return weight if come.family == "molar" else 1.0 / weight


def _unknown(source_unit: str, unit: str) -> ConfigError:
    known = "; ".join(", ".join(units) for units in _FAMILIES.values())
    return ConfigError(
        f"no conversion from unit {source_unit!r} to {unit!r}: expected equal units, or two of one kind ({known}), a "
        "logarithm such as 'log10 mol/L', or 'pIC50'. Convert the file, or correct `source_unit` or `unit`."
    )
