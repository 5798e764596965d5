"""Challengers over HTTP: promoting one, and the latest review of a champion in use.

Belongs here: these two handlers.
Does not belong here: who answers for which molecule (see `trials.py`), making a review (the pipeline does, every
night, and leaves it beside the live record).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from model_zoo.errors import StoreError
from model_zoo.store import Pointer
from serving.access import audited
from serving.api import champion_info
from serving.engine import Engine
from serving.problems import REFUSALS, ProblemError
from serving.schemas import ChampionInfo, Problem
from serving.table import Table

EndpointName = Annotated[str, PathParameter(description="Name of an endpoint.")]
_FAULT = ResponseSpec(
    Problem, description="Problem details (RFC 9457)", media_type="application/problem+json", generate_examples=False
)


@post(
    "/v1/champions/{name:str}/promote",
    status_code=200,
    tags=["champions"],
    summary="Make the challenger on trial the champion",
    opt={"scope": "admin"},
    responses={400: _FAULT, 404: _FAULT, 409: _FAULT, 503: _FAULT, **REFUSALS},
)
async def promote(request: Request[Any, Any, Any], name: EndpointName, engine: NamedDependency[Engine]) -> ChampionInfo:
    """Make an endpoint's challenger its champion; the former champion does not come back by itself."""
    with audited(request, "promote", name):
        return await _promote(engine, name)


@get(
    "/v1/reviews/{name:str}",
    tags=["champions"],
    summary="Show how a champion does in use",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_review(name: EndpointName, engine: NamedDependency[Engine]) -> dict[str, Any]:
    """Show the latest review: use and drift by week, live accuracy and coverage, the challenger's verdict."""
    champion_info(engine.table, name)
    folder = engine.settings.record
    try:
        content = await engine.work((folder / "reviews" / f"{name}.json").read_bytes) if folder else b""
        return msgspec.json.decode(content, type=dict[str, Any])
    except FileNotFoundError as error:
        raise ProblemError("no-review", f"{name} was not reviewed yet: every night, monitoring does it") from error
    except (OSError, msgspec.DecodeError) as error:
        raise ProblemError("no-review", f"the review of {name} cannot be read") from error


PROMOTION_HANDLERS: list[ControllerRouterHandler] = [promote, show_review]


async def _promote(engine: Engine, name: str) -> ChampionInfo:
    champion_info(engine.table, name)

    def forward(pointer: Pointer) -> Pointer:
        try:
            return pointer.promote(name, by="promotion")
        except StoreError as error:
            raise ProblemError("nothing-to-promote", str(error)) from error

    try:
        pointer = await engine.change_pointer(forward)
    except StoreError as error:
        raise ProblemError("store-unavailable", str(error)) from error
    table = engine.table
    return champion_info(Table(pointer.generation, table.champions, pointer.endpoints, table.failures), name)
