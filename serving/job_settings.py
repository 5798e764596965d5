"""The settings of batch jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobSettings:
    """All settings of jobs."""

    folder: Path = Path(".aidrug/service/jobs")
    """Where the table of jobs, uploads and results lie; made when the first job comes."""
    max_upload_bytes: int = 256_000_000
    max_unpacked_bytes: int = 2_000_000_000
    """`max_upload_bytes` and `max_unpacked_bytes`: largest upload as it is sent, and after unpacking."""
    max_rows: int = 1_000_000
    """Most molecules in one job."""
    max_waiting: int = 100
    """Most jobs that are not finished; one more is refused until one is."""
    keep_days: int = 7
    """How long a finished job and its result are kept."""
    max_stored_bytes: int = 20_000_000_000
    """Most space for jobs; past it the results that finished first go first."""
    chunk_rows: int = 500
    """Most rows predicted between two records of progress, which is what a crash repeats at most; a small job has
    fewer."""
    lease_seconds: float = 10.0
    """How long a worker that no longer gives a sign keeps its job."""
