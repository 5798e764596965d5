"""Challengers over HTTP: promoting one, and the latest review of a champion in use."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from model_zoo.type_aliases import Json
from serving.auth.guard import audited
from serving.champions.description import champion_info
from serving.http.parameters import EndpointName, HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.http.schemas import ChampionInfo
from serving.inference.champion_change import change_champion
from serving.inference.engine import Engine

_FAULT = problem_response()


@post(
    "/v1/champions/{name:str}/promote",
    status_code=200,
    tags=["champions"],
    summary="Make the challenger on trial the champion",
    opt={"scope": "admin"},
    responses={400: _FAULT, 404: _FAULT, 409: _FAULT, 503: _FAULT, **REFUSALS},
)
async def promote(request: HttpRequest, name: EndpointName, engine: NamedDependency[Engine]) -> ChampionInfo:
    """Make an endpoint's challenger its champion; the former champion does not return by itself."""
    with audited(request, "promote", name):
        return await change_champion(
            engine, name, lambda pointer: pointer.promote(name, by="promotion"), "nothing-to-promote"
        )


@get(
    "/v1/reviews/{name:str}",
    tags=["champions"],
    summary="Show a champion's performance in use",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_review(name: EndpointName, engine: NamedDependency[Engine]) -> dict[str, Json]:
    """Show the latest review: use and drift by week, live accuracy and coverage, the challenger's verdict."""
    champion_info(engine.champion_registry, name)
    folder = engine.settings.record
    try:
        content = await engine.work((folder / "reviews" / f"{name}.json").read_bytes) if folder else b""
        return msgspec.json.decode(content, type=dict[str, Any])
    except FileNotFoundError as error:
        raise ProblemError("no-review", f"no review of {name} yet: monitoring writes one every night") from error
    except (OSError, msgspec.DecodeError) as error:
        raise ProblemError("no-review", f"the review of {name} cannot be read") from error


PROMOTION_HANDLERS: list[ControllerRouterHandler] = [promote, show_review]
