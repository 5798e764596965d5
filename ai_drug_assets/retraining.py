"""What the automation asks for next: the plan of `aidrug run`, in its order, tick by tick.

What is stale stays stale until somebody makes it, so nothing is forgotten: not what a killed run was making, not what
failed while a file was being edited. It is asked for again, later each time. What fails for its own reasons, twice
under one signature, is not: it waits for a change, and the others are judged without it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from model_zoo.io.digests import json_digest
from serving.telemetry.pipeline_state import AutomationState

from ai_drug_assets.planning import stamps
from ai_drug_assets.planning.catalog import Catalog, Node
from ai_drug_assets.planning.cursor import Asked, Cursor
from ai_drug_assets.planning.estimates import Estimates
from ai_drug_assets.planning.ledger import Entry, Failure, LedgerView, now
from ai_drug_assets.planning.ledger_copy import open_ledger
from ai_drug_assets.planning.order import Order
from ai_drug_assets.planning.plan import is_stale
from ai_drug_assets.planning.remains import OURS, Remains, place_of
from ai_drug_assets.planning.selection import MADE
from ai_drug_assets.processes import is_held

if TYPE_CHECKING:
    import dagster as dg

FIRST_WAIT_S, LAST_WAIT_S, FACTOR = 30.0, 3600.0, 4.0
"""How long the second attempt waits, the longest that any waits, and how much longer each waits than the one before."""
OWN_FAILURES = 2
"""So many failures under one signature are the asset's own, unless their cause is outside."""
DEATHS = 4
"""So often the process that makes an asset dies before it is left alone."""
PATIENT = 3
"""So many attempts an election waits for."""
ANYWAY_S, BUSY_S = 3600.0, 20.0
"""How soon everything is looked at again although no file changed: when all is quiet, and while something runs."""
DIED = (
    "the process that made it ended {times} times without a word, most often because the memory was full. It is tried "
    "again when something of it changes, or with `aidrug run`"
)


@dataclass(frozen=True)
class Look:
    """What one look decided: sets of assets, each to be made in one run, what it leaves for the next, what it found."""

    requests: list[list[str]]
    cursor: Cursor
    state: AutomationState | None = None


@dataclass
class Running:
    """What is being made, by anybody: keys of the assets, and how many runs the automation has under way."""

    keys: set[str] = field(default_factory=set)
    runs: int = 0


