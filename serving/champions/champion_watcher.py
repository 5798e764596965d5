"""Keeps the table of champions in step with the pointer in the bundle store.

Belongs here: polling, loading and checking changed bundles, what happens when that fails.
Does not belong here: answering requests.

A request reads `ChampionWatcher.table` once and keeps what it read; the watcher never changes a registry, it
rebinds one reference to a new one. The old bundles are freed when the last request lets go of them.

A pointer that is damaged, gone, or cannot come after the one that is followed (see `Pointer.damage_after`) changes
nothing: what serves continues serving until a whole one is there, or one of another lineage, which a restore writes. A
service that starts beside such a one serves what was followed before it started (see `remembered_pointer.py`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Literal

from model_zoo.bundles.on_demand import ModelMemory, OnDemandBundle
from model_zoo.bundles.pointer import POINTER, Pointer, PointerError, ServedVersion, parse_pointer
from model_zoo.bundles.store import Store
from model_zoo.errors import StoreError
from serving import metrics
from serving.champions.champion_registry import Champion, ChampionRegistry, Failure
from serving.champions.remembered_pointer import Remembered
from serving.runtime.generation_barrier import GenerationBarrier

LONGEST_PAUSE = 15.0
"""Longest time between two attempts after failures that may pass, in seconds."""
START_SECONDS = 1.0
"""How long a service that serves nothing yet replays bundles before it serves. The rest is replayed one after another
from then on, each before its first prediction: of many endpoints none waits for all."""

StoreState = Literal["ok", "unreachable", "damaged"]
"""Of the bundle store: read and followed; not to be read; read, and its pointer refused."""

logger = logging.getLogger(__name__)


class ChampionWatcher:
    """Follows the pointer of a store.

    Parameters
    ----------
    store
        Where bundles and pointer live.
    poll_seconds
        Time between two looks at the pointer.
    generation_barrier
        With whom to change over together; none for a service of one process.
    remembered
        What was followed before this process began.
    memory
        Bounds what the models take.

    Attributes
    ----------
    table
        The champions being served.
    store_error
        Why the pointer could not be followed at the last look, or none.
    store_state
        Whether that is because it could not be read, or because of what it says.
    looked
        Set once the first look is over, whatever came of it.
    """

    def __init__(
        self,
        store: Store,
        poll_seconds: float,
        generation_barrier: GenerationBarrier | None = None,
        remembered: Remembered | None = None,
        memory: ModelMemory | None = None,
    ) -> None:
        self.memory = memory or ModelMemory(math.inf)
        self.table = ChampionRegistry()
        self.store_error: str | None = None
        self.store_state: StoreState = "ok"
        self.looked = asyncio.Event()
        self.remembered = remembered or Remembered(None, "")
        self._store, self._poll_seconds, self._generation_barrier = store, poll_seconds, generation_barrier
        self._began = False
        self._seen: bytes | None = None
        self._followed: Pointer | None = None
        self._pointer_error: str | None = None
        self._retry_at, self._retry_pause = math.inf, poll_seconds
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Follow the pointer until cancelled; a store that does not answer is asked ever more slowly."""
        pause = self._poll_seconds
        while True:
            reachable = await self.look()
            pause = self._poll_seconds if reachable else min(LONGEST_PAUSE, pause * 2)
            until = time.monotonic() + pause
            while self._unproven() and time.monotonic() < until:
                async with self._lock:
                    await asyncio.to_thread(self._prove_next)
            await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def look(self) -> bool:
        """Look at the pointer once and serve what it says; return whether it could be read."""
        async with self._lock:
            try:
                return await asyncio.to_thread(self._look)
            except Exception as error:  # noqa: BLE001  no fault may end the following: nothing would be swapped again
                self._set_store_error("unreachable", f"{type(error).__name__}: {error}")
                return False
            finally:
                self.looked.set()

    def _unproven(self) -> list[tuple[str, Champion]]:
        """List who serves or is on trial and was not seen to reproduce its reference predictions."""
        table = self.table
        everyone = (*table.champions.items(), *table.challengers.items())
        return [(name, each) for name, each in everyone if not getattr(each.bundle, "is_sound", True)]

    def _prove_next(self) -> None:
        """Replay one bundle; one that is refused no longer serves."""
        for name, champion in self._unproven()[:1]:
            failure = _proven(champion)
            if failure is None:
                continue
            logger.error("champion %s/%s is not served: %s", name, failure.version, failure.detail)
            metrics.REFUSED_BUNDLES.labels(name).inc()
            table = self.table
            if table.champions.get(name) is champion:
                left = {key: each for key, each in table.champions.items() if key != name}
                faults = {**table.failures, name: failure}
                self.table = replace(table, champions=MappingProxyType(left), failures=MappingProxyType(faults))
            else:
                left = {key: each for key, each in table.challengers.items() if key != name}
                faults = {**table.trial_failures, name: failure}
                self.table = replace(table, challengers=MappingProxyType(left), trial_failures=MappingProxyType(faults))
            if failure.retried:
                self._retry_at = min(self._retry_at, time.monotonic() + self._retry_pause)

    def _look(self) -> bool:
        if not self._began:
            self._followed, self._seen = self.remembered.read()
            self._began, self._retry_at = True, 0.0
        try:
            content = self._store.read_pointer_bytes()
        except PointerError as error:  # it is gone
            self._serve_again()
            self._set_store_error("damaged", str(error))
            return True
        except StoreError as error:
            self._set_store_error("unreachable", str(error))
            return False
        if content == self._seen:
            self._set_store_error("damaged", self._pointer_error)
            self._serve_again()
            return True
        self._seen = content
        try:
            pointer, self._pointer_error = self._next(content), None
        except PointerError as error:
            self._pointer_error = str(error)  # remembered, not tried again: the same bytes will not become valid
            self._serve_again()
        else:
            self._followed = pointer if content is not None else None
            self._retry_pause = self._poll_seconds
            self._serve(pointer)
            if content is not None:
                self.remembered.keep(pointer, content)
        self._set_store_error("damaged", self._pointer_error)
        return True

    def _serve_again(self) -> None:
        """Serve what is followed where it was not yet, or try again what of it could not be loaded."""
        if self._followed is not None and time.monotonic() >= self._retry_at:
            self._retry_pause = min(LONGEST_PAUSE, self._retry_pause * 2)
            self._serve(self._followed)

    def _next(self, content: bytes | None) -> Pointer:
        """Read the pointer that comes after the one that is followed."""
        pointer = parse_pointer(content)
        if self._followed is not None:
            gone = f"{POINTER} is gone, and so is the record that there was one" if content is None else None
            if fault := gone or pointer.damage_after(self._followed):
                raise PointerError(
                    f"{fault}: the present champions continue to serve. How to put back an intact pointer: "
                    "docs/operations/disaster-recovery.md"
                )
        return pointer

    def _serve(self, pointer: Pointer) -> None:
        table = self._load(pointer)
        if self._generation_barrier is not None:
            self._generation_barrier.wait(table.generation)
        self.table = table
        faults = (*self.table.failures.values(), *self.table.trial_failures.values())
        again = any(failure.retried for failure in faults)
        self._retry_at = time.monotonic() + self._retry_pause if again else math.inf

    def _load(self, pointer: Pointer) -> ChampionRegistry:
        """Make the pointer's table, taking over every bundle that it leaves in place."""
        before = self.table
        wanted: dict[str, ServedVersion] = dict(sorted(pointer.endpoints.items()))
        found, failures = self._load_all(wanted, before.failures)
        for endpoint, failure in failures.items():
            if failure != before.failures.get(endpoint):
                old = before.champions.get(endpoint)
                metrics.REFUSED_BUNDLES.labels(endpoint).inc()
                logger.error(
                    "champion %s/%s is not served: %s; %s continues to serve",
                    endpoint, failure.version, failure.detail, old.manifest.version if old else "nothing",
                )  # fmt: skip
        for endpoint, champion in found.items():
            if before.champions.get(endpoint) is not champion:
                if endpoint in before.champions:
                    metrics.SWAPS.labels(endpoint).inc()
                version = champion.manifest.version
                logger.info("champion %s/%s serves from generation %d", endpoint, version, pointer.generation)
        kept = {
            endpoint: before.champions[endpoint] for endpoint in failures if endpoint in before.champions
        }  # a champion that cannot be loaded takes nobody's place
        trials = {name: now.challenger for name, now in pointer.endpoints.items() if now.challenger}
        challengers, trial_failures = self._load_all(trials, before.trial_failures)
        for endpoint, failure in trial_failures.items():
            if failure != before.trial_failures.get(endpoint):
                logger.error("challenger %s/%s is not on trial: %s", endpoint, failure.version, failure.detail)
        served = {**found, **kept}
        champions = {endpoint: served[endpoint] for endpoint in wanted if endpoint in served}
        return ChampionRegistry(
            pointer.generation,
            MappingProxyType(champions),
            MappingProxyType(dict(pointer.endpoints)),
            MappingProxyType(failures),
            MappingProxyType(challengers),
            MappingProxyType(trial_failures),
            MappingProxyType(dict(pointer.withdrawn)),
        )

    def _load_all(
        self, wanted: Mapping[str, ServedVersion], known: Mapping[str, Failure]
    ) -> tuple[dict[str, Champion], dict[str, Failure]]:
        """Return the loaded bundle, or the failure, of each endpoint's wanted version."""
        loaded = self.table.loaded
        found: dict[str, Champion] = {}
        failures: dict[str, Failure] = {}
        until = time.monotonic() + START_SECONDS if not self.table.champions else math.inf
        for endpoint, entry in wanted.items():
            champion = loaded.get((endpoint, entry.version))
            refused = known.get(endpoint)
            asked = (entry.version, entry.manifest)
            if champion is not None:
                found[endpoint] = champion
            elif refused is not None and (refused.version, refused.manifest) == asked and not refused.retried:
                failures[endpoint] = refused  # refused once, and bundles never change
            else:
                prove = time.monotonic() < until
                result = load_champion(self._store, endpoint, *asked, memory=self.memory, prove=prove)
                if isinstance(result, Failure):
                    failures[endpoint] = result
                else:
                    found[endpoint] = result
        return found, failures

    def _set_store_error(self, state: StoreState, detail: str | None) -> None:
        if detail is not None and detail != self.store_error:
            logger.error("the bundle store cannot be followed: %s", detail)
        self.store_error, self.store_state = detail, "ok" if detail is None else state


