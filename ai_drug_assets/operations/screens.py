"""Screens: whole libraries predicted on Ray, shard by shard, continuing where an interrupted one stopped.

Ray runs on this machine unless `AIDRUG_RAY_ADDRESS` names a cluster; the code is the same. Its workers need this
package, and a bundle store, library and result folder that they reach: on a cluster, S3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from model_zoo.bundles.pointer import parse_pointer
from model_zoo.bundles.reader import Bundle, load_bundle
from model_zoo.config.screen import Screen
from model_zoo.errors import AidrugError, ConfigError, DataError
from model_zoo.inference.screening import Shard, find_shards, predict_shard, require_columns
from model_zoo.io.digests import json_digest
from model_zoo.uncertainty.shared_domain import DomainIndexes
from serving.machine import processors
from serving.storage.objects import Objects, open_objects
from serving.storage.stores import open_store

from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.bundles import open_bundle_store

SUMMARY = "_screen.json"  # readers of Parquet folders pass over names that begin so
_domains = DomainIndexes()


@dataclass(frozen=True)
class Task:
    """What a worker needs to know; everything else is where this says."""

    screen: Screen
    store: str
    cache: str
    versions: tuple[tuple[str, str, str | None], ...]
    """Endpoint, version, and the digest of its manifest as the pointer says it."""
    out: str


@dataclass(frozen=True)
class ScreenReport:
    """What a run of a screen did."""

    out: str
    """Where the result is: one Parquet file per shard, and `_screen.json`."""
    versions: Mapping[str, str]
    rows: int
    shards: int
    """`rows` and `shards`: how many the library has."""
    made: int
    """Shards predicted by this run; the others were there."""
    failed: Mapping[int, str]
    """Why shards could not be predicted, by their number; run the screen again for them."""


def run_screen(
    settings: Settings, screen: Screen, say: Callable[[str], None], workers: int | None = None
) -> ScreenReport:
    """Predict what is left of a screen.

    Parameters
    ----------
    settings
        Where store and results are.
    screen
        The library. Its result folder is named by a digest of library and champions: with a new champion a new result
        begins, and the old one stays as it is.
    say
        Called with each line about the progress.
    workers
        Processes on this machine, one per core when omitted; a cluster has its own number.

    Raises
    ------
    ConfigError, DataError
        When Ray is not installed, an endpoint has no champion, or the library cannot be read.
    """
    pointer = parse_pointer(open_bundle_store(settings).read_pointer_bytes())
    versions = {name: now.version for name, now in pointer.endpoints.items()}
    manifests = {name: now.manifest for name, now in pointer.endpoints.items()}
    if missing := [name for name in screen.endpoints if name not in versions]:
        raise ConfigError(f"screen {screen.name!r}: {missing[0]!r} has no champion; these have: {', '.join(versions)}")
    if not versions:
        raise DataError(f"screen {screen.name!r}: no endpoint has a champion yet, run `aidrug run` first")
    versions = {name: versions[name] for name in screen.endpoints or sorted(versions)}
    require_columns(screen, versions)
    shards, identity = find_shards(screen)
    base = _absolute(screen.out or str(settings.folder("screens") / screen.name))
    if f"{base}/".startswith(f"{_absolute(screen.library)}/"):
        raise ConfigError(
            f"screen {screen.name!r}: expected `out` outside of `library`, got {base} in {screen.library}: results "
            "would be read as molecules the next time"
        )
    out = f"{base}/{json_digest({**identity, 'versions': versions})[:12]}"
    result = _result(out)
    done = {int(name[5:-8]) for name in result.names("part-") if name.endswith(".parquet")}
    left = [number for number in range(len(shards)) if number not in done]
    rows = sum(shard.rows for shard in shards)
    say(f"{screen.name}: {rows} rows in {len(shards)} shards, {len(left)} left; results in {out}")
    named = tuple((name, version, manifests[name]) for name, version in versions.items())
    task = Task(screen, settings.store, str(settings.folder("bundle_cache")), named, out)
    failed: Mapping[int, str] = {}
    if left:
        with ray_cluster(workers, settings.ray_address) as ray:
            failed = _work(ray, task, shards, left, say)
    report = ScreenReport(out, versions, rows, len(shards), len(left) - len(failed), failed)
    summary = {
        "screen": screen.model_dump(mode="json"),
        "versions": versions,
        "rows": rows,
        "shards": len(shards),
        "complete": not failed,
    }
    result.write(SUMMARY, json.dumps(summary, indent=1).encode())
    return report


def _absolute(place: str) -> str:
    """Return a place as workers, who have their own working directory, find it; without a slash at its end."""
    return place.rstrip("/") if "://" in place else str(Path(place).resolve())


def screen_shard(task: Task, number: int, shard: Shard) -> int:
    """Predict one shard and write its result, whole or not at all; give its rows. Runs on a worker."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    bundles = {each[0]: _bundle(task.store, task.cache, *each) for each in task.versions}
    table = predict_shard(task.screen, shard, bundles)
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    _result(task.out).write(f"part-{number:07d}.parquet", buffer.getvalue().to_pybytes())
    return len(table)


