"""Calculated properties for the page's table and plots: of the molecules shown, and of the drugs beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Struct
from rdkit import Chem

from model_zoo.chemistry.boiled_egg import WHITE, YOLK, polar_surface, wlogp
from model_zoo.chemistry.molecules import Limits, Molecule
from model_zoo.chemistry.physchem import KINDS, physchem
from model_zoo.data.pasted.drug_names import every_drug
from model_zoo.inference.answers import Fault
from model_zoo.inference.chemistry import Reading
from model_zoo.inference.complexity import is_too_complex
from model_zoo.policies import standardise
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.leaving import unless_left
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.annotations import Overdue
from serving.inference.engine import Engine
from serving.page.shown import shown_estimate

MOST = 200
"""Molecules of one request: a fraction of a second on a worker thread."""
EGG, EGG_AXIS = "egg", "tpsa_sp"
"""Where a molecule is in the BOILED-Egg, 1 for the white and 2 for the yolk, added up; and the egg's own axis."""
PROPERTIES = (
    *((kind.name, kind.title, kind.unit) for kind in KINDS),
    (EGG_AXIS, "TPSA with S and P", "Å²"),
)
"""Name, title and unit of each calculated property, in the order in which they are given."""

Values = tuple[float | None, ...]


class Structures(Struct, frozen=True):
    """SMILES as they were sent for predictions."""

    smiles: list[str]


class CalculatedValues(Struct, frozen=True):
    """The names of properties, and their values of each structure; none where it was refused."""

    names: list[str]
    values: list[Values | None]


class DrugValues(Struct, frozen=True):
    """Names of drugs with two properties each, and how many drugs lack one of them."""

    points: list[tuple[str, float, float]]
    left_out: int


class Egg(Struct, frozen=True):
    """The names of both axes, and points on both outlines."""

    x: str
    y: str
    white: list[tuple[float, float]]
    yolk: list[tuple[float, float]]


@post("/page/calculated", include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def calculated(data: JSONBody[Structures], engine: NamedDependency[Engine]) -> CalculatedValues:
    """Return the calculated properties of structures as models see them, in order; none for a refused one."""
    if len(data.smiles) > MOST:
        raise ProblemError("invalid-request", f"smiles: expected at most {MOST} at a time, got {len(data.smiles)}")
    values = await _calculated(engine, data.smiles)
    return CalculatedValues([*(name for name, _, _ in PROPERTIES), EGG], values)


@get("/page/drugs", include_in_schema=False, opt={"scope": "predict"})
async def drugs(
    request: HttpRequest, x: FromQuery[str], y: FromQuery[str], engine: NamedDependency[Engine]
) -> DrugValues:
    """Return two properties of the reference drugs, each predicted or calculated as for a molecule.

    A drug for which one of them is not known is left out; `left_out` counts them.
    """
    columns = [await _drug_values(request, engine, name) for name in (x, y)]
    points = [
        (drug.name, across, up)
        for drug, across, up in zip(every_drug(), *columns, strict=True)
        if across is not None and up is not None
    ]
    return DrugValues(points, len(every_drug()) - len(points))


@get("/page/boiled-egg", include_in_schema=False, opt={"scope": "predict"})
async def boiled_egg() -> Egg:
    """Return the outlines of the BOILED-Egg and its two axes."""
    return Egg(EGG_AXIS, "clogp", WHITE.outline(), YOLK.outline())


CALCULATED_HANDLERS: list[ControllerRouterHandler] = [calculated, drugs, boiled_egg]


async def _drug_values(request: HttpRequest, engine: Engine, name: str) -> list[float | None]:
    structures = [drug.smiles for drug in every_drug()]
    places = [place for place, (known, _, _) in enumerate(PROPERTIES) if known == name]
    if places:
        found: list[float | None] = []
        for start in range(0, len(structures), MOST):  # a thread of the page is not held for seconds
            part = structures[start : start + MOST]
            if name in _QUICK:
                found += await engine.work(_one_value, engine, part, name)
            else:
                values = await _calculated(engine, part)
                found += [None if each is None else each[places[0]] for each in values]
        return found
    table = engine.champion_registry
    champion = table.champions.get(name)
    if champion is None:
        require_not_withdrawn(table, name)
        raise ProblemError("unknown-endpoint", f"{name[:60]!r} is neither a served endpoint nor a calculated property")
    answers = await unless_left(request, engine.predict({name: champion}, structures, background=True))
    return [
        None if isinstance(answer, Fault) or name not in answer else shown_estimate(champion, answer[name]).value
        for answer in answers
    ]


# Everything is rounded as it is shown: a molecule is judged by the number that is shown.
_QUICK: Mapping[str, Callable[[Chem.Mol], float]] = {
    "clogp": lambda mol: round(wlogp(mol), 2),
    EGG_AXIS: lambda mol: round(polar_surface(mol), 1),
}
"""Those of the first plot, without what takes longer (QED)."""


def _one_value(engine: Engine, smiles: Sequence[str], name: str) -> list[float | None]:
    read = [_read(each, *_reading(engine)) for each in smiles]
    return [None if each is None else _QUICK[name](Chem.MolFromSmiles(each)) for each in read]


async def _calculated(engine: Engine, smiles: Sequence[str]) -> list[Values | None]:
    try:
        return await engine.work(_all_values, engine, smiles)
    except Overdue:
        detail = f"smiles: {len(smiles)} structures take too long together; ask for fewer"
        raise ProblemError("overdue", detail, {"Retry-After": "5"}) from None


def _all_values(engine: Engine, smiles: Sequence[str]) -> list[Values | None]:
    until = time.monotonic() + engine.settings.request_seconds
    found: list[Values | None] = []
    for each in smiles:
        if time.monotonic() >= until:
            raise Overdue
        read = _read(each, *_reading(engine))
        found.append(None if read is None else _values(read))
    return found


def _reading(engine: Engine) -> tuple[Reading | None, Limits]:
    first = next(iter(engine.champion_registry.champions.values()), None)  # as on a card
    return None if first is None else first.manifest.reading, engine.settings.limits


@lru_cache(maxsize=8192)
def _read(smiles: str, reading: Reading | None, limits: Limits) -> str | None:
    """Return a structure as the models see it; none for one that is refused."""
    found = None if reading is None else standardise(smiles, reading[0], limits, policy=reading[1])
    return found.smiles if isinstance(found, Molecule) and not is_too_complex(found.mol) else None


@lru_cache(maxsize=8192)
def _values(smiles: str) -> Values:
    mol = Chem.MolFromSmiles(smiles)
    shown = [None if each.value is None else float(each.shown) for each in physchem(mol).properties]
    area, logp = polar_surface(mol), wlogp(mol)
    egg = WHITE.contains(area, logp) + 2.0 * YOLK.contains(area, logp)
    return (*shown, _QUICK[EGG_AXIS](mol), egg)
