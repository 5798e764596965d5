"""What batch jobs can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobSettings:
    """Everything jobs can be told.

    Attributes
    ----------
    folder
        Where the table of jobs, uploads and results lie; made when the first job comes.
    max_upload_bytes, max_unpacked_bytes
        Largest upload as it is sent, and after unpacking.
    max_rows
        Most molecules in one job.
    max_waiting
        Most jobs that are not finished; one more is refused until one is.
    keep_days
        How long a finished job and its result are kept.
    max_stored_bytes
        Most space for jobs; past it the results that finished first go first.
    chunk_rows
        Most rows predicted between two records of progress, which is what a crash repeats at most; a small job has
        fewer.
    lease_seconds
        How long a worker that no longer gives a sign keeps its job.
    """

    folder: Path = Path(".aidrug/service/jobs")
    max_upload_bytes: int = 256_000_000
    max_unpacked_bytes: int = 2_000_000_000
    max_rows: int = 1_000_000
    max_waiting: int = 100
    keep_days: int = 7
    max_stored_bytes: int = 20_000_000_000
    chunk_rows: int = 500
    lease_seconds: float = 10.0
