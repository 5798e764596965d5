"""Measured values from the page: the form beneath an explanation, and what is said when a value was sent.

Belongs here: whether the form is offered, reading it, the answer in words.
Does not belong here: checking and storing values (see `serving/feedback.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import MediaType, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta, Struct, UnsetType

from serving.access import caller_of, holder_of
from serving.engine import Engine
from serving.feedback import Compared, Measurement, store_measurements
from serving.page.axis import number, places
from serving.page.templates import FRAGMENT, render
from serving.problems import ProblemError
from serving.table import Champion


@dataclass(frozen=True)
class MeasuringForm:
    """What the form asks for."""

    smiles: str
    endpoint: str
    title: str
    unit: str
    binary: bool


class Measured(Struct, frozen=True):
    """What the form sends."""

    smiles: str
    endpoint: str
    value: str = ""
    source: Annotated[str, Meta(max_length=200)] = ""


def measuring(request: Request[Any, Any, Any], engine: Engine, champion: Champion, smiles: str) -> MeasuringForm | None:
    """Give the form for one molecule and endpoint; none where the caller may not report, or no record is kept."""
    caller = caller_of(request.scope)
    allowed = caller is not None and (not caller.is_key or "feedback" in caller.scopes)
    if engine.observer is None or not allowed:
        return None
    manifest = champion.manifest
    return MeasuringForm(smiles, manifest.endpoint, manifest.title, manifest.unit, manifest.target.task == "binary")


@post("/page/measured", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "feedback"})
async def measured_page(
    request: Request[Any, Any, Any], data: URLEncodedBody[Measured], engine: NamedDependency[Engine]
) -> Response[str]:
    """Store a value that a chemist measured, and say how it compares."""
    if not request.headers.get(FRAGMENT):  # a form on a page of another site cannot set a header
        raise ProblemError("forbidden", "expected a request from this service's own page, not from another site's")
    value = _number(data.value)
    sent = Measurement(data.smiles, data.endpoint, value, None, data.source)
    answer = await store_measurements(engine, [sent], holder_of(request.scope))
    result = answer.measurements[0]
    fault = None if isinstance(result.error, UnsetType) else result.error.detail
    said = "" if isinstance(result.prediction, UnsetType) else _said(engine, data.endpoint, value, result.prediction)
    html = render("measured.html", fault=fault, said=said, kept=engine.settings.record_structures)
    return Response(html, media_type=MediaType.HTML)


MEASURING_HANDLERS: list[ControllerRouterHandler] = [measured_page]


def _number(text: str) -> float:
    """Read a number as chemists write it, with a point or a comma, and any minus sign.

    Raises
    ------
    ProblemError
        `invalid-request`, with what came.
    """
    try:
        value = float(text.strip().replace("\N{MINUS SIGN}", "-").replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProblemError("invalid-request", f"expected a number such as -2.5, got {text.strip()[:40]!r}")
    return value


def _said(engine: Engine, endpoint: str, value: float, predicted: Compared) -> str:
    champion = engine.table.champions.get(endpoint)
    if champion is not None and champion.manifest.target.task == "binary":
        return f"You measured {'yes' if value else 'no'}; the model gives yes {100 * predicted.value:.0f} %."
    shown = places(value, predicted.value)
    said = f"You measured {number(value, shown)}; the model says {number(predicted.value, shown)}"
    if predicted.interval is None:
        return f"{said}."
    low, high = predicted.interval
    where = "inside" if low <= value <= high else "outside"
    return f"{said}, and your value lies {where} its 90 % interval ({number(low, shown)} to {number(high, shown)})."
