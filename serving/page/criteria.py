"""What a molecule can be judged by in a project's score: every property with its unit and the values wanted of it.

Belongs here: the defaults that a chemist starts from.
Does not belong here: the score, which the page computes (see `static/desirability.js`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from litestar import get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from model_zoo.data.units import is_logarithmic
from serving.champions.champion_registry import Champion
from serving.inference.engine import Engine
from serving.page import wording
from serving.page.calculated import PROPERTIES
from serving.page.shown import shown_number

WORST, BEST = 0.1, 0.9
"""Without a range that the project wants: worthless and as good as any from these quantiles of the measured values."""


Ends = tuple[float | None, float | None, float | None, float | None]


class Wanted(NamedTuple):
    """The values that a property should have, in the unit that is shown: 1 between the inner two, 0 beyond the outer.

    `basis` says where that comes from, or why all four are none.
    """

    zero_below: float | None = None
    full_from: float | None = None
    full_to: float | None = None
    zero_above: float | None = None
    basis: str = "nobody said what is wanted"


class Criterion(Struct, frozen=True):
    """A property that can be judged, and the values that are wanted of it, see `Wanted`."""

    name: str
    title: str
    unit: str
    """The one that is shown."""
    kind: Literal["endpoint", "calculated"]
    zero_below: float | None
    full_from: float | None
    full_to: float | None
    zero_above: float | None
    basis: str
    logarithmic: bool = False
    """Whether it is an amount that is shown for a logarithm: shares of the way between two values go by decades."""
    wished: bool = False
    """Whether the project says which values it wants."""


CALCULATED: Mapping[str, Wanted] = {
    "mw": Wanted(None, None, 500, 750, "Lipinski"),
    "clogp": Wanted(-1, 0, 5, 7, "Lipinski; the lower end is this page's"),
    "tpsa": Wanted(None, None, 140, 210, "Veber"),
    "hbd": Wanted(None, None, 5, 8, "Lipinski's limit, for RDKit's count of donors"),
    "hba": Wanted(None, None, 10, 15, "Lipinski's limit, for RDKit's count of acceptors"),
    "rotatable_bonds": Wanted(None, None, 10, 15, "Veber"),
    "fsp3": Wanted(0, 0.42, None, None, "a convention; Lovering 2009 has means of 0.36 in discovery, 0.47 in drugs"),
    "aromatic_rings": Wanted(None, None, 3, 5, "Ritchie 2009"),
    "qed": Wanted(0, 1, None, None, "a desirability itself"),
    "sa_score": Wanted(None, None, 3, 6, "hard to make above 6: Ertl 2009; 3 is this page's"),
}
"""Limits of published rules; how far beyond them a value is worth nothing is this page's convention."""


@get("/page/criteria", include_in_schema=False, opt={"scope": "predict"})
async def criteria(engine: NamedDependency[Engine]) -> list[Criterion]:
    """Return every property that can be judged, with what is wanted of it unless somebody says otherwise."""
    given = [_endpoint(name, champion) for name, champion in engine.champion_registry.champions.items()]
    return given + [
        Criterion(name, title, unit, "calculated", *CALCULATED.get(name, Wanted())) for name, title, unit in PROPERTIES
    ]


CRITERIA_HANDLERS: list[ControllerRouterHandler] = [criteria]


def wanted_values(champion: Champion) -> Wanted:
    """Return what is wanted of an endpoint in the unit that is shown, from what its card says.

    The project's own range, where the endpoint's configuration has one; else by its direction: of a class around the
    probability from which the label changes, of a value between the worst and the best tenth of the measured ones.
    """
    manifest = champion.manifest
    wished = manifest.desirable
    if wished is not None:
        low, high, margin = wished.low, wished.high, wished.margin
        worthless = None if low is None else low - margin, None if high is None else high + margin
        return _shown(champion, (worthless[0], low, high, worthless[1]), "the range that the project wants")
    if manifest.direction == "none":
        return Wanted()
    if manifest.target.task == "binary":
        rule = manifest.trust.probability
        threshold = 0.5 if rule is None else rule.threshold
        margin = min(threshold, 1.0 - threshold) or 0.5
        ends, basis = (threshold - margin, threshold + margin), "around the probability from which the class changes"
    elif len(champion.measured) < wording.FEWEST:
        return Wanted(basis=f"fewer than {wording.FEWEST} values were measured")
    else:
        worst, best = np.quantile(champion.measured, (WORST, BEST))
        ends, basis = (float(worst), float(best)), "the middle 80 % of the measured values"
    if ends[0] >= ends[1]:
        return Wanted(basis="nearly all measured values are the same")
    up = manifest.direction == "higher"
    low, high = ends
    return _shown(champion, (low, high, None, None) if up else (None, None, low, high), basis)


def _shown(champion: Champion, ends: Ends, basis: str) -> Wanted:
    """Bring the four to the unit that is shown; where a larger value is shown as a smaller one they change sides."""
    display = champion.manifest.display
    if display is None:
        return Wanted(*ends, basis)
    seen = [None if end is None else shown_number(display, end) for end in ends]
    if any(end is not None and not np.isfinite(end) for end in seen):
        return Wanted(basis=f"what is wanted is beyond all numbers in {display.unit}")
    low, full_low, full_high, high = seen[::-1] if display.flips else seen
    return Wanted(low, full_low, full_high, high, basis)


def _endpoint(name: str, champion: Champion) -> Criterion:
    manifest = champion.manifest
    binary = manifest.target.task == "binary"
    return Criterion(
        name,
        manifest.title,
        "probability" if binary else manifest.shown_unit,
        "endpoint",
        *wanted_values(champion),
        logarithmic=is_logarithmic(manifest.unit) and not is_logarithmic(manifest.shown_unit),
        wished=manifest.desirable is not None,
    )