def load_champion(
    store: Store,
    endpoint: str,
    version: str,
    manifest: str | None = None,
    *,
    memory: ModelMemory,
    prove: bool = True,
) -> Champion | Failure:
    """Fetch, verify and load one bundle; any failure is a value, so that other endpoints still swap.

    Where the pointer says what the digest of its `manifest` is, it must be that. Unless it is to `prove` that it
    reproduces its reference predictions, that is seen before its first prediction.
    """
    folder = None
    try:
        folder = store.fetch_bundle(endpoint, version)
        bundle = OnDemandBundle(partial(store.fetch_bundle, endpoint, version), manifest, memory)
    except Exception as error:  # noqa: BLE001  whatever a bundle does, the others swap
        return _failure(error, folder, endpoint, version, manifest)
    named = (bundle.manifest.endpoint, bundle.manifest.version)
    if named != (endpoint, version):
        detail = f"the bundle says it is {'/'.join(named)}, the pointer says otherwise"
        return Failure(version, detail, retried=False, manifest=manifest)
    champion = Champion(bundle)
    return (_proven(champion, manifest) if prove else None) or champion


def _proven(champion: Champion, manifest: str | None = None) -> Failure | None:
    """Replay a bundle, and say what is wrong with it if anything is."""
    bundle = champion.bundle
    assert isinstance(bundle, OnDemandBundle)
    try:
        bundle.require_sound()
    except Exception as error:  # noqa: BLE001  whatever a bundle does, the others serve
        own = bundle.manifest
        return _failure(error, bundle.folder, own.endpoint, own.version, manifest or bundle.digest)
    return None


def _failure(error: Exception, folder: object, endpoint: str, version: str, manifest: str | None) -> Failure:
    """Describe what went wrong; a store out of reach is tried again, a bundle that is refused is not."""
    retried = isinstance(error, StoreError | OSError)
    return Failure(version, _without_path(error, folder, endpoint, version), retried=retried, manifest=manifest)


def _without_path(error: Exception, folder: object, endpoint: str, version: str) -> str:
    """Say what went wrong without the names of this machine's folders."""
    text = str(error) or type(error).__name__
    return text.replace(str(folder), f"{endpoint}/{version}") if folder is not None else text
