"""Which way a measured property is wanted: guessed from what its column and its file are called, and from its unit."""

from __future__ import annotations

import re
from typing import Literal

from model_zoo.data.assays.units_of_columns import is_potency

Direction = Literal["higher", "lower", "none"]

_AMOUNT = re.compile(r"(log10 )?([pnuµm]?M|[nuµm]?mol/L|[pnuµm]?g/m?L|[uµm]?g/kg|[nuµm]?mol/kg)")
_DIRECTIONS: tuple[tuple[str, Direction], ...] = (
    # The negated, what is left without an effect, and transport back: neither way is the usual wish.
    (r"negative|inactive|control|viab|non[-_ ]?(?:tox|inhib|substrate|bind)", "none"),
    (r"efflux|b\W*a ?/ ?a\W*b", "lower"),
    (r"(?:mdck|caco|mdr1|p-?gp|bcrp|papp).*(?<![a-z])er(?![a-z])", "lower"),
    (r"(?:papp|perm|caco|mdck).*(?<![a-z])b(?:\W+|_| ?to ?)a(?![a-z])", "none"),
    # What is measured, before what it is measured on: the half-life of a clearance, the margin to hERG.
    (r"half.?effective", "lower"),
    (r"half.?life|(?<![a-z])t[_ ]?(?:1[/_]2|half|½)|remain|margin|selectiv|window", "higher"),
    (r"clint|clearance", "lower"),
    (r"solub|logs(?![a-z])|perm|papp|caco|pampa|bioavail|unbound|(?<![a-z])(?:fu|hia)(?![a-z])|absor", "higher"),
    (r"mdck", "none"),
    (r"mdr1|p-?gp", "lower"),
)
_UNWANTED = re.compile(r"herg|cyp|tox|(?<![a-z])ames|dili|(?<![a-z])p?(?:cc|ld|lc|tc|td)[_ ]?50(?!\d)", re.IGNORECASE)
_EFFECT = re.compile(r"%|percent|fraction|probability|fold|p[A-Z]\w*50", re.IGNORECASE)
"""Units in which more of an unwanted effect is a larger number."""


def direction_of(name: str, file: str, unit: str) -> Direction:
    """Say which way a medicinal chemist usually wants it: by the column's name and, for anti-targets, the file's.

    Examples
    --------
    >>> direction_of("pIC50", "hERG", "pIC50"), direction_of("pKi", "EGFR", "pKi"), direction_of("x", "", "")
    ('lower', 'higher', 'none')
    >>> direction_of("hERG inhibition", "", "%"), direction_of("CC50", "", "uM"), direction_of("hERG margin", "", "")
    ('lower', 'higher', 'higher')
    """
    for pattern, direction in _DIRECTIONS:
        if re.search(pattern, name, re.IGNORECASE):
            return direction
    if _UNWANTED.search(name) or re.search(r"herg|cyp", file, re.IGNORECASE):
        if _AMOUNT.fullmatch(unit):  # what it takes for an effect: the more, the safer
            return "higher"
        return "lower" if is_potency(unit) or _EFFECT.match(unit) else "none"
    return "higher" if is_potency(unit) else "none"