class Retraining:
    """Decides what to ask for."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._home = catalog.settings.home
        self._view = LedgerView(self._home / "ledger")
        self._sources = stamps.source_files(catalog.configs, catalog.settings)
        self._loaded = self._sources_now()

    def sources_changed(self) -> bool:
        """Return whether a file of measurements was touched since the catalog was loaded."""
        return self._sources_now() != self._loaded

    def quiet(self, cursor: Cursor, at: float) -> bool:
        """Return whether there is nothing to do: no file changed since the last look, and nothing is due.

        After a clock that was set back everything is looked at.
        """
        if not at < cursor.wake <= at + ANYWAY_S:
            return False
        return cursor.tracked == self._tracked_now(content=cursor.tracked[0] > 0) and cursor.seen == self._files_now()

    def look(self, instance: dg.DagsterInstance, cursor: Cursor, at: float) -> Look:
        """Look at everything, and decide."""
        seen, tracked = self._files_now(), self._tracked_now(content=True)
        if is_held(self._home / "locks" / "run"):
            summary = "`aidrug run` is at work: what it leaves is looked at afterwards"
            return Look([], cursor.model_copy(update={"seen": seen, "tracked": tracked, "wake": at, "told": summary}))
        running = _running(instance, self.catalog)
        stale = self._stale(instance)
        asked = {key: each for key, each in cursor.asked.items() if key in stale and each.mark == self._mark(key)}
        waits = {key: self._waits_until(key, asked, at) for key in stale if key not in running.keys}
        order = self._order(stale, running, waits, asked, at)
        requests = self._requests(order, running)
        for key in (key for keys in requests for key in keys):
            before = asked.get(key)
            asked[key] = Asked(mark=self._mark(key), times=before.times + 1 if before else 1, at=at)
        due = [when for when in waits.values() if at < when < math.inf]
        busy = bool(requests or running.keys or running.runs)
        wake = at + (BUSY_S if busy else ANYWAY_S)
        summary = self._summary(stale, running, waits, requests, at)
        tracked = (0, 0, tracked[2]) if busy else tracked
        cursor = Cursor(seen=seen, tracked=tracked, wake=min([wake, *due]), asked=asked, told=summary)
        return Look(requests, cursor, self._state(stale, cursor))

    def _state(self, stale: Collection[str], cursor: Cursor) -> AutomationState:
        """Sum up what a look found, for those who watch."""
        made = {key: entry.made.at for key in self.catalog.nodes if (entry := self._view.read(key)).made}
        oldest = min(((made[key], key) for key in stale if key in made), default=None)
        return AutomationState(
            told=cursor.told,
            wake=cursor.wake,
            stale=len(stale),
            failed=sum(self._failure(key) is not None for key in stale),
            oldest=(oldest[1], oldest[0]) if oldest else None,
            last_made=max(made.values(), default=None),
        )

    def _stale(self, instance: dg.DagsterInstance) -> dict[str, Node]:
        """Find what is stale, as `aidrug run` does, and let the ledger forget what has lost its files."""
        from ai_drug_assets import keys

        nodes = self.catalog.nodes
        entries = {key: self._view.read(key) for key in nodes}
        remains = Remains(self.catalog, entries)
        known = instance.get_latest_materialization_code_versions([keys.asset_key(key) for key in nodes])
        versions = {keys.catalog_key(key): version for key, version in known.items()}
        stale = {}
        for key, node in nodes.items():
            if key in self.catalog.held:
                continue
            if remains.files_gone(node):
                shutil.rmtree(place_of(self._home, node), ignore_errors=True)
                open_ledger(self.catalog.settings).forget(key)
                stale[key] = node
            elif (
                is_stale(node, self.catalog, entries)
                or versions.get(key) != keys.code_version(node)
                or remains.reasons(node)
            ):
                stale[key] = node
        return stale

    def _waits_until(self, key: str, asked: dict[str, Asked], at: float) -> float:
        """Say when a stale asset may be asked for: at once, later, or not before something of it changes.

        What `aidrug run` tried in vain counts as asked for.
        """
        failure = self._failure(key)
        each = asked.get(key)
        if each is None and failure is not None and self.catalog.nodes[key].kind in MADE:
            when = min(at, datetime.fromisoformat(failure.at).timestamp())
            each = asked[key] = Asked(mark=self._mark(key), times=failure.times, at=when)
        if each is None:
            return 0.0
        if failure is None and each.times >= DEATHS and not self._spoke_since(key, each.at):
            error = DIED.format(times=each.times)
            node = self.catalog.nodes[key]
            failure = Failure(signature=node.signature, error=error, run_id="", at=now(), times=each.times)
            open_ledger(self.catalog.settings).record_failure(key, failure)
        if failure is not None and not failure.passing and each.times >= OWN_FAILURES:
            return math.inf
        return min(each.at, at) + min(FIRST_WAIT_S * FACTOR ** (each.times - 1), LAST_WAIT_S)

    def _order(
        self,
        stale: Mapping[str, Node],
        running: Running,
        waits: Mapping[str, float],
        asked: Mapping[str, Asked],
        at: float,
    ) -> Order:
        """Return the order of what is stale: what waits is awaited for a while, and then left out."""
        chosen = self.catalog.nodes.keys() - self.catalog.held.keys()
        order = Order(self.catalog, self._view, self._estimates, list(stale.values()), chosen)
        order.started(running.keys)
        gone = {}
        for key, when in waits.items():
            if when <= at:
                continue
            if stale[key].kind not in MADE:
                order.postponed(key)
            elif when == math.inf or asked[key].times >= PATIENT:
                gone[key] = "waits"
            else:
                order.started([key])
        order.ended(gone)
        return order

    def _requests(self, order: Order, running: Running) -> list[list[str]]:
        """Ask for as much as is made side by side, and one more, so that nobody waits for the next look."""
        requests: list[list[str]] = []
        while running.runs + len(requests) <= self.catalog.settings.workers:
            keys = order.next()
            if not keys:
                break
            order.started(keys)
            requests.append(keys)
        return requests

    def _failure(self, key: str) -> Failure | None:
        failure = self._view.read(key).failure
        return failure if failure is not None and failure.signature == self.catalog.nodes[key].signature else None

    def _spoke_since(self, key: str, at: float) -> bool:
        """Return whether anything was recorded of an asset since then, perhaps under another signature.

        Files that are edited and not committed are what a run loads, and not what was asked for.
        """
        entry = self._view.read(key)
        times = [each.at for each in (entry.made, entry.failure) if each is not None]
        return any(datetime.fromisoformat(each).timestamp() >= at - 1 for each in times)

    def _mark(self, key: str) -> str:
        """Name the circumstances of an attempt: what it is made from, and for a judgement what it judges."""
        node = self.catalog.nodes[key]
        if node.kind in MADE:
            return node.signature[:16]
        return json_digest([node.signature, [_data_version(self._view.read(dep)) for dep in node.deps]])[:16]

    def _summary(
        self,
        stale: Collection[str],
        running: Running,
        waits: Mapping[str, float],
        requests: list[list[str]],
        at: float,
    ) -> str:
        faults = list(dict.fromkeys(self.catalog.configs.faults.values()))
        if not stale and not faults:
            return "nothing is stale"
        parts = [*faults, f"{len(stale)} stale"]
        left = [key for key, when in waits.items() if when == math.inf]
        later = [key for key, when in waits.items() if at < when < math.inf]
        if running.keys:
            parts.append(f"{len(running.keys)} being made")
        if requests:
            parts.append(f"{sum(map(len, requests))} asked for")
        if later:
            parts.append(f"{len(later)} tried again later ({_some(later)})")
        if left:
            parts.append(f"{len(left)} failed for reasons of their own ({_some(left)})")
        return ", ".join(parts)

    @cached_property
    def _estimates(self) -> Estimates:
        return Estimates(self.catalog)

    @cached_property
    def _folders(self) -> stamps.Folders:
        """The ledger, whose files are replaced whole, and every folder that holds what was made."""
        places = (place_of(self._home, node) for node in self.catalog.nodes.values())
        return stamps.Folders([self._home / "ledger", *places])

    def _sources_now(self) -> str:
        return stamps.digest((str(path), stamps.stamp(path)) for path in self._sources)

    def _files_now(self) -> str:
        """Return the stamp of the ledger and of every folder that holds what was made."""
        return self._folders.digest()

    def _tracked_now(self, *, content: bool) -> stamps.Stamp:
        """Return the stamp of MLflow's own file; of its identity alone where its content is not asked for.

        Every run writes to it. When none is under way, a change is somebody's who deleted runs, say, or an alias.
        """
        uri = self.catalog.settings.tracking_uri
        found = stamps.stamp(uri.removeprefix(OURS)) if uri.startswith(OURS) else stamps.GONE
        return found if content else (0, 0, found[2])


def _running(instance: dg.DagsterInstance, catalog: Catalog) -> Running:
    """Find what unfinished runs make."""
    from ai_drug_assets import keys
    from ai_drug_assets.jobs import ALL_ASSETS
    from ai_drug_assets.operations import maintenance

    found = Running()
    for run in maintenance.unfinished_runs(instance):
        found.runs += keys.RUN_TAG_RETRAINING in run.tags
        chosen = run.asset_selection
        if chosen is not None:
            found.keys.update(key for key in map(keys.catalog_key, chosen) if key in catalog.nodes)
        elif run.job_name == ALL_ASSETS:
            found.keys.update(catalog.nodes)
    return found


def _data_version(entry: Entry) -> str:
    return entry.made.data_version if entry.made else ""


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