@lru_cache(maxsize=1024)  # every endpoint's: read again for each shard they would cost more than the shard
def _bundle(store: str, cache: str, endpoint: str, version: str, manifest: str | None) -> Bundle:
    folder = open_store(store, Path(cache)).fetch_bundle(endpoint, version)
    bundle = load_bundle(folder, manifest, explained=False)
    return replace(bundle, domain=_domains.shared(bundle.domain, bundle.manifest.files["domain.npy"]))


def _work(ray: Any, task: Task, shards: list[Shard], left: list[int], say: Callable[[str], None]) -> dict[int, str]:
    """Hand shards to Ray, never many more than it has workers, so that memory stays flat however long the library."""
    failed: dict[int, str] = {}
    remote = ray.remote(num_cpus=1, max_retries=2)(screen_shard)
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: dict[Any, int] = {}
    rows, queue = 0, iter(left)
    reported = finished = 0
    while True:
        while len(waiting) < most and (number := next(queue, None)) is not None:
            waiting[remote.remote(task, number, shards[number])] = number
        if not waiting:
            return failed
        ready, _ = ray.wait(list(waiting), num_returns=1)
        for reference in ready:
            number = waiting.pop(reference)
            finished += 1
            try:
                rows += ray.get(reference)
            except Exception as error:  # noqa: BLE001  one shard must not cost the others
                failed[number] = _reason(error)
                say(f"shard {number} FAILED: {failed[number]}")
        if (percent := 100 * finished // len(left)) >= reported + 5 or finished == len(left):
            reported = percent
            say(f"{task.screen.name}: {finished} of {len(left)} shards, {rows} rows")


@contextmanager
def ray_cluster(workers: int | None, address: str | None = None) -> Iterator[ModuleType]:
    """Connect to the cluster at an address, or start one on this machine, and leave it in the end.

    Raises
    ------
    ConfigError
        When Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")  # 30 are too few on a busy machine
    try:
        import ray
    except ImportError as error:
        raise ConfigError("a screen runs on Ray, which is not installed: install the extra `screening`") from error
    if ray.is_initialized():  # by the caller, who ends it
        yield ray
        return
    if address:
        ray.init(address=address, log_to_driver=False)
    else:
        ray.init(address="local", num_cpus=workers or processors(), include_dashboard=False, log_to_driver=False)
    try:
        yield ray
    finally:
        ray.shutdown()


def _result(out: str) -> Objects:
    return open_objects(out, "`out` of a screen")


def _reason(error: Exception) -> str:
    """Say why a shard failed, without the SMILES that a library's message may hold."""
    cause = getattr(error, "cause", None) or error
    return str(cause) if isinstance(cause, AidrugError) else type(cause).__name__
