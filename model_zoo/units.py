"""Conversions from the unit a measurement came in to the endpoint's own unit.

Belongs here: exact, documented conversions between two named units.
Does not belong here: transforms a model trains on (see `training.py`), rounding, display.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from model_zoo.errors import ConfigError

# Potency units, as the power of ten that one unit is of a mol/L.
_MOLAR = {"M": 0, "mM": 3, "uM": 6, "nM": 9, "pM": 12}

# A unit whose scale runs against the measured one turns "greater than" into "less than".
FLIPPED_RELATION = {"=": "=", ">": "<", "<": ">"}


def converter(source_unit: str, unit: str) -> tuple[Callable[[float], float], bool]:
    """Find the conversion from `source_unit` to `unit`.

    Parameters
    ----------
    source_unit, unit
        Names of units. Equal names need no conversion. `M`, `mM`, `uM`, `nM` and `pM` convert to
        `pIC50` (the negative log10 of mol/L) and to `log10 mol/L`.

    Returns
    -------
    tuple
        The conversion of one number, and whether it reverses the order of numbers (a larger IC50
        is a smaller pIC50), so that `>` must become `<`.

    Raises
    ------
    ConfigError
        When no conversion between the two is known. The conversion itself raises `ValueError` for
        a number outside its range (a concentration that is not positive).

    Examples
    --------
    >>> convert, flips = converter("nM", "pIC50")
    >>> convert(100.0), flips
    (7.0, True)
    """
    if source_unit == unit:
        return float, False
    if source_unit in _MOLAR and unit in ("pIC50", "log10 mol/L"):
        power, sign = _MOLAR[source_unit], (-1 if unit == "pIC50" else 1)

        def convert(value: float) -> float:
            if value <= 0:
                raise ValueError(f"a concentration must be positive, got {value:g} {source_unit}")
            return sign * (math.log10(value) - power)

        return convert, sign < 0
    known = ", ".join(_MOLAR)
    raise ConfigError(
        f"no conversion from unit {source_unit!r} to {unit!r}: expected equal units, or one of {known} to "
        "'pIC50' or 'log10 mol/L'. Convert the file, or correct `source_unit` or `unit`."
    )
