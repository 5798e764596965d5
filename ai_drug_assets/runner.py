"""`aidrug run`: materialise what is stale, in this process, and say what happened.

Belongs here: turning a plan into Dagster runs on the shared instance, with progress.
Does not belong here: when to do so by itself (see `automation.py`), processes that stay (see `up.py`).

A run for what is made (datasets, features, trained models), then one for each level that judges it (leaderboards,
champions, the service). In one run, a model whose training fails would take its endpoint's leaderboard down with it,
and an endpoint without a champion the service of all others; and whether a level has to judge anew is only known when
the one before it has. All in this process: on a small machine a step in a process of its own costs seconds before it
begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_drug_assets.catalog import Catalog, Node, load_catalog
from ai_drug_assets.instance import prepare_instance
from ai_drug_assets.interrupts import interruptible
from ai_drug_assets.ledger import Ledger
from ai_drug_assets.plan import Plan, make_plan
from ai_drug_assets.processes import is_held, one_at_a_time, this_process
from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

JOB = "aidrug_run"
PHASES = (("dataset", "features", "trained_model"), ("leaderboard",), ("champion_model",), ("inference_service",))

Say = Callable[[str], None]


@dataclass
class Report:
    """What a run did.

    Attributes
    ----------
    made
        Keys of the assets that were materialised, in order.
    failed
        Keys of those that could not be, with the reason.
    seconds
        How long all of it took.
    """

    made: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def run_stale(settings: Settings, say: Say, *, train_only: bool = False) -> Report:
    """Materialise everything stale.

    Parameters
    ----------
    settings
        Where things are.
    say
        Receives one line per step, for people.
    train_only
        Stop at trained models: on a host that only trains, another one judges and publishes. It finds these
        trainings by their signatures in the MLflow that both use.

    Returns
    -------
    Report
        With nothing made when nothing was stale.

    Raises
    ------
    ConfigError, DataError
        For a fault in configuration or sources, before anything is trained.
    """
    catalog = load_catalog(settings)
    prepare_instance(settings)
    import dagster as dg

    with one_at_a_time(settings.folder("locks") / "dagster"):  # two that make its tables at once both fail
        opened = dg.DagsterInstance.get()
    lock = settings.folder("locks") / "run"
    if is_held(lock):
        say("another run is at work; waiting for its end")
    with opened as instance, one_at_a_time(lock):  # the second finds nothing left to do
        return bring_up_to_date(catalog, instance, say, phases=PHASES[:1] if train_only else PHASES)


def bring_up_to_date(
    catalog: Catalog, instance: dg.DagsterInstance, say: Say, *, phases: Sequence[tuple[str, ...]] = PHASES
) -> Report:
    """Materialise everything stale of a catalog on an instance; see `run_stale`."""
    from ai_drug_assets import upkeep
    from ai_drug_assets.tracking import Tracking

    began = time.perf_counter()
    settings = catalog.settings
    ledger = Ledger(settings.home / "ledger")
    report = Report()
    if upkeep.close_abandoned_runs(instance):
        Tracking(settings).close_abandoned()
    wanted = {kind for kinds in phases for kind in kinds}
    stale = [node for node in _stale_nodes(catalog, make_plan(catalog, ledger), instance) if node.kind in wanted]
    if stale:
        say(f"{len(stale)} of {len(catalog.nodes)} assets are stale")
        for kinds in phases:
            stale = _stale_nodes(catalog, make_plan(catalog, ledger), instance)
            if nodes := _possible(stale, kinds, catalog, ledger):
                _materialise(catalog, nodes, instance, say, report)
    report.seconds = time.perf_counter() - began
    return report


def _stale_nodes(catalog: Catalog, plan: Plan, instance: dg.DagsterInstance) -> list[Node]:
    """List what the plan calls stale, and what Dagster does not know to be made (a killed run, a wiped asset)."""
    from ai_drug_assets import keys

    stale = {item.node.key for item in plan.stale}
    known = instance.get_latest_materialization_code_versions([keys.asset_key(key) for key in catalog.nodes])
    for key, version in known.items():
        node = catalog.nodes[keys.catalog_key(key)]
        if version != keys.code_version(node):
            stale.add(node.key)
    return [node for node in catalog.nodes.values() if node.key in stale]


def _possible(stale: list[Node], kinds: tuple[str, ...], catalog: Catalog, ledger: Ledger) -> list[Node]:
    """List the stale assets of a phase that have something to be made from, now or earlier in the same run.

    A leaderboard needs one trained model, the service one champion; everything else needs all its parts.
    """
    coming: set[str] = set()
    nodes = []
    for node in stale:
        if node.kind not in kinds:
            continue
        there = [key in coming or ledger.made_under(key, catalog.nodes[key].signature) is not None for key in node.deps]
        if any(there) if node.kind in ("leaderboard", "inference_service") else all(there):
            coming.add(node.key)
            nodes.append(node)
    return nodes


def _materialise(catalog: Catalog, nodes: list[Node], instance: dg.DagsterInstance, say: Say, report: Report) -> None:
    import dagster as dg

    from ai_drug_assets import keys
    from ai_drug_assets.definitions import build_defs

    progress = _Progress(len(nodes), say)
    defs = build_defs(catalog=catalog, executor=dg.in_process_executor, watch=progress)
    selection = dg.AssetSelection.assets(*(keys.asset_key(node.key) for node in nodes))
    # Dagster's own log goes to its event log, for the UI; the terminal gets a line per asset.
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    job = dg.define_asset_job(JOB, selection=selection, config=quiet)
    resolved = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def(JOB)
    tags = {keys.RUN_TAG_PROCESS: this_process()}
    with interruptible() as interrupted:
        result = resolved.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    interrupted.check()
    ledger = Ledger(catalog.settings.home / "ledger")
    made = {keys.catalog_key(event.asset_key) for event in result.get_asset_materialization_events() if event.asset_key}
    for node in nodes:
        failure = ledger.read(node.key).failure
        if failure is not None and failure.signature == node.signature:
            report.failed[node.key] = failure.error
        elif node.key in made:
            report.made.append(node.key)
        else:
            report.failed[node.key] = "skipped: something it is made from failed"


class _Progress:
    """Says one line per asset that is done: how many, which, how long, and why it failed."""

    def __init__(self, total: int, say: Say) -> None:
        self._total, self._say, self._done = total, say, 0
        self._began = time.perf_counter()

    def __call__(self, key: str, error: str | None) -> None:
        self._done += 1
        seconds = time.perf_counter() - self._began
        self._began = time.perf_counter()
        line = f"[{self._done:>{len(str(self._total))}}/{self._total}] {key:<55} {seconds:6.1f} s"
        self._say(f"{line}  FAILED: {error.splitlines()[0]}" if error else line)
