"""`aidrug run`: materialise what is stale, and say what happened.

Belongs here: turning a plan into Dagster runs on the shared instance, as many side by side as the machine bears.
Does not belong here: in which order (see `planning/order.py`), how one of them is run (see `making.py`, `lanes.py`),
when to do so by itself (see `automation.py`), processes that stay (see `local_stack.py`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.execution.lanes import Done, Lanes, OwnProcess, Processes, preload
from ai_drug_assets.execution.progress import Display, RunProgress, Say
from ai_drug_assets.interrupts import Interrupted, interruptible
from ai_drug_assets.planning.catalog import Catalog, Node, load_catalog
from ai_drug_assets.planning.estimates import Estimates
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.ledger_copy import open_ledger
from ai_drug_assets.planning.order import Order
from ai_drug_assets.planning.plan import Plan, make_plan
from ai_drug_assets.planning.remains import Remains, place_of
from ai_drug_assets.planning.scratch import clear_scratch
from ai_drug_assets.planning.selection import Selection
from ai_drug_assets.processes import is_held, one_at_a_time, this_process
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.bundles import open_bundle_store

if TYPE_CHECKING:
    import dagster as dg

    from ai_drug_assets.tracking import Tracking

TICK_S = 0.5
WORTH_LANES_S = 45.0
"""Less work than this is done sooner in the process that is there: lanes take ten seconds of imports to open."""


class StoppedError(KeyboardInterrupt):
    """Ctrl-C ended a run; `left` says how many assets it did not get to."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left


@dataclass
class Report:
    """What a run did."""

    made: list[str] = field(default_factory=list)
    """Keys of the assets that were materialised, in order; one that was judged again is there once."""
    failed: dict[str, str] = field(default_factory=dict)
    """Keys of those that could not be, with the reason; and what is at fault in the configuration."""
    seconds: float = 0.0
    """How long all of it took."""


def run_stale(
    settings: Settings,
    display: Display,
    selection: Selection | None = None,
    say: Say | None = None,
    *,
    stays: bool = False,
) -> Report:
    """Materialise what is stale of a selection.

    Parameters
    ----------
    settings
        Where things are.
    display
        Shows what is done and what is left.
    selection
        What is asked for; everything when omitted. With `train_only` it stops at trained models: on a host that only
        trains, another one judges and publishes. It finds these trainings by their signatures in the MLflow that both
        use.
    say
        Called with a sentence when another run has to end first.
    stays
        Whether this process stays when all is made: then what is worth it is made in others, whose memory is free then.

    Returns
    -------
    Report
        With nothing made when nothing was stale.

    Raises
    ------
    ConfigError, DataError
        For a fault in configuration or sources, before anything is trained.
    """
    from ai_drug_assets.operations import shared_compounds

    selection = selection or Selection()
    catalog = load_catalog(settings, keep_rest=True)
    chosen = selection.keys(catalog)  # a name that is not known is said before anything is waited for
    if settings.workers > 1 and make_plan(catalog, Ledger(settings.home / "ledger")).only(chosen).stale:
        preload()
    if say is not None:
        for warning in catalog.configs.warnings:
            say(f"warning: {warning}")
    lock = settings.folder("locks") / "run"
    if say is not None and is_held(lock):
        say("another run is at work; waiting for its end")
    with open_instance(settings) as instance, one_at_a_time(lock):  # the second finds nothing left to do
        report = bring_up_to_date(catalog, instance, display, selection, lanes=settings.workers, say=say, stays=stays)
    if say is not None and any(key.startswith("dataset/") for key in report.made):
        for warning in shared_compounds.warnings(catalog):
            say(f"warning: {warning}")
    if not selection.endpoints:  # else what was asked for can be read
        report.failed.update(dict.fromkeys(catalog.configs.broken, "left out, and the others made without it"))
    return report


