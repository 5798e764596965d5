"""How long jobs are kept, and what is deleted when."""

from __future__ import annotations

import time

from serving.job_settings import JobSettings
from serving.jobs.database import Job, JobTable
from serving.jobs.folder import JobFolder

RECEIVING_SECONDS = 3600.0
"""An upload that is not read after this time was cut off by the end of its worker."""
TOMBSTONE_DAYS = 30
"""How long a removed job is still known to have been there."""
DAY = 86_400.0


def remove(settings: JobSettings, table: JobTable, job: Job, *, tombstone: bool = True) -> None:
    """Delete the files of a job that is over, and record that they are gone."""
    JobFolder(settings.folder, job.id).remove()
    if tombstone:
        table.remove(job.id)


def tidy(settings: JobSettings, table: JobTable, now: float | None = None) -> None:
    """Delete what is too old or takes too much space, and what a killed worker left behind."""
    if not table.exists():
        return
    now = time.time() if now is None else now
    kept = []
    for job in table.stored():
        if (job.finished or job.created) < now - settings.keep_days * DAY:
            remove(settings, table, job)
        else:
            kept.append(job)
    excess = table.stored_bytes() - settings.max_stored_bytes
    for job in kept:  # the one that finished first goes first
        if excess <= 0:
            break
        excess -= job.bytes
        remove(settings, table, job)
    table.sweep(now - RECEIVING_SECONDS, now - TOMBSTONE_DAYS * DAY)
    known = table.ids()
    for path in settings.folder.iterdir():
        if path.is_dir() and path.name not in known and path.stat().st_mtime < now - RECEIVING_SECONDS:
            JobFolder(settings.folder, path.name).remove()
