"""The page about the service itself: what serves since when, how it is used, what waits, what went wrong.

It is about this process; where several workers answer, each reports on itself.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from litestar import MediaType, get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler
from markupsafe import Markup
from prometheus_client import Counter

from model_zoo.errors import StoreError
from model_zoo.monitoring.prediction_log import PredictionLog
from serving import metrics
from serving.champions.champion_registry import ChampionRegistry
from serving.http.parameters import HttpRequest
from serving.inference.engine import Engine
from serving.page import wording
from serving.page.templates import FRAGMENT, render
from serving.page.training_banner import banner
from serving.telemetry.pipeline_state import PipelineState, read_pipeline_state, seconds

MOST_SWAPS = 12
HOURS = 24
_STARTED = time.time()


@dataclass(frozen=True)
class Served:
    """One endpoint: who serves, who is on trial, what could not be loaded."""

    endpoint: str
    title: str
    version: str
    since: str
    by: str
    trial: str
    fault: str
    provisional: str
    earlier_rules: str


@dataclass(frozen=True)
class Gone:
    """An endpoint that was withdrawn."""

    endpoint: str
    since: str
    by: str
    reason: str


@dataclass(frozen=True)
class Swap:
    """A version that began to serve."""

    at: str
    endpoint: str
    title: str
    version: str
    by: str
    before: str


@dataclass(frozen=True)
class Figure:
    """One number of the service, and whether it calls for somebody."""

    title: str
    value: str
    hint: str = ""
    alarming: bool = False


@dataclass(frozen=True)
class Use:
    """How an endpoint was used in the last hours."""

    title: str
    predictions: int
    inside: str
    bars: Markup


@get("/operations", media_type=MediaType.HTML, include_in_schema=False)
async def show_operations(request: HttpRequest, engine: NamedDependency[Engine]) -> str:
    """Show the state of the service."""
    table = engine.champion_registry
    values = {
        "making": banner(table, engine.training_progress.progress),
        "served": served(table),
        "withdrawn": [Gone(name, each.since, each.by, each.reason) for name, each in sorted(table.withdrawn.items())],
        "swaps": swaps(table),
        "uses": await engine.work(uses, engine, table),
        "figures": figures(engine),
        "pipeline": pipeline(read_pipeline_state(engine.settings.folder)),
        "store_error": engine.champion_watcher.store_error,
        "store_state": engine.champion_watcher.store_state,
        "now": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    name = "operations_state.html" if request.headers.get(FRAGMENT) else "operations.html"
    return render(name, here="operations", **values)


OPERATIONS_HANDLERS: list[ControllerRouterHandler] = [show_operations]


def served(table: ChampionRegistry) -> list[Served]:
    """Describe every endpoint that has an appointed champion, loaded or not."""
    rows = []
    for name, current in sorted(table.appointments.items()):
        champion, failure = table.champions.get(name), table.failures.get(name)
        version = champion.manifest.version if champion else ""
        now = next((each for each in (current, *reversed(current.history)) if each.version == version), None)
        trial = current.challenger
        wrong = [f"{failure.version} is not served: {failure.detail}"] if failure else []
        if (lost := table.trial_failures.get(name)) is not None:
            wrong.append(f"{lost.version} is not on trial: {lost.detail}")
        share = f", {100 * trial.share:.0f} % of molecules" if trial is not None and trial.mode == "split" else ""
        rows.append(
            Served(
                endpoint=name,
                title=champion.manifest.title if champion else name,
                version=version,
                since=now.since if now else "",
                by=now.by if now else "",
                trial="" if trial is None else f"{trial.version} ({trial.mode}{share})",
                fault="; ".join(wrong),
                provisional=wording.provisional(champion.bundle.card) if champion else "",
                earlier_rules=", ".join(champion.earlier_rules) if champion else "",
            )
        )
    return rows


def swaps(table: ChampionRegistry) -> list[Swap]:
    """List the latest changes of champions, newest first."""
    found = []
    for name, current in table.appointments.items():
        champion = table.champions.get(name)
        title = champion.manifest.title if champion else name
        line = (*current.history, current)
        for before, after in zip((None, *line), line, strict=False):
            was = before.version if before else ""
            found.append(Swap(after.since, name, title, after.version, after.by, was))
    return sorted(found, key=lambda swap: swap.at, reverse=True)[:MOST_SWAPS]


def uses(engine: Engine, table: ChampionRegistry) -> list[Use]:
    """Read from the live record how the endpoints were used; nothing where none is kept or it cannot be read."""
    if engine.prediction_logger is None:
        return []
    with closing(PredictionLog(engine.prediction_logger.folder)) as record:
        try:
            found = record.use_by_hour(time.time() - 3600 * HOURS)
        except StoreError:
            return []  # the figure of the record says so
    rows = []
    for name, champion in table.champions.items():
        hours = found.get(name, {})
        count, inside = (sum(each[part] for each in hours.values()) for part in (0, 1))
        share = f"{100 * inside / count:.0f} %" if count else ""
        rows.append(Use(champion.manifest.title, count, share, _bars([hours.get(h, (0, 0))[0] for h in range(HOURS)])))
    return rows


def _bars(counts: list[int]) -> Markup:
    """Draw a bar per hour.

    Examples
    --------
    >>> _bars([0, 2, 1]).count("<rect")
    2
    """
    top = max(counts, default=0) or 1
    heights = [max(1.0, 24 * count / top) if count else 0.0 for count in counts]
    drawn = "".join(
        f'<rect x="{5 * place}" y="{24 - height:.1f}" width="4" height="{height:.1f}"/>'
        for place, height in enumerate(heights)
        if height
    )
    return Markup(f'<svg class="hours" viewBox="0 0 {5 * len(counts)} 24" aria-hidden="true">{drawn}</svg>')  # noqa: S704


def figures(engine: Engine) -> list[Figure]:
    """Return the numbers of this process."""
    settings, prediction_logger, table = engine.settings, engine.prediction_logger, engine.champion_registry
    waiting, most = engine.batches.waiting, settings.queue_molecules
    faults = len(table.failures) + len(table.trial_failures)
    numbers = [
        Figure(
            "Running for", _span(time.time() - _STARTED), f"since {datetime.fromtimestamp(_STARTED, UTC):%H:%M UTC}"
        ),
        Figure("Pointer", f"generation {table.generation}", "grows with every change of a champion"),
        Figure(
            "Models loaded",
            str(len(table.loaded)),
            f"{faults} could not be loaded" if faults else "all of them",
            faults > 0,
        ),
        Figure("Waiting", f"{waiting:,}", f"molecules, of {most:,} at most", waiting > most // 2),
    ]
    answers, failed = _counted(metrics.REQUESTS), _counted(metrics.REQUESTS, status="5")
    failed -= _counted(metrics.REQUESTS, route="/health/", status="5")  # that it is not ready yet is no failure
    hits, misses = (_counted(metrics.CACHE, result=result) for result in ("hit", "miss"))
    numbers += [
        Figure("Requests answered", f"{answers:,}", f"{failed:,} failed" if failed else "none failed", failed > 0),
        Figure(
            "From the cache", f"{100 * hits / (hits + misses):.0f} %" if hits + misses else "none", "of the molecules"
        ),
    ]
    if engine.batches.lost:
        numbers.append(
            Figure("Lost threads", str(engine.batches.lost), "occupied by molecules that never finish", alarming=True)
        )
    if prediction_logger is not None:
        hint = prediction_logger.error or (
            f"{prediction_logger.dropped:,} could not be" if prediction_logger.dropped else "none lost"
        )
        numbers.append(
            Figure(
                "Predictions recorded",
                f"{prediction_logger.written:,}",
                hint,
                bool(prediction_logger.error or prediction_logger.dropped),
            )
        )
    return numbers


def pipeline(state: PipelineState) -> list[Figure]:
    """Return how the pipeline is: its automation, its revision and its processes; nothing where it says nothing."""
    numbers, automation = [], state.automation
    if automation is not None and state.silent_s is not None:
        numbers.append(
            Figure("Automation looked", f"{_span(state.silent_s)} ago", automation.told, alarming=state.is_silent)
        )
        failed = f", {automation.failed} failed" if automation.failed else ""
        oldest = f"{automation.oldest[0]} was made {automation.oldest[1]}" if automation.oldest else ""
        numbers.append(Figure("Stale assets", f"{automation.stale}{failed}", oldest, automation.failed > 0))
        made = seconds(automation.last_made)
        ago = f"{_span(max(0.0, time.time() - made))} ago" if made else "never"
        numbers.append(Figure("Last asset made", ago, automation.last_made or ""))
    if state.revision:
        fault = state.revision.get("error")
        numbers.append(
            Figure(
                "Revision",
                str(state.revision.get("loaded"))[:12],
                f"the newest does not load: {fault}" if fault else "",
                bool(fault),
            )
        )
    for name, each in (state.processes or {}).items():
        restarts, runs = each.get("restarts", 0), each.get("state") == "running"
        hint = f"{each.get('memory_mb', 0)} MB" + (f", started again {restarts} times" if restarts else "")
        numbers.append(Figure(name.replace("_", " ").capitalize(), str(each.get("state")), hint, not runs))
    return numbers


def _counted(counter: Counter, **labels: str) -> int:
    """Sum up a counter of this process, where its labels begin so."""
    total = 0.0
    for sample in (sample for metric in counter.collect() for sample in metric.samples):
        matches = all(sample.labels.get(name, "").startswith(start) for name, start in labels.items())
        if sample.name.endswith("_total") and matches:
            total += sample.value
    return int(total)


def _span(seconds: float) -> str:
    """Return a duration in its two largest units.

    Examples
    --------
    >>> _span(42), _span(3_700), _span(200_000)
    ('42 s', '1 h 1 min', '2 d 7 h')
    """
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"
