"""The table of jobs, in SQLite: what is to do, who does it, how far it is.

Each call opens a connection of its own: calls come from many threads and processes, and opening costs less than a
tenth of a millisecond. The file is made by the first job, so that a service without jobs leaves no trace.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

Status = Literal["queued", "running", "done", "failed", "cancelled"]
MAX_ATTEMPTS = 5
"""How often a worker may begin the same chunk: a molecule that ends the process must not do so for ever."""
_COLUMNS = """
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL,          -- 'receiving' while the upload is read, then one of `Status`
    created REAL NOT NULL,         -- seconds since 1970, like all times here
    started REAL,
    finished REAL,
    removed REAL,                  -- when the result was deleted
    total INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    plan TEXT NOT NULL DEFAULT '{}',
    champions TEXT NOT NULL DEFAULT '{}',
    error_code TEXT,
    error_detail TEXT,
    owner TEXT,
    lease_until REAL NOT NULL DEFAULT 0,
    turn REAL NOT NULL DEFAULT 0,  -- when its next turn may begin
    attempts INTEGER NOT NULL DEFAULT 0,
    holder TEXT NOT NULL DEFAULT '',
    idempotency_key TEXT,
    digest TEXT
"""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS jobs ({_COLUMNS});
CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_key ON jobs (holder, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_turn ON jobs (status, turn);
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (created);
"""


class Plan(msgspec.Struct, frozen=True):
    """What a job is to do, settled when it is accepted."""

    columns: tuple[str, ...]
    """Names of the columns that came with the molecules, each once."""
    smiles_column: str | None
    """The one that holds the structure; none when structures came as SDF records."""
    format: str
    endpoints: tuple[str, ...] | None = None
    """What was asked for; none means every endpoint that has a champion when the job starts."""
    include: tuple[str, ...] = ()
    """Further fields asked for, as in `POST /v1/predict`."""
    name: str | None = None
    encoding: str | None = None
    chunk_rows: int = 500
    """Rows in a chunk; fixed for the life of the job."""


class Pin(msgspec.Struct, frozen=True):
    """The version that answers an endpoint for a whole job, and of the endpoint what decides a result's columns.

    Its task (regression or binary), and whether people read its values in another unit.
    """

    version: str
    task: str
    displayed: bool = False


@dataclass(frozen=True)
class Job:
    """A row of the table. Times are seconds since 1970."""

    id: str
    status: str
    created: float
    started: float | None
    finished: float | None
    removed: float | None
    total: int
    done: int
    failed: int
    bytes: int
    plan: Plan
    champions: Mapping[str, Pin]
    error_code: str | None
    error_detail: str | None
    attempts: int
    holder: str
    digest: str | None

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in ("done", "failed", "cancelled")


