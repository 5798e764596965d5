"""What a request for predictions may ask for, and the champions that it means."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from model_zoo.bundles.progress import Progress
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.champions.training_progress import being_made, expected_one_of
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.problems import ProblemError
from serving.http.schemas import PredictRequest
from serving.inference.annotations import INCLUDES

MOST_EXPLAINED = 32
"""Molecules in one request for explanations: each costs as much as a hundred predictions."""


def require_sane(data: PredictRequest, most: int) -> None:
    """Refuse a request with no or too many molecules, or an empty choice of endpoints."""
    if not 1 <= len(data.smiles) <= most:
        raise ProblemError("invalid-request", f"smiles: expected 1 to {most} molecules, got {len(data.smiles)}")
    if data.endpoints is not None and not data.endpoints:
        raise ProblemError(
            "invalid-request", "endpoints: expected at least one name, or the field left out, got an empty list"
        )


def require_offered(include: Collection[str], *, neighbours: bool, molecules: int = 1) -> None:
    """Refuse to include what does not exist, what this service is set not to show, or too many explanations."""
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


def chosen(
    table: ChampionRegistry, names: list[str] | None, progress: Progress | None = None
) -> Mapping[str, Champion]:
    """Return the champions a request asks for, in its order; a refusal says what of them a run is making.

    Raises
    ------
    ProblemError
        `withdrawn` for endpoints that are served no longer, `no-champion` when nothing is loaded that could answer,
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
