"""Whether the process answers, whether predictions are available, and what is being made meanwhile.

It needs no key. What is served, and what went wrong with it, it reports only to callers who may read that elsewhere:
where keys are on, with one of them.
"""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.types import ControllerRouterHandler

from serving.auth.guard import Guard
from serving.champions.champion_registry import ChampionRegistry
from serving.champions.training_progress import models_done
from serving.http.parameters import HttpRequest
from serving.http.schemas import Live, MakingEndpoint, MakingInfo, NotServed, Ready, ReadyEndpoint, WithdrawnEndpoint
from serving.inference.engine import Engine


@get("/health/live", opt={"scope": "open"}, tags=["health"], summary="Whether the process answers")
async def live() -> Live:
    """Return that the process answers."""
    return Live()


@get(
    "/health/ready",
    opt={"scope": "open"},
    tags=["health"],
    summary="Whether predictions are available",
    responses={503: ResponseSpec(Ready, generate_examples=False)},
)
async def ready(request: HttpRequest, engine: NamedDependency[Engine]) -> Response[Ready]:
    """Return whether at least one champion is loaded, what could not be loaded, and what is being made."""
    table = engine.champion_registry
    guard: Guard = request.app.state.guard
    body = _readiness(engine, table) if guard.may_read(request) else _for_strangers(engine, table)
    return Response(body, status_code=200 if table.champions else 503)


HEALTH_HANDLERS: list[ControllerRouterHandler] = [live, ready]


def _for_strangers(engine: Engine, table: ChampionRegistry) -> Ready:
    watcher = engine.champion_watcher
    return Ready(
        status="ready" if table.champions else "waiting for a first champion",
        generation=table.generation,
        endpoints={},
        errors={},
        store_error=None if watcher.store_error is None else "the service's log says why",
        store_state=watcher.store_state,
        remembered=watcher.remembered.kept,
        withdrawn={},
        making=None,
        withheld=True,
    )


def _readiness(engine: Engine, table: ChampionRegistry) -> Ready:
    return Ready(
        status="ready" if table.champions else "waiting for a first champion",
        generation=table.generation,
        endpoints={
            name: ReadyEndpoint(
                champion.manifest.version, champion.manifest.model, champion.provisional, list(champion.earlier_rules)
            )
            for name, champion in table.champions.items()
        },
        errors={name: NotServed(fault.version, fault.detail, fault.retried) for name, fault in table.failures.items()},
        store_error=engine.champion_watcher.store_error,
        store_state=engine.champion_watcher.store_state,
        remembered=engine.champion_watcher.remembered.kept,
        withdrawn={name: WithdrawnEndpoint(each.since, each.reason) for name, each in table.withdrawn.items()},
        making=_making(engine, table),
    )


def _making(engine: Engine, table: ChampionRegistry) -> MakingInfo | None:
    progress = engine.training_progress.progress
    if progress is None:
        return None
    return MakingInfo(
        began=progress.began,
        at=progress.at,
        done=progress.done,
        total=progress.total,
        remaining_s=progress.remaining_s,
        learnt=progress.learnt,
        endpoints=[
            MakingEndpoint(
                endpoint=each.name,
                state=each.state,
                models_done=models_done(each),
                models=len(each.models),
                serves=each.name in table.champions,
                provisional=each.name in table.champions and table.champions[each.name].provisional,
            )
            for each in progress.endpoints
        ],
    )
