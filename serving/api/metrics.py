"""The page `/metrics`, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable

from litestar import MediaType, Response, get
from litestar.types import ControllerRouterHandler
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from serving.http.parameters import HttpRequest
from serving.inference.engine import Engine
from serving.telemetry.pipeline_state import PipelineState, read_pipeline_state, seconds


class _State:
    """What is so at the moment of asking, read from the engine of the worker that is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        engine, table = self._engine, self._engine.champion_registry
        champions = GaugeMetricFamily(
            "aidrug_champion_info", "Champions that serve.", labels=("endpoint", "model", "version", "signature")
        )
        for name, champion in table.champions.items():
            manifest = champion.manifest
            champions.add_metric((name, manifest.model, manifest.version, champion.short_signature), 1)
        yield champions
        earlier = GaugeMetricFamily(
            "aidrug_earlier_rules", "Rules of a champion that have a newer version.", labels=("endpoint",)
        )
        for name, champion in table.champions.items():
            earlier.add_metric((name,), len(champion.earlier_rules))
        yield earlier
        for gauge, name_of in (
            ("aidrug_interval_factor", "factor"),
            ("aidrug_returned_values", "values"),
            ("aidrug_returned_coverage", "own"),
        ):
            text = f"Of measured values that came back: {name_of} (see /v1/calibrations)."
            family = GaugeMetricFamily(gauge, text, labels=("endpoint",))
            for name, champion in table.champions.items():
                value = getattr(engine.recalibrator.of(name, champion), name_of)
                if value is not None and champion.manifest.target.task == "regression":
                    family.add_metric((name,), value)
            yield family
        gauges: tuple[tuple[str, str, float], ...] = (
            ("aidrug_generation", "Generation of the pointer that serves.", table.generation),
            ("aidrug_not_served", "Appointed champions that are not served.", len(table.failures)),
            (
                "aidrug_store_unreachable",
                "1 while the bundle store cannot be read, or is damaged.",
                bool(engine.champion_watcher.store_error),
            ),
            ("aidrug_queue_molecules", "Molecules waiting, in this worker.", engine.batches.waiting),
            (
                "aidrug_insight_molecules",
                "Molecules waiting for explanations, neighbours or alerts, in this worker.",
                engine.insights_waiting,
            ),
            (
                "aidrug_store_damaged",
                "1 while the pointer of the bundle store is refused, or gone.",
                engine.champion_watcher.store_state == "damaged",
            ),
            ("aidrug_withdrawn", "Endpoints that were withdrawn.", len(table.withdrawn)),
            ("aidrug_lost_threads", "Threads held up by molecules, in this worker.", engine.batches.lost),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)


class Pipeline:
    """How the pipeline is, as far as it says so; these lines are missing where it says nothing."""

    def __init__(self, state: PipelineState) -> None:
        self._state = state

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        yield from _automation(self._state)
        yield from _processes(self._state)


def _automation(state: PipelineState) -> Iterable[GaugeMetricFamily]:
    automation = state.automation
    if automation is not None and state.looked is not None:
        for name, text, value in (
            ("last_look_timestamp_seconds", "When the automation last looked.", state.looked),
            ("last_made_timestamp_seconds", "When an asset was last made.", seconds(automation.last_made)),
            ("stale_assets", "Assets that are stale.", automation.stale),
            ("failed_assets", "Stale assets whose last attempt failed.", automation.failed),
            (
                "stale_since_timestamp_seconds",
                "Since when something has been stale without a break; 0 where nothing is.",
                automation.stale_since or 0.0,
            ),
            (
                "oldest_stale_timestamp_seconds",
                "When the stale asset was made that was made longest ago; 0 where none is.",
                seconds(automation.oldest[1] if automation.oldest else None),
            ),
        ):
            yield GaugeMetricFamily(f"aidrug_automation_{name}", text, value=value)


def _processes(state: PipelineState) -> Iterable[GaugeMetricFamily]:
    if state.revision:
        fault = bool(state.revision.get("error"))
        yield GaugeMetricFamily(
            "aidrug_revision_does_not_load", "1 while the newest revision is at fault.", value=fault
        )
    if state.processes:
        up = GaugeMetricFamily("aidrug_process_up", "1 for a process of the pipeline that runs.", labels=("process",))
        restarts = GaugeMetricFamily("aidrug_process_restarts", "How often it was started again.", labels=("process",))
        memory = GaugeMetricFamily("aidrug_process_memory_bytes", "Memory that it holds.", labels=("process",))
        for name, each in state.processes.items():
            up.add_metric((name,), each.get("state") == "running")
            restarts.add_metric((name,), each.get("restarts", 0))
            memory.add_metric((name,), 1e6 * each.get("memory_mb", 0))
        yield from (up, restarts, memory)


@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False)
async def metrics(request: HttpRequest) -> Response[bytes]:
    """Return all metrics in Prometheus' text format."""
    counted = REGISTRY
    if request.app.state.engine.settings.metrics_folder is not None:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    state = CollectorRegistry()
    engine: Engine = request.app.state.engine
    state.register(_State(engine))
    state.register(Pipeline(read_pipeline_state(engine.settings.folder)))
    text = generate_latest(counted) + generate_latest(state)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


METRICS_HANDLERS: list[ControllerRouterHandler] = [metrics]
