"""`POST /v1/feedback`: values that somebody measured, beside what was predicted.

The champion predicts every measured molecule once more when its measurement comes: so each measurement has a
prediction to be compared with, and a structure that cannot be read is reported at once.
"""

from __future__ import annotations

from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody
from litestar.types import ControllerRouterHandler

from serving.auth.guard import holder_of
from serving.http.parameters import HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.inference.engine import Engine
from serving.inference.feedback import (
    FeedbackRequest,
    FeedbackResponse,
    WithdrawalRequest,
    WithdrawalResponse,
    store_measurements,
    withdraw_measurements,
)

_FAULT = problem_response()


@post(
    "/v1/feedback",
    status_code=200,
    tags=["feedback"],
    summary="Report measured values",
    opt={"scope": "feedback"},
    responses={400: _FAULT, 409: _FAULT, 413: _FAULT, 422: _FAULT, 503: _FAULT, **REFUSALS},
)
async def report(
    request: HttpRequest,
    data: JSONBody[FeedbackRequest],
    engine: NamedDependency[Engine],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            pattern="^[!-~]{1,150}$",
            description="Measurements without a name of their own, sent again under it, are stored once.",
        ),
    ] = None,
) -> FeedbackResponse:
    """Store measured values. A bad one is an error entry at its own index; the others are stored."""
    most = engine.settings.max_molecules
    if not 1 <= len(data.measurements) <= most:
        raise ProblemError("invalid-request", f"measurements: expected 1 to {most}, got {len(data.measurements)}")
    return await store_measurements(engine, data.measurements, holder_of(request.scope), idempotency_key)


@post(
    "/v1/feedback/withdraw",
    status_code=200,
    tags=["feedback"],
    summary="Take measured values back",
    opt={"scope": "feedback"},
    responses={400: _FAULT, 409: _FAULT, 422: _FAULT, 503: _FAULT, **REFUSALS},
)
async def withdraw(
    request: HttpRequest, data: JSONBody[WithdrawalRequest], engine: NamedDependency[Engine]
) -> WithdrawalResponse:
    """Forget measured values by the names under which the same key reported them."""
    return await engine.work(withdraw_measurements, engine, data, holder_of(request.scope))


FEEDBACK_HANDLERS: list[ControllerRouterHandler] = [report, withdraw]
