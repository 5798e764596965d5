"""Measured values from the page: the form beneath an explanation, and what is said when a value was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from litestar import MediaType, Response, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta, Struct, UnsetType

from model_zoo.data.assays.numerals_of_columns import numerals_of
from model_zoo.data.display_unit import Display
from model_zoo.data.numerals import POINT
from model_zoo.data.units import measured
from serving.auth.guard import caller_of, holder_of
from serving.champions.champion_registry import Champion
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.inference.feedback import Compared, Measurement, store_measurements
from serving.page.axis import number, places
from serving.page.shown import shown_number
from serving.page.templates import FRAGMENT, render

Sign = Literal["=", "<", ">"]


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
    unit: str = ""
    """What the form asked for: a page may be open while a champion in another unit comes."""


def measuring(request: HttpRequest, engine: Engine, champion: Champion, smiles: str) -> MeasuringForm | None:
    """Return the form for one molecule and endpoint; none where the caller may not report, or no record is kept."""
    caller = caller_of(request.scope)
    allowed = caller is not None and (not caller.is_key or "feedback" in caller.scopes)
    if engine.prediction_logger is None or not allowed:
        return None
    manifest = champion.manifest
    binary = manifest.target.task == "binary"
    return MeasuringForm(smiles, manifest.endpoint, manifest.title, manifest.shown_unit, binary)


@post("/page/measured", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "feedback"})
async def measured_page(
    request: HttpRequest, data: URLEncodedBody[Measured], engine: NamedDependency[Engine]
) -> Response[str]:
    """Store a value that a chemist measured, and say how it compares."""
    if not request.headers.get(FRAGMENT):  # a form on a page of another site cannot set a header
        raise ProblemError("forbidden", "expected a request from this service's own page, not from another site's")
    value, relation = _number(data.value)
    champion = engine.champion_registry.champions.get(data.endpoint)
    display = None if champion is None else champion.manifest.display
    if champion is not None and data.unit not in ("", champion.manifest.shown_unit):
        raise ProblemError(
            "invalid-request",
            f"expected a value in {champion.manifest.shown_unit}, got one in {data.unit}: the unit changed since this "
            "page was opened. Open it again",
        )
    if display is not None:
        value, relation = _read(display, value), _sign(display.relation(relation))
    sent = Measurement(data.smiles, data.endpoint, value, None, data.source, relation=relation)
    answer = await store_measurements(engine, [sent], holder_of(request.scope))
    result = answer.measurements[0]
    fault = None if isinstance(result.error, UnsetType) else result.error.detail
    comparison = "" if isinstance(result.prediction, UnsetType) else _compared(engine, sent, result.prediction)
    html = render("measured.html", fault=fault, comparison=comparison, kept=engine.settings.record_structures)
    return Response(html, media_type=MediaType.HTML)


MEASURING_HANDLERS: list[ControllerRouterHandler] = [measured_page]


def _number(text: str) -> tuple[float, Sign]:
    """Read a number as chemists write it: a decimal point or comma, any minus sign, `<` or `>` before a bound.

    The page writes a decimal point, so a point is one. A comma that may be between thousands is asked about, as it
    is in a file: `1,234` is 1234 in London and 1.234 in Berlin.

    Examples
    --------
    >>> _number("1,25"), _number("> 1.234"), _number("1.234,5")
    ((1.25, '='), (1.234, '>'), (1234.5, '='))
    """
    found = numerals_of([text])
    if len(found.readings) > 1 and POINT not in found.readings:
        raise ProblemError(
            "invalid-request", f"expected one meaning, got {found.shown()}. Write it with a decimal point"
        )
    try:
        value, sign = measured(text, numerals=POINT if POINT in found.readings else found.readings[0])
    except ValueError as error:
        raise ProblemError(
            "invalid-request", f"expected a number such as -2.5 or >10, got {text.strip()[:40]!r}"
        ) from error
    return value, _sign(sign)


def _sign(sign: str) -> Sign:
    return "<" if sign == "<" else ">" if sign == ">" else "="


def _read(display: Display, value: float) -> float:
    """Bring a value from the unit that people read to the endpoint's."""
    try:
        return display.read(value)
    except ValueError as error:
        raise ProblemError(
            "invalid-request", f"expected a value above zero in {display.unit}, got {value:g}"
        ) from error


def _compared(engine: Engine, sent: Measurement, predicted: Compared) -> str:
    """Say how a measured value compares with the prediction, in the unit that people read."""
    champion = engine.champion_registry.champions.get(sent.endpoint)
    if champion is not None and champion.manifest.target.task == "binary":
        return f"You measured {'yes' if sent.value else 'no'}; the model gives yes {100 * predicted.value:.0f} %."
    display = None if champion is None else champion.manifest.display
    value, estimate, sign, ends = sent.value, predicted.value, sent.relation, predicted.interval
    if display is not None:
        value, estimate = shown_number(display, value), shown_number(display, estimate)
        sign = _sign(display.relation(sign))
        low, high = display.interval(*(ends or (None, None)))
        ends = None if low is None or high is None else (low, high)
    bound = "" if sign == "=" else f"{sign} "
    sentence = f"You measured {bound}{_written(value)}; the model says {_written(estimate)}"
    if sign != "=":
        agrees = estimate < value if sign == "<" else estimate > value
        return f"{sentence}, which {'agrees' if agrees else 'is on the other side'}."
    if ends is None:
        return f"{sentence}."
    low, high = ends
    where = "inside" if low <= value <= high else "outside"
    span = f"{_written(low)} to {_written(high)}"
    if predicted.reliability and predicted.usual_error is None:
        return f"{sentence}, perhaps {span}: no error is known for molecules like this one. Your value is {where} that."
    return f"{sentence}, and your value is {where} its interval of about 90 % ({span})."


def _written(value: float) -> str:
    """Write a number by its own size: one may be a thousand times another, which is not zero for that."""
    return number(value, places(value))
