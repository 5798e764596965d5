"""SQLite databases that others are writing to: copying, checking, compacting."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from model_zoo.errors import StoreError

HEADER = b"SQLite format 3\0"
SIDECARS = ("-wal", "-shm", "-journal")
WORTH_COMPACTING = 0.2
"""Share of free pages from which on a database is compacted."""


PATIENCE_S = 120
"""How long a connection waits for a lock: longer than a backup holds one. SQLite's own five seconds cost a training."""


@cache
def be_patient() -> None:
    """Let every connection to SQLite of this process, Dagster's and MLflow's too, wait for locks.

    MLflow asks for 20 seconds in each of its sessions: of 200 writers at once, half gave up.
    """
    from sqlalchemy import Engine, event

    wanted = f"PRAGMA busy_timeout = {PATIENCE_S * 1000}"

    @event.listens_for(Engine, "connect")
    def _patient(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(wanted)

    @event.listens_for(Engine, "before_cursor_execute", retval=True)
    def _still_patient(_: object, __: object, statement: str, parameters: object, *___: object) -> tuple[str, object]:
        return wanted if statement.startswith("PRAGMA busy_timeout") else statement, parameters


def is_database(path: Path) -> bool:
    """Return whether a file is an SQLite database, by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(len(HEADER)) == HEADER


def is_sidecar(path: Path) -> bool:
    """Return whether a file is the log or index beside a database, which means nothing alone."""
    return path.name.endswith(SIDECARS)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database while others write to it, and check the copy.

    Raises
    ------
    StoreError
        When it cannot be read, or its copy is damaged.
    """
    try:
        with closing(sqlite3.connect(source, timeout=60)) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)
            # The journal's kind is part of the file: a copy that asks for a log beside it could not be read alone.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"{source}: cannot be copied: {error}. Earlier backups are untouched.") from error
    require_sound(target, source)


def require_sound(path: Path, named: Path | None = None) -> None:
    """Refuse a damaged database."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        raise StoreError(f"{named or path}: the database is damaged: {found[0]}. Restore it from a backup.")


def compact(path: Path) -> int:
    """Return the free pages of a database back to the disk, if they are many; give how many bytes it shrank.

    Call it when nobody works: it locks the database while it copies it. One that is locked by somebody is left alone.
    """
    before = path.stat().st_size
    with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as database:
        try:
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            free = database.execute("PRAGMA freelist_count").fetchone()[0]
            if free < WORTH_COMPACTING * pages:
                return 0
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            return 0
    return before - path.stat().st_size