class JobTable:
    """The table of jobs in one file."""

    def __init__(self, path: Path, lease_seconds: float) -> None:
        self.path, self._lease = path, lease_seconds
        self._made = False

    def exists(self) -> bool:
        """Return whether there ever was a job."""
        return self.path.exists()

    def reserve(self, job: str, holder: str, key: str | None, digest: str) -> Job | None:
        """Enter a job whose upload is still to be read; give the earlier job instead when its key is taken."""
        with self._connected() as db:
            added = db.execute(
                "INSERT INTO jobs (id, status, created, holder, idempotency_key, digest)"
                " VALUES (?, 'receiving', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (job, time.time(), holder, key, digest),
            ).rowcount
            if added:
                return None
            row = db.execute("SELECT * FROM jobs WHERE holder = ? AND idempotency_key = ?", (holder, key)).fetchone()
            return _job(row) if row else None

    def enqueue(self, job: str, plan: Plan, total: int, size: int) -> None:
        """Put a job whose upload is read into the queue."""
        text = msgspec.json.encode(plan).decode()
        with self._connected() as db:
            db.execute(
                "UPDATE jobs SET status = 'queued', plan = ?, total = ?, bytes = ?, turn = ? WHERE id = ?",
                (text, total, size, time.time(), job),
            )

    def forget(self, job: str) -> None:
        """Delete a row: its upload was refused, or its time is over."""
        with self._connected() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (job,))

    def get(self, job: str) -> Job | None:
        """Return a job; none when there is no such job, or its upload is still being read."""
        return next(iter(self._select("id = ? AND status != 'receiving'", (job,))), None)

    def newest(self, holder: str | None, before: str | None, limit: int) -> list[Job]:
        """List jobs that were not removed, newest first, from the one after `before` on; of one holder, or of all."""
        return self._select(
            "status != 'receiving' AND removed IS NULL AND (? IS NULL OR holder = ?)"
            " AND (? IS NULL OR (created, id) < (SELECT created, id FROM jobs WHERE id = ?))"
            " ORDER BY created DESC, id DESC LIMIT ?",
            (holder, holder, before, before, limit),
        )

    def waiting(self) -> int:
        """Count the jobs that are not finished."""
        if not self.exists():
            return 0
        with self._connected() as db:
            query = "SELECT count(*) FROM jobs WHERE status IN ('receiving', 'queued', 'running')"
            return int(db.execute(query).fetchone()[0])

    def claim(self, owner: str) -> Job | None:
        """Lease the job whose turn it is to a worker; none when there is nothing to do.

        Jobs take turns, so that a small one does not wait for a large one to end. A lease further in the future
        than a lease can be is the trace of a clock that was set back, and counts as over.
        """
        if not self.exists():
            return None
        now = time.time()
        with self._connected() as db:
            rows = db.execute(
                "UPDATE jobs SET owner = ?, lease_until = ?, attempts = attempts + 1 WHERE id = ("
                " SELECT id FROM jobs WHERE status IN ('queued', 'running') AND turn <= ?"
                " AND (owner IS NULL OR lease_until < ? OR lease_until > ?) ORDER BY turn LIMIT 1) RETURNING *",
                (owner, now + self._lease, now, now, now + 2 * self._lease),
            ).fetchall()
        return _job(rows[0]) if rows else None

    def renew(self, job: str, owner: str) -> bool:
        """Prolong a lease; return whether the job is still this worker's and still to be done."""
        return self._own(job, owner, "lease_until = ?", time.time() + self._lease)

    def start(self, job: str, owner: str, champions: Mapping[str, Pin]) -> bool:
        """Record which versions answer this job from its first row to its last."""
        text = msgspec.json.encode(dict(champions)).decode()
        return self._own(job, owner, "status = 'running', started = ?, champions = ?", time.time(), text)

    def advance(self, job: str, owner: str, done: int, failed: int, size: int) -> bool:
        """Record a finished chunk: rows done in all, and how many of the chunk failed; only the owner can."""
        changes = "done = ?, failed = failed + ?, bytes = bytes + ?, attempts = 0, lease_until = ?"
        return self._own(job, owner, changes, done, failed, size, time.time() + self._lease)

    def release(self, job: str, owner: str, pause: float = 0.0, *, attempted: bool = False) -> None:
        """Put a job back for its next turn, after a pause; only an attempt that failed continues to count."""
        changes = "owner = NULL, lease_until = 0, turn = ?" + ("" if attempted else ", attempts = 0")
        self._own(job, owner, changes, time.time() + pause)

    def finish(self, job: str, owner: str, status: Status, code: str | None = None, detail: str | None = None) -> bool:
        """End a job; only the owner can."""
        changes = "status = ?, error_code = ?, error_detail = ?, finished = ?, owner = NULL"
        return self._own(job, owner, changes, status, code, detail, time.time())

    def cancel(self, job: str) -> bool:
        """End a job that is not finished; its owner finds out at its next sign of life."""
        with self._connected() as db:
            changed = db.execute(
                "UPDATE jobs SET status = 'cancelled', finished = ? WHERE id = ? AND status IN ('queued', 'running')",
                (time.time(), job),
            ).rowcount
            return changed == 1

    def remove(self, job: str) -> None:
        """Record that a finished job's result is deleted."""
        with self._connected() as db:
            db.execute("UPDATE jobs SET removed = ?, bytes = 0 WHERE id = ? AND removed IS NULL", (time.time(), job))

    def stored(self) -> list[Job]:
        """List the finished jobs whose results are still there, those that finished first first."""
        return self._select("removed IS NULL AND status IN ('done', 'failed', 'cancelled') ORDER BY finished")

    def stored_bytes(self) -> int:
        """Return the space that all jobs take."""
        with self._connected() as db:
            return int(db.execute("SELECT coalesce(sum(bytes), 0) FROM jobs").fetchone()[0])

    def ids(self) -> set[str]:
        """List the jobs of which something may be in the folder."""
        with self._connected() as db:
            return {str(row[0]) for row in db.execute("SELECT id FROM jobs WHERE removed IS NULL")}

    def sweep(self, receiving_before: float, removed_before: float) -> None:
        """Delete rows of uploads that were cut off, and of jobs removed long ago."""
        with self._connected() as db:
            db.execute("DELETE FROM jobs WHERE status = 'receiving' AND created < ?", (receiving_before,))
            db.execute("DELETE FROM jobs WHERE removed < ?", (removed_before,))

    def _own(self, job: str, owner: str, changes: str, *values: object) -> bool:
        """Change a job that this worker holds and that is not over; return whether it was so."""
        with self._connected() as db:
            changed = db.execute(
                f"UPDATE jobs SET {changes} WHERE id = ? AND owner = ? AND status IN ('queued', 'running')",  # noqa: S608  no text of a user's
                (*values, job, owner),
            ).rowcount
            return changed == 1

    def _select(self, condition: str, values: tuple[object, ...] = ()) -> list[Job]:
        if not self.exists():
            return []
        with self._connected() as db:
            return [_job(row) for row in db.execute(f"SELECT * FROM jobs WHERE {condition}", values)]  # noqa: S608  the same

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open the table; a change is committed at the end, or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=30)
        db.row_factory = sqlite3.Row
        try:
            if not self._made:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(_SCHEMA)
                self._made = True
            db.execute("PRAGMA synchronous = NORMAL")  # a power cut may repeat chunks; it never corrupts the table
            with db:
                yield db
        finally:
            db.close()


def _job(row: sqlite3.Row) -> Job:
    fields: dict[str, Any] = {name: row[name] for name in Job.__dataclass_fields__}
    fields["plan"] = msgspec.json.decode(row["plan"], type=Plan) if row["plan"] != "{}" else Plan((), None, "")
    fields["champions"] = msgspec.json.decode(row["champions"], type=dict[str, Pin])
    return Job(**fields)
