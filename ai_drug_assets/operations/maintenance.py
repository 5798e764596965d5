"""Upkeep of the records that Dagster never deletes by itself, and repair after a crash."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from model_zoo.features import cache
from model_zoo.monitoring.prediction_log import PredictionLog

from ai_drug_assets import keys, processes
from ai_drug_assets.operations.backup import ASIDE, MOVED_AT
from ai_drug_assets.planning.catalog import Catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.scratch import SCRATCH_DAYS, clear_scratch
from ai_drug_assets.planning.selection import MADE
from ai_drug_assets.settings import LOOPBACK, Settings
from ai_drug_assets.storage import sqlite

RETENTION_DAYS = 30
FILE_RETENTION_DAYS = 14
RECORD_DAYS = 180
START_S, ANSWER_S = 30.0, 5
"""How long a run may be about to begin before its code server is asked about it, and how long that may take."""
FEATURE_RETENTION_DAYS = 60
FEATURE_LIMIT_BYTES = 4_000_000_000
PLACES = (*MADE, "leaderboard", "champion_model")
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def prune_runs(instance: dg.DagsterInstance, *, keep: str = "", days: int = RETENTION_DAYS) -> int:
    """Delete finished runs, with their event logs, older than a number of days; give how many.

    Runs that hold the latest materialisation of an asset stay: Dagster reads staleness from them.
    """
    old = dg.RunsFilter(
        updated_before=datetime.now(UTC) - timedelta(days=days),
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
    )
    needed = {keep}
    for record in instance.get_asset_records():
        needed.add(record.asset_entry.last_run_id or "")
        latest = record.asset_entry.last_materialization_record
        needed.add(latest.run_id if latest else "")
    doomed = [run.run_id for run in instance.get_runs(filters=old) if run.run_id not in needed]
    for run_id in doomed:
        instance.delete_run(run_id)
        with suppress(OSError):
            instance.compute_log_manager.delete_logs(prefix=[run_id])  # what its steps printed: Dagster leaves it
    return len(doomed)


def prune_record(home: Path, days: int = RECORD_DAYS) -> int:
    """Delete recorded predictions older than a number of days, but for those of measured molecules; give how many."""
    with closing(PredictionLog(home / "service")) as record:
        return record.prune(time.time() - days * 86400)


def prune_ticks(instance: dg.DagsterInstance, days: int = RETENTION_DAYS) -> int:
    """Delete ticks of every sensor and schedule older than a number of days; give for how many of them."""
    states = instance.all_instigator_state()
    before = time.time() - days * 86400
    for state in states:
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before, list(TickStatus))
    return len(states)


def prune_files(catalog: Catalog, ledger: Ledger, days: int = FILE_RETENTION_DAYS) -> int:
    """Delete asset folders that no ledger entry and no present signature names; give how many.

    What killed processes left in the scratch folder goes too.
    """
    home = catalog.settings.home
    if catalog.configs.faults:
        return clear_scratch(home)  # an endpoint whose file is at fault is not in the catalog, and needs its files
    needed = set()
    for node in catalog.nodes.values():
        made = ledger.read(node.key).made
        needed |= {node.signature[:16], *((made.signature[:16],) if made else ())}
    before = time.time() - days * 86400
    doomed = [
        folder
        for place in PLACES
        for folder in _leaves(home / place)
        if folder.name not in needed and folder.stat().st_mtime < before
    ]
    for folder in doomed:
        shutil.rmtree(folder)
    return len(doomed) + clear_scratch(home, min(days, SCRATCH_DAYS))


def prune_replaced(home: Path, days: int = RETENTION_DAYS) -> int:
    """Delete what restores moved aside more than a number of days ago; give how many restores."""
    before = time.time() - days * 86400
    doomed = [folder for folder in (home / ASIDE).glob("*/") if _moved_at(folder) < before]
    for folder in doomed:
        shutil.rmtree(folder)
    return len(doomed)


def _moved_at(folder: Path) -> float:
    """Read when a restore moved files into a folder; its name says so, the files are as old as they were."""
    try:
        return datetime.strptime(folder.name, MOVED_AT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return folder.stat().st_mtime


def prune_features(settings: Settings) -> int:
    """Delete features on disk that nobody read for a while, or that exceed their share of it; give how many files."""
    return cache.prune(settings.feature_folder, days=FEATURE_RETENTION_DAYS, limit_bytes=FEATURE_LIMIT_BYTES)


def compact_databases(instance: dg.DagsterInstance, settings: Settings, *, keep: str = "") -> int:
    """Return the free pages of all databases back to the disk; give how many bytes. Only while nobody else works."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED))
    if any(run.run_id != keep for run in runs) or processes.is_held(settings.home / "locks" / "run"):
        return 0
    mlflow = settings.mlflow_database or settings.home / "mlflow" / "mlflow.db"
    found = [*sorted((settings.home / "dagster").rglob("*.db")), *([mlflow] if mlflow.is_file() else [])]
    return sum(sqlite.compact(path) for path in found if sqlite.is_database(path))


