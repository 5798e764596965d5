"""Jobs as the handlers see them: submit, look up, cancel, read.

Belongs here: what happens from a request to the table and the files, and back.
Does not belong here: HTTP details (see `api.py`), running jobs (see `runner.py`).
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal, cast

from serving.auth.guard import caller_of, holder_of
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.inference.requests import chosen, require_offered
from serving.job_settings import JobSettings
from serving.jobs.database import Job, JobTable
from serving.jobs.folder import JobFolder
from serving.jobs.intake import Received, receive, unpack
from serving.jobs.parquet import MEDIA_TYPE as PARQUET
from serving.jobs.parquet import require_pyarrow, write_parquet
from serving.jobs.retention import DAY, remove
from serving.jobs.runner import Runner, is_full, is_unwritable
from serving.jobs.schemas import JobError, JobInfo, JobLinks
from serving.jobs.shares import Share, Shares
from serving.jobs.writing import WRITERS, Writer, chunks_of, columns_of

MIN_FREE_BYTES = 200_000_000
"""Space that uploads leave free on the disk: the rest of the service needs some too."""
READERS = 2
"""Uploads cut into chunks at a time: each keeps a core busy."""


class Jobs:
    """All that the handlers of jobs need.

    Attributes
    ----------
    stopping
        Set by the code that stops the service, before it waits for the requests under way.
    """

    def __init__(self, engine: Engine, settings: JobSettings) -> None:
        self.settings = settings
        self.stopping = asyncio.Event()
        self.table = JobTable(settings.folder / "jobs.sqlite", settings.lease_seconds)
        self.shares = Shares(settings.folder / "shares.sqlite")
        self._engine = engine
        self._runner = Runner(engine, settings, self.table)
        self._reading = asyncio.Semaphore(READERS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run jobs for as long as the context lasts."""
        async with self._runner.running():
            yield

    async def submit(self, request: HttpRequest, key: str | None, holder: str = "") -> Job:
        """Take a request's molecules into the queue; the same request with the same key again is the same job.

        Raises
        ------
        ProblemError
            When the request or its file is at fault, or there is no room.
        """
        job = uuid.uuid4().hex
        folder = JobFolder(self.settings.folder, job)
        kept = False
        try:
            await asyncio.to_thread(self._require_room)
            await asyncio.to_thread(folder.make)
            received = await receive(request, folder.upload, self.settings, self._engine.settings.max_body_bytes)
            self._require_offered(received)
            known = await asyncio.to_thread(self.table.reserve, job, holder, key, received.digest)
            if known is not None:
                return _replayed(known, received)
            try:
                async with self._reading:
                    plan, total, size = await asyncio.to_thread(unpack, received, folder, self.settings)
                await asyncio.to_thread(self.table.enqueue, job, plan, total, size)
                kept = True
            finally:
                if not kept:
                    await asyncio.to_thread(self.table.forget, job)
        except (OSError, sqlite3.OperationalError) as error:
            if is_unwritable(error):
                raise ProblemError(
                    "disk-unwritable", "the disk for jobs cannot be written; the service's log says why"
                ) from error
            if not is_full(error):
                raise
            raise ProblemError(
                "disk-full", "there is no space left for the upload; make room, then send it again"
            ) from error
        finally:
            if not kept:
                await asyncio.to_thread(folder.remove)
        self._runner.wake()
        return await self.find(job)

    async def find(self, job: str, holder: str | None = None) -> Job:
        """Return a job.

        Raises
        ------
        ProblemError
            `unknown-job`, or `job-gone` when it was removed.
        """
        found = await asyncio.to_thread(self.table.get, job)
        if found is None or (holder is not None and found.holder != holder):
            raise ProblemError("unknown-job", "there is no such job, or it was removed long ago")
        if found.removed is not None:
            raise ProblemError("job-gone", f"the job and its result were removed on {as_time(found.removed)}")
        return found

    async def find_shared(self, token: str) -> tuple[Job, Share]:
        """Return the job that a link shows to any caller, and the link.

        Raises
        ------
        ProblemError
            `unknown-job`, or `job-gone` when it was removed.
        """
        share = await asyncio.to_thread(self.shares.find, token)
        if share is None:
            detail = "this link opens nothing: it was taken back, its time is over, or a part of it is missing"
            raise ProblemError("unknown-job", detail)
        return await self.find(share.job), share

    async def cancel(self, job: Job) -> None:
        """End a job and delete its files; one that is finished is removed. Links to it end too."""
        await asyncio.to_thread(self.shares.revoke, job.id)
        if await asyncio.to_thread(self.table.cancel, job.id):
            await asyncio.to_thread(remove, self.settings, self.table, job, tombstone=False)
        else:
            await asyncio.to_thread(remove, self.settings, self.table, job)

    def result(self, job: Job, form: str, start: int | None, rows: int | None) -> tuple[str, Iterator[bytes]]:
        """Return a result's media type and its pieces; with `start` or `rows` only those rows, as far as they are done.

        Raises
        ------
        ProblemError
            `job-gone` for a cancelled job, `job-not-done` when rows are missing.
        """
        if job.status == "cancelled":
            raise ProblemError("job-gone", "the job was cancelled, and what was predicted was deleted")
        part = start is not None or rows is not None
        if job.status != "done" and not part:
            why = f"failed: {job.error_detail}" if job.status == "failed" else f"is {job.status}"
            raise ProblemError(
                "job-not-done",
                f"the job {why} ({job.done} of {job.total} rows are done); ask for them with start and rows",
                None if job.over else {"Retry-After": "5"},
            )
        first = start or 0
        last = job.done if rows is None else min(job.done, first + rows)
        media_type, writer = _writer(form)
        return media_type, writer(columns_of(job), chunks_of(job, JobFolder(self.settings.folder, job.id), first, last))

    def info(self, job: Job) -> JobInfo:
        """Describe a job to callers."""
        path = f"/v1/jobs/{job.id}"
        expires = job.finished + self.settings.keep_days * DAY if job.finished is not None else None
        return JobInfo(
            id=job.id,
            status=cast("Literal['queued', 'running', 'done', 'failed', 'cancelled']", job.status),
            done=job.done,
            total=job.total,
            failed=job.failed,
            created=as_time(job.created),
            started=None if job.started is None else as_time(job.started),
            finished=None if job.finished is None else as_time(job.finished),
            expires=None if expires is None else as_time(expires),
            champions={name: pin.version for name, pin in job.champions.items()},
            include=list(job.plan.include),
            name=job.plan.name,
            format=job.plan.format,
            encoding=job.plan.encoding,
            columns=list(job.plan.columns),
            smiles_column=job.plan.smiles_column,
            error=JobError(job.error_code, job.error_detail or "") if job.error_code else None,
            links=JobLinks(path, f"{path}/events", f"{path}/result"),
        )

    def _require_room(self) -> None:
        if self.table.waiting() >= self.settings.max_waiting:
            detail = f"{self.settings.max_waiting} jobs are not finished yet: wait for one, or cancel one"
            raise ProblemError("too-many-jobs", detail, {"Retry-After": "30"})
        self.settings.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.settings.folder).free < MIN_FREE_BYTES:
            raise ProblemError("disk-full", "there is no space left for jobs: make room, or remove jobs")

    def _require_offered(self, received: Received) -> None:
        if received.endpoints is not None and not received.endpoints:
            raise ProblemError("invalid-request", "endpoints: expected at least one name, or the field left out")
        require_offered(received.include, neighbours=self._engine.settings.show_neighbours)
        names = list(received.endpoints) if received.endpoints is not None else None
        chosen(self._engine.champion_registry, names, self._engine.training_progress.progress)


def seen_by(request: HttpRequest) -> str | None:
    """Return whose jobs a caller sees: their own; with a key for administration all, which is none here."""
    caller = caller_of(request.scope)
    return None if caller is not None and "admin" in caller.scopes else holder_of(request.scope)


def as_time(seconds: float) -> str:
    """Write a time as ISO 8601.

    Examples
    --------
    >>> as_time(0.25)
    '1970-01-01T00:00:00.250+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _replayed(known: Job, received: Received) -> Job:
    """Return the job that a key already names, when the request is the same."""
    if known.digest != received.digest:
        raise ProblemError(
            "idempotency-mismatch", "this Idempotency-Key came before, with another request: use a new one"
        )
    if known.status == "receiving":
        detail = "the first request with this Idempotency-Key is still being read"
        raise ProblemError("idempotency-in-use", detail, {"Retry-After": "2"})
    if known.removed is not None:
        raise ProblemError("job-gone", f"the job of this Idempotency-Key was removed on {as_time(known.removed)}")
    return known


def _writer(form: str) -> tuple[str, Writer]:
    if form == "parquet":
        require_pyarrow()
        return PARQUET, write_parquet
    return WRITERS[form]
