"""Endpoints and their champions as the interface describes them."""

from __future__ import annotations

from model_zoo.bundles.model_card import to_markdown
from model_zoo.bundles.pointer import ServedVersion
from model_zoo.bundles.progress import Progress
from serving.champions.champion_registry import ChampionRegistry
from serving.champions.training_progress import expected_one_of
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.problems import ProblemError
from serving.http.schemas import (
    ChampionInfo,
    ChampionSummary,
    DesirableInfo,
    EndpointInfo,
    RolloutInfo,
    ServedVersionInfo,
)


def endpoint_info(table: ChampionRegistry, name: str) -> EndpointInfo:
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
    wanted = manifest.desirable
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
        desirable=None if wanted is None else DesirableInfo(wanted.low, wanted.high, wanted.margin),
    )


def champion_info(table: ChampionRegistry, name: str, progress: Progress | None = None) -> ChampionInfo:
    """Describe an endpoint's champion; a refusal says whether a run is making it.

    Raises
    ------
    ProblemError
        `withdrawn` when it is served no longer, `unknown-endpoint` when none was ever appointed.
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
        held=current.blocked_version,
        challenger=_trial(table, name),
        history=[_appointment(earlier) for earlier in current.history],
        error=failure.detail if failure else None,
        provisional=champion is not None and champion.provisional,
        awaited=list(champion.awaited) if champion else [],
        card=card.as_json() if card is not None else None,
        card_markdown=to_markdown(card) or None if card is not None else None,
    )


def _trial(table: ChampionRegistry, name: str) -> RolloutInfo | None:
    trial, failure = table.appointments[name].challenger, table.trial_failures.get(name)
    if trial is None:
        return None
    return RolloutInfo(trial.version, trial.since, trial.mode, trial.share, failure.detail if failure else None)


def _appointment(appointment: ServedVersion) -> ServedVersionInfo:
    return ServedVersionInfo(appointment.version, appointment.since, appointment.by)