def bring_up_to_date(
    catalog: Catalog,
    instance: dg.DagsterInstance,
    display: Display,
    selection: Selection | None = None,
    *,
    lanes: int = 1,
    say: Say | None = None,
    stays: bool = False,
) -> Report:
    """Materialise what is stale of a catalog on an instance, in this process or in so many others; see `run_stale`."""
    from ai_drug_assets.operations import maintenance
    from ai_drug_assets.operations.upgrade_backup import back_up_before_upgrade
    from ai_drug_assets.tracking import Tracking

    began = time.perf_counter()
    selection = selection or Selection()
    settings = catalog.settings
    ledger, estimates = Ledger(settings.home / "ledger"), Estimates(catalog)
    if maintenance.close_abandoned_runs(instance):
        Tracking(settings).close_abandoned()
    clear_scratch(settings.home)
    chosen = selection.keys(catalog)
    stale = [node for node in _stale_nodes(catalog, make_plan(catalog, ledger), instance) if node.key in chosen]
    _forget_what_is_gone(catalog, stale)
    report = Report()
    if not stale:
        report.seconds = time.perf_counter() - began
        return report
    order = Order(catalog, ledger, estimates, stale, chosen)
    worth_it = sum(map(estimates.seconds, stale)) > WORTH_LANES_S
    number = min(lanes, sum(node.kind == "trained_model" for node in stale)) if worth_it else 1
    store = open_bundle_store(settings)
    back_up_before_upgrade(settings, store, say or (lambda _: None))
    publish = store.write_progress
    with (
        RunProgress(catalog, estimates, stale, order.endpoints, number, display, publish) as progress,
        interruptible() as interrupted,
    ):
        apart = number > 1 or (worth_it and stays)
        places: Lanes = Processes(catalog, number) if apart else OwnProcess(catalog, instance)
        try:
            _make_all(order, places, progress, report, interrupted)
        except KeyboardInterrupt:
            raise StoppedError(order.left) from None
        finally:
            places.stop()
            _close_what_was_cut_off(instance, Tracking(settings), of_lanes=apart, mine=interrupted.came)
    report.failed = order.failed
    report.made = [key for key in dict.fromkeys(report.made) if key not in report.failed]
    report.seconds = time.perf_counter() - began
    return report


def _close_what_was_cut_off(instance: dg.DagsterInstance, tracking: Tracking, *, of_lanes: bool, mine: bool) -> None:
    """End the runs of lanes that were killed, and after Ctrl-C those of this process: nobody continues with them."""
    from ai_drug_assets.operations import maintenance

    if mine:
        maintenance.close_runs_of(instance, this_process())
        tracking.close_runs_of(this_process())
    if of_lanes and maintenance.close_abandoned_runs(instance):
        tracking.close_abandoned()


def _make_all(order: Order, lanes: Lanes, progress: RunProgress, report: Report, interrupted: Interrupted) -> None:
    """Return every free lane what comes next, until nothing is left and nothing runs."""
    busy = 0
    first = order.first_bundle()
    if first is not None and len(lanes.free()) > 1:
        lanes.prepare(*first)
        busy += 1
    while True:
        interrupted.check()
        for lane in lanes.free():
            keys = order.next()
            if not keys:
                break
            order.started(keys)
            progress.started(keys)
            lanes.start(lane, keys)
            busy += 1
        if not busy:
            return
        for news in lanes.news(TICK_S):
            if isinstance(news, Done):
                progress.done(news.key, news.error, news.seconds)
            else:
                busy -= 1
                order.ended(news.outcome)
                progress.ended(news.outcome)
                report.made += [key for key, error in news.outcome.items() if error is None]
        progress.goes_on()


def _forget_what_is_gone(catalog: Catalog, stale: Collection[Node]) -> None:
    """Let the ledger forget what it calls made and whose files are gone, and remove what is left of them.

    What is judged in this run must not count on it, and what is made or fetched must find its place free.
    """
    ledger, home = open_ledger(catalog.settings), catalog.settings.home
    remains = Remains(catalog, {node.key: ledger.read(node.key) for node in stale})
    for node in stale:
        if remains.files_gone(node):
            shutil.rmtree(place_of(home, node), ignore_errors=True)
            ledger.forget(node.key)


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
