"""The JSON interface: predictions, endpoints, models, champions."""

from __future__ import annotations

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from serving.auth.guard import audited
from serving.champions.description import champion_info, endpoint_info
from serving.champions.training_progress import expected_one_of
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.parameters import EndpointName, HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.http.schemas import (
    ChampionInfo,
    EndpointInfo,
    ModelInfo,
    PredictRequest,
    PredictResponse,
)
from serving.inference.champion_change import change_champion
from serving.inference.engine import Engine
from serving.inference.entries import entries_of
from serving.telemetry.access_log import note_worked

_FAULT = problem_response()


@post(
    "/v1/predict",
    status_code=200,
    tags=["predictions"],
    summary="Predict molecules",
    opt={"scope": "predict"},
    responses={400: _FAULT, 404: _FAULT, 413: _FAULT, 422: _FAULT, 503: _FAULT, **REFUSALS},
)
async def predict(
    request: HttpRequest, data: JSONBody[PredictRequest], engine: NamedDependency[Engine]
) -> PredictResponse:
    """Predict endpoints for molecules. A bad molecule is an error entry at its own index, never a failed request."""
    entries = await entries_of(engine, data, request)
    note_worked(request.scope, len(entries))
    return PredictResponse(entries)


@get(
    "/v1/endpoints",
    tags=["endpoints and models"],
    summary="List endpoints that have a champion",
    responses=REFUSALS,
)
async def list_endpoints(engine: NamedDependency[Engine]) -> list[EndpointInfo]:
    """List every endpoint that can be predicted."""
    table = engine.champion_registry
    return [endpoint_info(table, name) for name in table.champions]


@get(
    "/v1/endpoints/{name:str}",
    tags=["endpoints and models"],
    summary="Describe an endpoint",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_endpoint(name: EndpointName, engine: NamedDependency[Engine]) -> EndpointInfo:
    """Describe one endpoint: what it means, and what serves it."""
    table = engine.champion_registry
    if name not in table.champions:
        require_not_withdrawn(table, name)
        raise ProblemError(
            "unknown-endpoint", expected_one_of(table.champions, engine.training_progress.progress, name)
        )
    return endpoint_info(table, name)


@get("/v1/models", tags=["endpoints and models"], summary="List loaded models", responses=REFUSALS)
async def list_models(engine: NamedDependency[Engine]) -> list[ModelInfo]:
    """List the models that answer now."""
    manifests = [champion.manifest for champion in engine.champion_registry.champions.values()]
    return [
        ModelInfo(
            endpoint=manifest.endpoint,
            model=manifest.model,
            version=manifest.version,
            signature=manifest.signature,
            features=list(manifest.features),
            domain_threshold=manifest.domain_threshold,
            interval_half_width=manifest.interval_half_width,
        )
        for manifest in manifests
    ]


@get(
    "/v1/champions/{name:str}",
    tags=["champions"],
    summary="Show a champion's card and history",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_champion(name: EndpointName, engine: NamedDependency[Engine]) -> ChampionInfo:
    """Show an endpoint's champion, its model card and the champions before it."""
    return champion_info(engine.champion_registry, name, engine.training_progress.progress)


@post(
    "/v1/champions/{name:str}/rollback",
    status_code=200,
    tags=["champions"],
    summary="Put the previous champion back",
    opt={"scope": "admin"},
    responses={400: _FAULT, 404: _FAULT, 409: _FAULT, 503: _FAULT, **REFUSALS},
)
async def roll_back(request: HttpRequest, name: EndpointName, engine: NamedDependency[Engine]) -> ChampionInfo:
    """Put an endpoint's previous champion back, and hold the present one so that it does not return by itself."""
    with audited(request, "roll back", name):
        return await change_champion(
            engine, name, lambda pointer: pointer.roll_back(name, by="rollback"), "nothing-to-roll-back"
        )


HANDLERS: list[ControllerRouterHandler] = [
    predict, list_endpoints, show_endpoint, list_models, show_champion, roll_back,
]  # fmt: skip
