"""The tables of the record of use, and how those of earlier versions become them."""

from __future__ import annotations

import re
import sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    molecule BLOB NOT NULL,
    smiles TEXT,
    endpoint TEXT NOT NULL,
    version TEXT NOT NULL,
    role TEXT NOT NULL,
    answered INTEGER NOT NULL,
    value REAL NOT NULL,
    lower REAL,
    upper REAL,
    similarity REAL NOT NULL,
    inside INTEGER NOT NULL,
    raw REAL,
    half_width REAL
);
CREATE INDEX IF NOT EXISTS predictions_by_molecule ON predictions (endpoint, molecule, version);
CREATE INDEX IF NOT EXISTS predictions_by_time ON predictions (at);
CREATE TABLE IF NOT EXISTS measurements (
    id INTEGER PRIMARY KEY,
    received REAL NOT NULL,
    molecule BLOB NOT NULL,
    smiles TEXT,
    endpoint TEXT NOT NULL,
    value REAL NOT NULL,
    source TEXT NOT NULL,
    name TEXT,
    caller TEXT NOT NULL DEFAULT '',
    unit TEXT NOT NULL DEFAULT '',
    relation TEXT NOT NULL DEFAULT '=',
    UNIQUE (endpoint, caller, name)
);
CREATE INDEX IF NOT EXISTS measurements_by_molecule ON measurements (endpoint, molecule);
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    active INTEGER NOT NULL,
    since REAL NOT NULL,
    without TEXT NOT NULL
);
"""
_OLD_MEASUREMENTS = "received, molecule, smiles, endpoint, value, source, name"
"""What a record held before it knew whose name a measurement's name is."""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables that are missing, and bring up to date those that are there."""
    _bring_up_to_date(connection)
    connection.executescript(_SCHEMA)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Bring up to date what lacks callers' names, bounds, or what intervals were made of. Nothing is lost."""

    def lacks(name: str, table: str = "measurements") -> bool:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        return bool(columns) and name not in columns

    if not lacks("caller") and not lacks("relation") and not lacks("raw", "predictions"):
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may have done it meanwhile
    try:
        if lacks("caller"):
            connection.execute("ALTER TABLE measurements RENAME TO measurements_before")
            connection.execute("DROP INDEX IF EXISTS measurements_by_molecule")
            connection.execute(re.findall(r"CREATE TABLE IF NOT EXISTS measurements \(.*?\);", _SCHEMA, re.DOTALL)[0])
            connection.execute(
                f"INSERT INTO measurements (id, {_OLD_MEASUREMENTS}) "  # noqa: S608
                f"SELECT id, {_OLD_MEASUREMENTS} FROM measurements_before"
            )
            connection.execute("DROP TABLE measurements_before")
        if lacks("relation"):
            connection.execute("ALTER TABLE measurements ADD COLUMN relation TEXT NOT NULL DEFAULT '='")
        if lacks("raw", "predictions"):
            connection.execute("ALTER TABLE predictions ADD COLUMN raw REAL")
            connection.execute("ALTER TABLE predictions ADD COLUMN half_width REAL")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