def unfinished_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that are queued, starting, at work or being cancelled."""
    return list(instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED, *_UNFINISHED])))


def close_abandoned_runs(instance: dg.DagsterInstance) -> int:
    """End runs whose process is gone (killed, out of memory, power cut); give how many.

    Dagster's default launcher has no health check: such a run would stay STARTED, keep its pool slot, and block the
    next training for ever. Only runs that name a process of this machine are judged, so call this where runs are
    launched by this machine alone. A launcher that can be asked (ECS) is asked by Dagster's own run monitoring.
    """
    closed = 0
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        if (gone := _gone(instance, run)) is None:
            continue
        instance.report_run_failed(run, f"The process {gone} of this run is gone; the run was ended.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        closed += 1
    return closed


def close_runs_of(instance: dg.DagsterInstance, process: str) -> None:
    """End the runs that a process of `aidrug run` began and gives up."""
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED, tags={keys.RUN_TAG_PROCESS: process})):
        instance.report_run_canceled(run, "Stopped by Ctrl-C.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _leaves(place: Path) -> Iterator[Path]:
    """Folders that hold files: the assets' own, named by signature."""
    if place.is_dir():
        yield from {file.parent for file in place.glob("**/*") if file.is_file() and len(file.parent.name) == 16}


def _gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the process of a run if it is known and gone.

    `aidrug run` names its process when it makes a run; other runs say where they execute once they do.
    """
    if (process := run.tags.get(keys.RUN_TAG_PROCESS)) is not None:
        return None if processes.alive(process) else process
    if instance.run_launcher.supports_check_run_worker_health:
        return None
    if _code_server_host(run) not in (None, "localhost", LOOPBACK, socket.gethostname()):
        return None  # another container's: its process numbers mean nothing here
    record, pid = instance.get_run_record_by_id(run.run_id), _pid(instance, run.run_id)
    if pid is None and _was_forgotten(instance, run):
        return "that was to start it"
    if record is None or pid is None or _alive(pid, record.start_time or time.time()):
        return None
    return str(pid)


def _code_server_host(run: dg.DagsterRun) -> str | None:
    """Read under which name the code server was asked to execute a run; none when it needed no network."""
    host: str | None = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
    return host


def _was_forgotten(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return whether a run that never began is unknown to the code server that was asked to execute it.

    One that was killed as it started the run's process: the run would be STARTING for five minutes more, and Dagster
    refuses to cancel it meanwhile.
    """
    asked = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    launched = instance.get_run_stats(run.run_id).launch_time
    if not asked or launched is None or 0 <= time.time() - launched < START_S:
        return False
    server = DagsterGrpcClient(host=asked.get("host"), port=asked.get("port"), socket=asked.get("socket"))
    try:
        answer = server.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=ANSWER_S)
    except DagsterUserCodeUnreachableError:
        return False  # it is being started again
    return not deserialize_value(answer, CanCancelExecutionResult).can_cancel


def _pid(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Read the process that a run said it executes in, from its first engine event."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return int(str(pid.value))
    return None


def _alive(pid: int, started: float) -> bool:
    """Return whether the process lives; one created after the run started only reuses its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= started + 60
    except psutil.NoSuchProcess:
        return False
