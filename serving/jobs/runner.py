"""Runs jobs, chunk by chunk, for as long as the service lives.

A job is answered by one table of champions, fixed when its first chunk begins, however often champions change
meanwhile. The versions are on record: after a restart they are loaded from the bundle store again. If one of them is
no longer available, the job fails and says so, because rows of two versions in one result would be worse.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from model_zoo.chemistry.standardisation.cxsmiles import bare
from model_zoo.data.pasted.notation import recognise_row
from model_zoo.data.tables.row import Row
from model_zoo.inference.answers import Answer, Fault
from serving.champions.champion_registry import Champion, Failure
from serving.champions.champion_watcher import load_champion
from serving.champions.withdrawal import withdrawal
from serving.http.schemas import MoleculeError, MoleculePrediction
from serving.inference.annotations import Annotation
from serving.inference.engine import Engine
from serving.inference.response_builder import build_entry
from serving.job_settings import JobSettings
from serving.jobs.database import MAX_ATTEMPTS, Job, JobTable, Pin, Plan
from serving.jobs.folder import JobFolder
from serving.jobs.retention import remove, tidy

TURN_SECONDS = 5.0
LOOK_SECONDS = 0.5
PART = 32
"""Molecules whose annotations are gathered in one go: the thread that does it belongs to requests as well."""
TIDY_SECONDS = 60.0
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
logger = logging.getLogger(__name__)


class JobFailedError(Exception):
    """A job cannot continue: a stable code and a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Runner:
    """One worker's hand at the jobs."""

    def __init__(self, engine: Engine, settings: JobSettings, table: JobTable) -> None:
        self._engine, self._settings, self._table = engine, settings, table
        self._owner = uuid.uuid4().hex
        self._pinned: dict[str, Mapping[str, Champion]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work at once: a job has come."""
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run jobs for as long as the context lasts; a chunk under way at its end is repeated by the next worker."""
        tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._tidy())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            worked = False
            try:
                job = await asyncio.to_thread(self._table.claim, self._owner)
                if job is not None:
                    worked = await self._turn(job)
            except Exception as error:  # noqa: BLE001  no fault of one job may end the running of all
                _log(error, "the table of jobs cannot be used")
            if not worked:
                self._wake.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    async def _turn(self, job: Job) -> bool:
        """Run a job's turn; return whether it advanced."""
        folder = JobFolder(self._settings.folder, job.id)
        pause, attempted = 0.0, False
        try:
            champions = await self._champions(job)
            if champions is None:
                pause = LOOK_SECONDS
                return False
            await self._chunks(job, folder, champions)
        except JobFailedError as error:
            await self._fail(job, folder, error)
        except (OSError, sqlite3.OperationalError) as error:
            if is_full(error):
                failed = JobFailedError(
                    "disk-full", "there is no space left for the result; make room, then submit again"
                )
                await self._fail(job, folder, failed)
            else:
                attempted, pause = True, await self._failed_attempt(job, folder, error)
        except Exception as error:  # noqa: BLE001  tried again, and then the job says what it was
            attempted, pause = True, await self._failed_attempt(job, folder, error)
        finally:
            # Shielded: when the service ends in the middle, the next worker need not wait for the lease to run out.
            await asyncio.shield(
                asyncio.to_thread(self._table.release, job.id, self._owner, pause, attempted=attempted)
            )
            await asyncio.shield(asyncio.to_thread(self._settle, job.id))
        return not attempted

    async def _failed_attempt(self, job: Job, folder: JobFolder, error: Exception) -> float:
        """Note an attempt that failed; give the pause before the next one."""
        _log(error, f"job {job.id} failed at an attempt")
        if job.attempts >= MAX_ATTEMPTS:
            await self._fail(
                job, folder, JobFailedError("internal", "the service failed at this job; its log says why")
            )
        return float(2**job.attempts)

    async def _champions(self, job: Job) -> Mapping[str, Champion] | None:
        """Return the champions that answer a job; none while the first one is still to come."""
        if job.attempts > MAX_ATTEMPTS:
            last = min(job.total, job.done + job.plan.chunk_rows)
            raise JobFailedError(
                "interrupted",
                f"the service ended {MAX_ATTEMPTS} times at the rows {job.done + 1} to {last}: one may be the cause",
            )
        if job.id in self._pinned:
            return self._pinned[job.id]
        if job.champions:
            champions = {}
            for endpoint, pin in job.champions.items():
                champions[endpoint] = await self._load(job, endpoint, pin.version)
        else:
            table = self._engine.champion_registry
            names = job.plan.endpoints or tuple(table.champions)
            if reason := withdrawal(table, *names):
                raise JobFailedError("withdrawn", reason)
            if not names or any(name not in table.champions for name in names):
                return None
            champions = {name: table.champions[name] for name in names}
            manifests = {name: champion.manifest for name, champion in champions.items()}
            pins = {
                name: Pin(manifest.version, manifest.target.task, manifest.display is not None)
                for name, manifest in manifests.items()
            }
            if not await asyncio.to_thread(self._table.start, job.id, self._owner, pins):
                return None
        self._pinned[job.id] = champions
        return champions

    async def _load(self, job: Job, endpoint: str, version: str) -> Champion:
        """Return one version: that of the present table when it is the same, else from the store."""
        serving = self._engine.champion_registry.champions.get(endpoint)
        if serving is not None and serving.manifest.version == version:
            return serving
        digest = self._engine.champion_registry.manifest_digest(endpoint, version)
        memory = self._engine.champion_watcher.memory
        loaded = await asyncio.to_thread(load_champion, self._engine.store, endpoint, version, digest, memory=memory)
        if not isinstance(loaded, Failure):
            return loaded
        if loaded.retried and job.attempts < MAX_ATTEMPTS:
            raise OSError(loaded.detail)
        raise JobFailedError(
            "champion-gone",
            f"the job began with {endpoint}/{version}, which can no longer be loaded: {loaded.detail}. "
            "Submit it again to use the present champions",
        )

    async def _chunks(self, job: Job, folder: JobFolder, champions: Mapping[str, Champion]) -> None:
        """Predict chunk after chunk until the job is done, its turn is over, or it is no longer ours."""
        until = time.monotonic() + TURN_SECONDS
        done, saving = job.done, None
        try:
            while done < job.total and time.monotonic() < until:
                chunk = done // job.plan.chunk_rows
                rows = await asyncio.to_thread(folder.read_rows, chunk)
                task = asyncio.create_task(self._predict(job.plan, rows, done, champions))
                if not await self._kept(job.id, task) or (saving is not None and not await saving):
                    return
                done += len(rows)
                # Beside the next chunk's predictions: what the disk takes to confirm is as long as a third of these.
                saving = asyncio.create_task(self._save(job.id, folder, chunk, task.result(), done))
                if job.attempts > 1:  # one of the next rows may end the service: then the blame must not fall on these
                    await asyncio.wait({saving})
            if saving is None or await saving:
                saving = None
                if done >= job.total:
                    await asyncio.to_thread(self._table.finish, job.id, self._owner, "done")
        finally:
            if saving is not None:
                await asyncio.gather(saving, return_exceptions=True)

    async def _save(
        self, job: str, folder: JobFolder, chunk: int, entries: list[MoleculePrediction], done: int
    ) -> bool:
        """Write the results of a chunk and put them on record; return whether the job is still ours."""
        failed = sum(isinstance(item.error, MoleculeError) for item in entries)
        size = await asyncio.to_thread(folder.write_results, chunk, entries)
        return await asyncio.to_thread(self._table.advance, job, self._owner, done, failed, size)

    async def _kept(self, job: str, task: asyncio.Task[list[MoleculePrediction]]) -> bool:
        """Wait for a chunk and keep showing signs of life; return whether the job is still ours at the end."""
        pause = min(1.0, self._settings.lease_seconds / 3)
        try:
            while not (await asyncio.wait({task}, timeout=pause))[0]:
                if not await asyncio.to_thread(self._table.renew, job, self._owner):
                    return False
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return True

    async def _predict(
        self, plan: Plan, rows: list[Row], first: int, champions: Mapping[str, Champion]
    ) -> list[MoleculePrediction]:
        """Predict a chunk: one entry per row, in order."""
        structures = await self._engine.work(_structures, rows)
        readable = [text for text in structures if isinstance(text, str)]
        answers = await self._engine.predict(champions, readable, background=True, remember=False)
        annotations: list[Annotation] = []
        for start in range(0, len(answers), PART):
            annotations += await self._engine.annotations(
                champions, answers[start : start + PART], plan.include, background=True
            )
        found = iter(zip(answers, annotations, strict=True))
        return [
            build_entry(first + index, "", text, champions)
            if isinstance(text, Fault)
            else _entry(first + index, text, champions, *next(found))
            for index, text in enumerate(structures)
        ]

    async def _fail(self, job: Job, folder: JobFolder, error: JobFailedError) -> None:
        """End a job that cannot continue. On a full disk, first delete what was predicted, to be able to record it."""
        logger.error("job %s failed after %d of %d rows: %s", job.id, job.done, job.total, error.code)
        if error.code == "disk-full":
            await asyncio.to_thread(folder.remove_results)
        await asyncio.to_thread(self._table.finish, job.id, self._owner, "failed", error.code, error.detail)

    def _settle(self, job: str) -> None:
        """Let go of what a job that is over needed no longer."""
        now = self._table.get(job)
        if now is None or now.over:
            self._pinned.pop(job, None)
        if now is not None and now.status == "cancelled":
            remove(self._settings, self._table, now, tombstone=False)

    async def _tidy(self) -> None:
        while True:
            try:
                await asyncio.to_thread(tidy, self._settings, self._table)
            except Exception as error:  # noqa: BLE001  tried again in a minute
                _log(error, "old jobs cannot be removed")
            await asyncio.sleep(TIDY_SECONDS)


def _entry(
    index: int, text: str, champions: Mapping[str, Champion], answer: Answer, annotation: Annotation
) -> MoleculePrediction:
    return build_entry(index, text, answer, champions, annotation)


def _structures(rows: list[Row]) -> list[str | Fault]:
    """Return each row's SMILES, or why it has none."""
    return [_structure(row) for row in rows]


def _structure(row: Row) -> str | Fault:
    if row.fault is not None:
        return Fault(*row.fault)
    if "\n" not in row.structure.strip() and bare(row.structure)[:6].lower() != "inchi=":
        return row.structure
    read = recognise_row(row)
    return read.smiles or Fault(read.code, read.detail)


def is_full(error: Exception) -> bool:
    """Return whether a fault means that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return "full" in str(error)


def is_unwritable(error: Exception) -> bool:
    """Return whether a fault means that the disk takes no writes at all."""
    if isinstance(error, OSError):
        return error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
    return "readonly" in str(error) or "unable to open" in str(error)


def _log(error: Exception, what: str) -> None:
    """Log what happened and where; the message of an exception may hold a structure."""
    logger.error("%s: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)[-4:]))
