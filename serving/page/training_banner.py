"""The banner about a run that is at work: which properties serve, which are being trained, which come next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import MediaType, get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from model_zoo.bundles.progress import EndpointProgress, Progress
from serving.champions.champion_registry import ChampionRegistry
from serving.champions.training_progress import about, models_done
from serving.inference.engine import Engine
from serving.page.templates import render

MOST_NAMED = 4
"""Properties that one line of the banner names; the others are counted."""


@dataclass(frozen=True)
class Banner:
    """What the banner says."""

    headline: str
    """A sentence on what serves so far."""
    left: str
    """How long the run continues, and whether that is a first guess."""
    guess: bool
    done: int
    total: int
    groups: tuple[tuple[str, str], ...]
    """A title and properties for each of those that serve, are being trained, come next and could not be trained."""


@get("/page/making", media_type=MediaType.HTML, include_in_schema=False)
async def show_making(engine: NamedDependency[Engine]) -> str:
    """Return the banner alone; nothing while no run is at work."""
    return render("making.html", making=banner(engine.champion_registry, engine.training_progress.progress))


MAKING_HANDLERS: list[ControllerRouterHandler] = [show_making]


def banner(table: ChampionRegistry, progress: Progress | None) -> Banner | None:
    """Describe the run that is at work; none where there is none."""
    if progress is None:
        return None
    now, later, lost = (
        [each for each in progress.endpoints if each.state == state] for state in ("making", "waiting", "failed")
    )
    serving = [
        f"{each.manifest.title}{' (provisional)' if each.provisional else ''}" for each in table.champions.values()
    ]
    groups = (
        ("Serving", _listed(serving)),
        ("Being trained", _listed([_at_work(each) for each in now], "; ")),
        ("Next", _listed([each.title for each in later])),
        ("Could not be trained", _listed([each.title for each in lost])),
    )
    until = "left" if table.champions else "until all are trained"
    left = "" if progress.remaining_s is None else f"{about(progress.remaining_s)} {until}"
    return Banner(
        headline=_headline(table, progress, now or later),
        left=left,
        guess=bool(left) and not progress.learnt,
        done=progress.done,
        total=max(progress.total, progress.done, 1),
        groups=tuple(group for group in groups if group[1]),
    )


def _headline(table: ChampionRegistry, progress: Progress, coming: Sequence[EndpointProgress]) -> str:
    serving = len(table.champions)
    if not serving:
        return f"{coming[0].title} comes first." if coming else "Nothing can be predicted yet."
    known = {each.name for each in progress.endpoints if each.state != "failed"} | set(table.champions)
    count = f"{serving} of {len(known)}" if len(known) > serving else f"All {serving}" if serving > 1 else "The one"
    word = "property" if len(known) == 1 else "properties"
    provisional = sum(champion.provisional for champion in table.champions.values())
    by = f", {provisional} of them by a provisional model" if provisional else ""
    return f"{count} {word} can be predicted already{by}."


def _at_work(endpoint: EndpointProgress) -> str:
    """Say how far an endpoint is, and which of its models are being trained."""
    if not endpoint.models:
        return endpoint.title
    running = ", ".join(model.name for model in endpoint.models if model.state == "making")
    done = f"{models_done(endpoint)} of {len(endpoint.models)} models"
    return f"{endpoint.title} ({done}{f', now {running}' if running else ''})"


def _listed(names: Sequence[str], between: str = ", ") -> str:
    """Name a few, and count the others.

    Examples
    --------
    >>> _listed(["a", "b"]), _listed(["a", "b", "c", "d", "e", "f"])
    ('a, b', 'a, b, c, d and 2 more')
    """
    more = len(names) - MOST_NAMED
    return between.join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
