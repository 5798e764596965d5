"""`GET /v1/leaderboards/{endpoint}`: all trained models of an endpoint, and why one of them serves."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler
from msgspec import Meta, Struct

from serving.champions.champion_registry import Champion
from serving.champions.training_progress import expected_one_of
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.inference.engine import Engine

_FAULT = problem_response()


class LeaderboardRow(Struct, frozen=True):
    """A trained model."""

    model: str
    signature: str
    cv: Annotated[float, Meta(description="Mean of the deciding metric over the training folds: what decides.")]
    cv_std: Annotated[float, Meta(description="Its standard deviation over the folds.")]
    test: Annotated[
        float | None, Meta(description="The same metric on the test split: reported only, nothing is chosen by it.")
    ]
    champion: Annotated[bool, Meta(description="Whether it is the champion.")]
    refused: Annotated[str | None, Meta(description="Why it may not serve, or null.")]
    p_value: Annotated[
        float | None,
        Meta(
            description="One-sided paired p-value, over the folds, of being no better than the champion; where the "
            "champion has one itself, all of them are against the champion before it."
        ),
    ]


class Leaderboard(Struct, frozen=True):
    """All trained models of an endpoint, as they were when the champion was chosen."""

    endpoint: str
    champion: Annotated[str, Meta(description="Version that answers now.")]
    metric: str
    reason: Annotated[str, Meta(description="Why this champion.")]
    challenger: Annotated[str | None, Meta(description="The best of the others that may serve.")]
    snapshot: Annotated[str, Meta(description="Data version of the dataset that all were scored on.")]
    rows: Annotated[list[LeaderboardRow], Meta(description="Best first.")]
    absent: Annotated[dict[str, str], Meta(description="Models that were not scored, and why.")]
    scale: Annotated[
        str, Meta(description="The scale of scores: the endpoint's unit, or one such as `log10 of mL/min/kg`.")
    ] = ""
    note: str = "cv decides; test is reported only, nothing is chosen by it"


@get(
    "/v1/leaderboards/{name:str}",
    tags=["champions"],
    summary="Show an endpoint's leaderboard",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def show_leaderboard(
    name: Annotated[str, PathParameter(description="Name of an endpoint.")], engine: NamedDependency[Engine]
) -> Leaderboard:
    """Show all trained models of an endpoint with their scores, who won and why."""
    champion = engine.champion_registry.champions.get(name)
    if champion is None:
        require_not_withdrawn(engine.champion_registry, name)
        detail = expected_one_of(engine.champion_registry.champions, engine.training_progress.progress, name)
        raise ProblemError("unknown-endpoint", detail)
    return leaderboard(champion)


def leaderboard(champion: Champion) -> Leaderboard:
    """Read a champion's card as a leaderboard; what the card does not say is left empty."""
    card, decision = champion.bundle.card, champion.bundle.card.decision
    return Leaderboard(
        endpoint=champion.manifest.endpoint,
        champion=champion.manifest.version,
        metric=card.metric,
        reason=decision.reason,
        challenger=decision.challenger,
        snapshot=card.snapshot,
        rows=[
            LeaderboardRow(
                model=row.model,
                signature=row.signature,
                cv=row.cv,
                cv_std=row.cv_std,
                test=row.test,
                champion=row.signature == card.signature,
                refused=decision.refused.get(row.model),
                p_value=decision.p_values.get(row.model),
            )
            for row in card.leaderboard
        ],
        absent=dict(card.absent),
        scale=card.scores.scale_name or champion.manifest.unit,
    )


LEADERBOARD_HANDLERS: list[ControllerRouterHandler] = [show_leaderboard]
