"""The JSON interface: predictions, endpoints, models, champions.

Belongs here: handlers, each a few lines between HTTP and the engine.
Does not belong here: the page (see `page/`), predicting (see `model_zoo.predictor`), the entry of one molecule (see
`entries.py`), faults of a whole request (see `problems.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from litestar.types import ControllerRouterHandler

from model_zoo.errors import StoreError
from model_zoo.model_card import to_markdown
from model_zoo.pointer import Appointment, Pointer
from model_zoo.progress import Progress
from serving.access import audited
from serving.engine import Engine
from serving.entries import entry
from serving.insights import INCLUDES
from serving.making import being_made, expected_one_of
from serving.observed import note_worked
from serving.problems import REFUSALS, ProblemError, problem_response
from serving.schemas import (
    AppointmentInfo,
    ChampionInfo,
    ChampionSummary,
    EndpointInfo,
    ModelInfo,
    PredictRequest,
    PredictResponse,
    TrialInfo,
)
from serving.table import Champion, Table
from serving.withdrawal import require_not_withdrawn

EndpointName = Annotated[str, PathParameter(description="Name of an endpoint.")]
MOST_EXPLAINED = 32
"""Molecules in one request for explanations: each costs as much as a hundred predictions."""
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
    request: Request[Any, Any, Any], data: JSONBody[PredictRequest], engine: NamedDependency[Engine]
) -> PredictResponse:
    """Predict endpoints for molecules. A bad molecule is an error entry at its own index, never a failed request."""
    require_sane(data, engine.settings.max_molecules)
    require_offered(data.include, neighbours=engine.settings.show_neighbours, molecules=len(data.smiles))
    table = engine.table
    served = chosen(table, data.endpoints, engine.making.progress)
    entries = {}
    for given in await engine.trials.answer(table, served, data.smiles):
        insights = await engine.insights(given.champions, given.answers, data.include)
        for index, answer, insight in zip(given.indices, given.answers, insights, strict=True):
            entries[index] = entry(index, data.smiles[index], answer, given.champions, insight, given.on_trial)
    note_worked(request.scope, len(entries))
    return PredictResponse([entries[index] for index in range(len(data.smiles))])


@get(
    "/v1/endpoints",
    tags=["endpoints and models"],
    summary="List endpoints that have a champion",
    responses=REFUSALS,
)
async def list_endpoints(engine: NamedDependency[Engine]) -> list[EndpointInfo]:
    """List every endpoint that can be predicted."""
    table = engine.table
    return [endpoint_info(table, name) for name in table.champions]


@get(
    "/v1/endpoints/{name:str}",
    tags=["endpoints and models"],
    summary="Describe an endpoint",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_endpoint(name: EndpointName, engine: NamedDependency[Engine]) -> EndpointInfo:
    """Describe one endpoint: what it means, and what serves it."""
    table = engine.table
    if name not in table.champions:
        require_not_withdrawn(table, name)
        raise ProblemError("unknown-endpoint", expected_one_of(table.champions, engine.making.progress, name))
    return endpoint_info(table, name)


@get("/v1/models", tags=["endpoints and models"], summary="List loaded models", responses=REFUSALS)
async def list_models(engine: NamedDependency[Engine]) -> list[ModelInfo]:
    """List the models that answer now."""
    manifests = [champion.manifest for champion in engine.table.champions.values()]
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
    return champion_info(engine.table, name, engine.making.progress)


@post(
    "/v1/champions/{name:str}/rollback",
    status_code=200,
    tags=["champions"],
    summary="Put the previous champion back",
    opt={"scope": "admin"},
    responses={400: _FAULT, 404: _FAULT, 409: _FAULT, 503: _FAULT, **REFUSALS},
)
async def roll_back(
    request: Request[Any, Any, Any], name: EndpointName, engine: NamedDependency[Engine]
) -> ChampionInfo:
    """Put an endpoint's previous champion back, and hold the present one so that it does not return by itself."""
    with audited(request, "roll back", name):
        return await change_champion(
            engine, name, lambda pointer: pointer.roll_back(name, by="rollback"), "nothing-to-roll-back"
        )


HANDLERS: list[ControllerRouterHandler] = [
    predict, list_endpoints, show_endpoint, list_models, show_champion, roll_back,
]  # fmt: skip


def require_sane(data: PredictRequest, most: int) -> None:
    """Refuse a request with no or too many molecules, or an empty choice of endpoints.

    Raises
    ------
    ProblemError
        `invalid-request`, with what was expected and what came.
    """
    if not 1 <= len(data.smiles) <= most:
        raise ProblemError("invalid-request", f"smiles: expected 1 to {most} molecules, got {len(data.smiles)}")
    if data.endpoints is not None and not data.endpoints:
        raise ProblemError(
            "invalid-request", "endpoints: expected at least one name, or none of the field at all, got an empty list"
        )


