"""Results that are shared by a link: which job a link shows, until when, and who gave it away.

A link holds a token that nobody guesses, and no structure; the table keeps its digest alone, so that a reader of the
file cannot open what was shared. It ends at its time, when it is taken back, and with the job.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN_BYTES = 24
MOST_DAYS, MOST_LINKS = 365, 100
"""Of one link, and to one job."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS shares (
    digest TEXT PRIMARY KEY,       -- SHA-256 of the token
    job TEXT NOT NULL,
    name TEXT NOT NULL,            -- what the page calls the link: its first characters
    holder TEXT NOT NULL,          -- who may take it back
    since REAL NOT NULL,           -- seconds since 1970, like all times here
    until REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS shares_by_job ON shares (job);
"""


@dataclass(frozen=True)
class Share:
    """A link to a job's result. Times are seconds since 1970."""

    job: str
    name: str
    holder: str
    since: float
    until: float


class Shares:
    """The table of links, in a file of its own beside that of jobs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, job: str, holder: str, seconds: float) -> tuple[str, Share]:
        """Make a link for so long; give its token, which is nowhere else, and what is known of it."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), time.time()
        share = Share(job, token[:6], holder, now, now + seconds)
        with self._connected() as db:
            db.execute("DELETE FROM shares WHERE until <= ?", (now,))
            row = (_digest(token), share.job, share.name, share.holder, share.since, share.until)
            db.execute("INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?)", row)
        return token, share

    def find(self, token: str) -> Share | None:
        """Return what a token shows; none when there is no such link, or its time is over."""
        found = self._select("digest = ? AND until > ?", (_digest(token), time.time()))
        return found[0] if found else None

    def of_job(self, job: str) -> list[Share]:
        """List the links to a job that still open it, the newest first."""
        return self._select("job = ? AND until > ? ORDER BY since DESC", (job, time.time()))

    def revoke(self, job: str, name: str | None = None) -> int:
        """Take back a job's links, or the one of that name; give how many."""
        if not self._path.exists():
            return 0
        with self._connected() as db:
            db.execute("DELETE FROM shares WHERE until <= ?", (time.time(),))
            return db.execute(
                "DELETE FROM shares WHERE job = ? AND (? IS NULL OR name = ?)", (job, name, name)
            ).rowcount

    def _select(self, condition: str, values: tuple[object, ...]) -> list[Share]:
        if not self._path.exists():
            return []
        with self._connected() as db:
            query = f"SELECT job, name, holder, since, until FROM shares WHERE {condition}"  # noqa: S608  no user's text
            return [Share(*row) for row in db.execute(query, values)]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=30)
        try:
            db.executescript(_SCHEMA)
            with db:
                yield db
        finally:
            db.close()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
