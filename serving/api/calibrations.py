"""How measured values that came back moved an endpoint's intervals, and what an administrator says to it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta, Struct

from model_zoo.errors import StoreError
from model_zoo.monitoring.calibration_rows import Decision
from model_zoo.monitoring.prediction_log import PredictionLog
from model_zoo.monitoring.review import FEWEST
from serving.auth.guard import audited, holder_of
from serving.champions.description import champion_info
from serving.http.parameters import EndpointName, HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.inference.engine import Engine

AHEAD_SECONDS = 300.0
"""So far ahead of this clock the caller's may be."""
_FAULT = problem_response()


class CalibrationInfo(Struct, frozen=True):
    """How an endpoint's measured values change the intervals of the champion that serves it."""

    endpoint: str
    champion: str
    calibration: Annotated[str, Meta(description="Its name, as in predictions: `bundle`, or `returned-<values>-...`.")]
    factor: Annotated[float, Meta(description="What widths of intervals are multiplied by; 1 with `bundle`.")]
    values: Annotated[int, Meta(description="Measured molecules that count.")]
    needed: Annotated[int, Meta(description="From so many on the factor is applied.")]
    own_coverage: Annotated[float | None, Meta(description="Share of them inside the model's own 90 % intervals.")]
    recent_coverage: Annotated[float | None, Meta(description="The same of the last 50: if it differs, errors drift.")]
    told_coverage: Annotated[
        float | None, Meta(description="Share inside the intervals that resulted from the values before each.")
    ]
    active: bool
    since: Annotated[float, Meta(description="Values from before do not count; seconds since 1970.")]
    without: Annotated[list[str], Meta(description="Ids of keys whose values do not count.")]
    callers: Annotated[dict[str, int], Meta(description="Molecules by the id of the key that sent them.")]
    left_out: Annotated[dict[str, int], Meta(description="Values that do not count, by why.")]
    history: Annotated[
        list[tuple[float, int, float]],
        Meta(description="How the factor changed: when, after how many values, to what."),
    ]


class CalibrationDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """What applies from now on; it replaces the earlier decision as a whole."""

    active: Annotated[bool, Meta(description="False: the model's own intervals.")] = True
    since: Annotated[
        float, Meta(ge=0, description="Values that came before do not count; seconds since 1970, not in the future.")
    ] = 0.0
    without: Annotated[
        list[str],
        Meta(max_length=100, description="Ids of keys whose values do not count; each has sent some, see `callers`."),
    ] = []


@get(
    "/v1/calibrations/{name:str}",
    tags=["feedback"],
    summary="Show what measured values did to intervals",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_calibration(name: EndpointName, engine: NamedDependency[Engine]) -> CalibrationInfo:
    """Show which values count, the factor they lead to, and how it came about."""
    return await engine.work(_calibration, engine, name)


@post(
    "/v1/calibrations/{name:str}",
    status_code=200,
    tags=["feedback"],
    summary="Switch, restart or restrict the calibration by measured values",
    opt={"scope": "admin"},
    responses={400: _FAULT, 404: _FAULT, 409: _FAULT, 422: _FAULT, 503: _FAULT, **REFUSALS},
)
async def decide(
    request: HttpRequest, name: EndpointName, data: JSONBody[CalibrationDecision], engine: NamedDependency[Engine]
) -> CalibrationInfo:
    """Decide which values count from now on. Nothing is deleted: the earlier decision, sent again, restores all."""
    now = time.time()
    if data.since > now + AHEAD_SECONDS:
        raise ProblemError(
            "invalid-request",
            f"since: expected seconds since 1970 that have passed, such as {now:.0f}, got {data.since:.0f}",
        )
    with audited(request, "calibrate", name):
        return await engine.work(_decided, engine, name, data, holder_of(request.scope))


def _calibration(engine: Engine, name: str) -> CalibrationInfo:
    champion_info(engine.champion_registry, name, engine.training_progress.progress)
    champion = engine.champion_registry.champions[name]
    found, decision = engine.recalibrator.of(name, champion), Decision()
    if engine.prediction_logger is not None:
        try:
            with closing(PredictionLog(engine.prediction_logger.folder)) as record:
                decision = record.decision(name)
        except StoreError as error:
            raise _unavailable("read") from error
    return CalibrationInfo(
        endpoint=name,
        champion=champion.manifest.version,
        calibration=found.name,
        factor=found.factor,
        values=found.values,
        needed=FEWEST,
        own_coverage=found.own,
        recent_coverage=found.recent,
        told_coverage=found.online,
        active=decision.active,
        since=decision.since,
        without=list(decision.without),
        callers=dict(found.callers),
        left_out=dict(found.left_out),
        history=list(found.history),
    )


def _decided(engine: Engine, name: str, data: CalibrationDecision, by: str) -> CalibrationInfo:
    champion_info(engine.champion_registry, name, engine.training_progress.progress)
    if engine.prediction_logger is None:
        raise ProblemError("record-off", "the service keeps no live record: AIDRUG_RECORD is off")
    try:
        with closing(PredictionLog(engine.prediction_logger.folder)) as record:
            if data.without:
                _require_senders(data.without, name, record)
            record.decide(name, Decision(data.active, data.since, tuple(data.without)), by, time.time())
    except StoreError as error:
        raise _unavailable("written") from error
    engine.recalibrator.look()
    return _calibration(engine, name)


def _require_senders(without: Sequence[str], name: str, record: PredictionLog) -> None:
    """Refuse an id that sent nothing: with a slip in it, the values that were meant would still count."""
    senders = {row.caller for row in record.measurements(name)}.union(record.decision(name).without)
    if unknown := sorted(set(without) - senders):
        known = ", ".join(map(repr, sorted(senders))) or "none sent any"
        raise ProblemError(
            "invalid-request",
            f"without: expected ids of keys that sent values of this endpoint ({known}), got {unknown[0]!r}",
        )


def _unavailable(what: str) -> ProblemError:
    return ProblemError("record-unavailable", f"the live record cannot be {what}", {"Retry-After": "30"})


CALIBRATION_HANDLERS: list[ControllerRouterHandler] = [show_calibration, decide]