def require_offered(include: Collection[str], *, neighbours: bool, molecules: int = 1) -> None:
    """Refuse to include what does not exist, what this service was told not to show, or too many explanations.

    Raises
    ------
    ProblemError
        `invalid-request` for an unknown name or too many molecules to explain, `forbidden` for neighbours where they
        are switched off.
    """
    unknown = [name for name in include if name not in INCLUDES]
    if unknown:
        came = ", ".join(repr(name) for name in unknown)
        raise ProblemError("invalid-request", f"include: expected any of {', '.join(INCLUDES)}, got {came}")
    if "explanation" in include and molecules > MOST_EXPLAINED:
        raise ProblemError(
            "invalid-request",
            f"smiles: expected at most {MOST_EXPLAINED} molecules when an explanation is asked for, got {molecules}",
        )
    if "neighbours" in include and not neighbours:
        raise ProblemError(
            "forbidden", "include: this service does not show training molecules (AIDRUG_SHOW_NEIGHBOURS is 0)"
        )


def chosen(table: Table, names: list[str] | None, progress: Progress | None = None) -> Mapping[str, Champion]:
    """Give the champions a request asks for, in its order; a refusal tells what of them a run is making.

    Raises
    ------
    ProblemError
        `withdrawn` for endpoints that are served no more, `no-champion` when nothing is loaded that could answer,
        `unknown-endpoints` for names nobody knows.
    """
    waiting = {"Retry-After": "5"}
    require_not_withdrawn(table, *(names or ()))
    if not table.champions:
        detail = f"no champion is loaded yet: training has to finish first{being_made(progress, names)}"
        raise ProblemError("no-champion", detail, waiting)
    if names is None:
        return table.champions
    unknown = [name for name in names if name not in table.champions]
    if unloaded := [name for name in unknown if name in table.appointments]:
        raise ProblemError("no-champion", f"the champion of {', '.join(unloaded)} could not be loaded", waiting)
    if unknown:
        raise ProblemError("unknown-endpoints", f"endpoints: {expected_one_of(table.champions, progress, *unknown)}")
    return {name: table.champions[name] for name in names}


def endpoint_info(table: Table, name: str) -> EndpointInfo:
    """Describe an endpoint that has a champion."""
    champion = table.champions[name]
    manifest = champion.manifest
    since = next(
        (
            appointment.since
            for appointment in (table.appointments[name], *reversed(table.appointments[name].history))
            if appointment.version == manifest.version
        ),
        "",
    )
    return EndpointInfo(
        name=name,
        title=manifest.title,
        description=manifest.description,
        unit=manifest.unit,
        direction=manifest.direction,
        task=manifest.target.task,
        champion=ChampionSummary(manifest.version, manifest.model, champion.short_signature, since),
        provisional=champion.provisional,
        awaited=list(champion.awaited),
        display_unit=manifest.display_unit,
    )


def champion_info(table: Table, name: str, progress: Progress | None = None) -> ChampionInfo:
    """Describe an endpoint's champion; a refusal tells whether a run is making it.

    Raises
    ------
    ProblemError
        `withdrawn` when it is served no more, `unknown-endpoint` when none was ever appointed.
    """
    current = table.appointments.get(name)
    if current is None:
        require_not_withdrawn(table, name)
        raise ProblemError("unknown-endpoint", expected_one_of(table.appointments, progress, name))
    champion, failure = table.champions.get(name), table.failures.get(name)
    card = champion.bundle.card if champion else None
    return ChampionInfo(
        endpoint=name,
        appointed=_appointment(current),
        serving=champion.manifest.version if champion else None,
        held=current.held,
        challenger=_trial(table, name),
        history=[_appointment(earlier) for earlier in current.history],
        error=failure.detail if failure else None,
        provisional=champion is not None and champion.provisional,
        awaited=list(champion.awaited) if champion else [],
        card=card.as_json() if card is not None else None,
        card_markdown=to_markdown(card) or None if card is not None else None,
    )


def _trial(table: Table, name: str) -> TrialInfo | None:
    trial, failure = table.appointments[name].challenger, table.trial_failures.get(name)
    if trial is None:
        return None
    return TrialInfo(trial.version, trial.since, trial.mode, trial.share, failure.detail if failure else None)


def _appointment(appointment: Appointment) -> AppointmentInfo:
    return AppointmentInfo(appointment.version, appointment.since, appointment.by)


async def change_champion(engine: Engine, name: str, change: Callable[[Pointer], Pointer], code: str) -> ChampionInfo:
    """Change which version serves an endpoint, and describe its champion as it then is.

    Raises
    ------
    ProblemError
        `unknown-endpoint`, `code` when the pointer refuses the change, `store-unavailable`.
    """
    champion_info(engine.table, name)

    def changed(pointer: Pointer) -> Pointer:
        try:
            return change(pointer)
        except StoreError as error:
            raise ProblemError(code, str(error)) from error

    try:
        pointer = await engine.change_pointer(changed)
    except StoreError as error:
        raise ProblemError("store-unavailable", str(error)) from error
    return champion_info(replace(engine.table, generation=pointer.generation, appointments=pointer.endpoints), name)
