"""The record of predictions given and values measured later, in one SQLite file.

A molecule is named by a keyed digest of its standardised SMILES; the key is beside the file, readable by its owner
alone. Who holds the record without the key cannot test whether a structure of theirs is in it. The SMILES itself is
kept only where the service's settings allow it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from model_zoo.data.units import unit_name
from model_zoo.errors import StoreError
from model_zoo.monitoring.calibration_rows import Decision, PredictedInterval
from model_zoo.monitoring.record_tables import make_tables

FILE = "live.db"
BUSY_SECONDS = 10.0
Role = Literal["champion", "challenger"]

_PREDICTION = (
    "at, molecule, smiles, endpoint, version, role, answered, value, lower, upper, similarity, inside, raw, half_width"
)
_MEASUREMENT = "received, molecule, smiles, endpoint, value, source, name, caller, unit, relation"
_CORRECT = (
    "ON CONFLICT (endpoint, caller, name) DO UPDATE SET received = CASE WHEN"
    " (molecule, value, relation, unit) IS (excluded.molecule, excluded.value, excluded.relation, excluded.unit)"
    " THEN received ELSE excluded.received END, molecule = excluded.molecule, smiles = excluded.smiles,"
    " value = excluded.value, source = excluded.source, unit = excluded.unit, relation = excluded.relation"
)


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """What one version said of one molecule."""

    at: float
    """Seconds since 1970."""
    molecule: bytes
    """16 bytes, see `molecule_hasher.py`."""
    smiles: str | None
    """The standardised SMILES, where it may be kept."""
    endpoint: str
    version: str
    role: Role
    """Whether that version was champion or challenger."""
    answered: bool
    """Whether the caller was given it; a challenger in the shadow is asked silently."""
    value: float
    lower: float | None
    upper: float | None
    """`value`, `lower` and `upper`: in the endpoint's unit; no ends for a binary endpoint."""
    similarity: float
    inside: bool
    """`similarity` and `inside`: highest similarity to a training molecule, and whether that counts as inside the
    domain."""
    raw: float | None = None
    half_width: float | None = None
    """`raw` and `half_width`: of a regression, on the scale of training: the prediction, and half of the bundle's own
    interval, whatever factor was applied to it when it was returned."""


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """A value that somebody measured."""

    received: float
    """Seconds since 1970."""
    molecule: bytes
    smiles: str | None
    endpoint: str
    value: float
    """In the endpoint's unit, or the class 0 or 1."""
    source: str = ""
    """Who or what measured it; may be empty."""
    name: str | None = None
    """The sender's own name for the measurement: sent again under it by the same caller, the value is corrected."""
    caller: str = ""
    """Id of the key that sent it; empty where none was shown."""
    unit: str = ""
    """The endpoint's unit when it came; empty in records from before units were kept."""
    relation: str = "="
    """`=`, or `<` or `>` where the value is a bound: the true one is known to lie below or above it."""


def same_unit(row: MeasurementRow, unit: str) -> bool:
    """Return whether a value is in a unit, however it is written; one whose unit was not kept is.

    Examples
    --------
    >>> row = MeasurementRow(0.0, b"", None, "e", 1.0, unit="ug/ml")
    >>> same_unit(row, "µg/mL"), same_unit(row, "ng/mL"), same_unit(replace(row, unit=""), "nM")
    (True, False, True)
    """
    return not row.unit or unit_name(row.unit) == unit_name(unit)


class PredictionLog:
    """The record in a folder. One object per thread: SQLite connections are not shared."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    def append(self, predictions: Sequence[PredictionRow]) -> None:
        """Add predictions, all or none.

        Raises
        ------
        StoreError
            When the file cannot be written: a full disk, a lock held for long, a damaged file.
        """
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT INTO predictions ({_PREDICTION}) VALUES ({_marks(_PREDICTION)})",  # noqa: S608
                [tuple(getattr(row, name) for name in _PREDICTION.split(", ")) for row in predictions],
            )

    def measure(self, measurements: Sequence[MeasurementRow], unchanged: Sequence[MeasurementRow] = ()) -> bool:
        """Add measured values, all or none; one sent again by the same caller under its name replaces the earlier.

        What is sent again unchanged keeps its time: values count in the order in which they came first. Nothing is
        added, and the answer is no, if one of `unchanged` is something else than was sent under its name.
        """
        contradicts = (
            "SELECT 1 FROM measurements WHERE endpoint = ? AND caller = ? AND name = ?"
            " AND (molecule, value, relation) IS NOT (?, ?, ?)"
        )
        with self._transaction() as connection:
            for row in unchanged:
                values = (row.endpoint, row.caller, row.name, row.molecule, row.value, row.relation)
                if connection.execute(contradicts, values).fetchone():
                    return False
            connection.executemany(
                f"INSERT INTO measurements ({_MEASUREMENT}) VALUES ({_marks(_MEASUREMENT)}) {_CORRECT}",  # noqa: S608
                [tuple(getattr(row, name) for name in _MEASUREMENT.split(", ")) for row in measurements],
            )
        return True

    def predictions(self, endpoint: str, since: float = 0.0) -> Iterator[PredictionRow]:
        """Read an endpoint's predictions, oldest first; none when nothing was ever recorded."""
        query = f"SELECT {_PREDICTION} FROM predictions WHERE endpoint = ? AND at >= ? ORDER BY at, id"  # noqa: S608
        for row in self._read(query, (endpoint, since)):
            made = PredictionRow(*row)
            yield replace(made, answered=bool(made.answered), inside=bool(made.inside))

    def measurements(self, endpoint: str) -> list[MeasurementRow]:
        """Read an endpoint's measured values, oldest first."""
        query = f"SELECT {_MEASUREMENT} FROM measurements WHERE endpoint = ? ORDER BY received, id"  # noqa: S608
        return [MeasurementRow(*row) for row in self._read(query, (endpoint,))]

    def withdraw(self, endpoint: str, caller: str, names: Sequence[str]) -> list[str]:
        """Delete a caller's measured values by their names; give the names that there were."""
        query = "DELETE FROM measurements WHERE endpoint = ? AND caller = ? AND name = ?"
        with self._transaction() as connection:
            return [name for name in names if connection.execute(query, (endpoint, caller, name)).rowcount]

    def predicted_intervals(self, endpoint: str, version: str) -> dict[bytes, PredictedInterval]:
        """Return what a version said of the endpoint's measured molecules; it says the same of each whenever asked."""
        query = (
            "SELECT molecule, raw, half_width, similarity FROM predictions WHERE endpoint = ? AND version = ?"
            " AND half_width IS NOT NULL AND molecule IN (SELECT molecule FROM measurements WHERE endpoint = ?)"
        )
        return {
            molecule: PredictedInterval(*values)
            for molecule, *values in self._read(query, (endpoint, version, endpoint))
        }

    def decide(self, endpoint: str, decision: Decision, by: str, at: float) -> None:
        """Add what an administrator decided; the last decision counts."""
        row = (endpoint, at, by, decision.active, decision.since, json.dumps(decision.without))
        query = "INSERT INTO decisions (endpoint, at, by, active, since, without) VALUES (?, ?, ?, ?, ?, ?)"
        with self._transaction() as connection:
            connection.execute(query, row)

    def decision(self, endpoint: str) -> Decision:
        """Return the last decision about an endpoint."""
        query = "SELECT active, since, without FROM decisions WHERE endpoint = ? ORDER BY id DESC LIMIT 1"
        for active, since, without in self._read(query, (endpoint,)):
            return Decision(bool(active), since, tuple(json.loads(without)))
        return Decision()

    def state(self) -> tuple[object, ...]:
        """Return what changes whenever a measured value or a decision does."""
        decided = "(SELECT MAX(id) FROM decisions)"
        query = f"SELECT COUNT(*), MAX(id), MAX(received), TOTAL(value), {decided} FROM measurements"  # noqa: S608
        return tuple(self._read(query, ()))

    def last_prediction(self) -> int:
        """Return the number of the latest prediction; zero when there is none."""
        return int(next(self._read("SELECT MAX(id) FROM predictions", ()), (0,))[0] or 0)

    def predicts_measured(self, after: int) -> bool:
        """Return whether a version predicted a measured molecule for the first time after a prediction's number."""
        query = (
            "SELECT 1 FROM predictions AS p WHERE p.id > ? AND p.half_width IS NOT NULL AND EXISTS"
            " (SELECT 1 FROM measurements AS m WHERE m.endpoint = p.endpoint AND m.molecule = p.molecule)"
            " AND NOT EXISTS (SELECT 1 FROM predictions AS q WHERE q.endpoint = p.endpoint AND q.molecule = p.molecule"
            " AND q.version = p.version AND q.id <= ? AND q.half_width IS NOT NULL) LIMIT 1"
        )
        return any(True for _ in self._read(query, (after, after)))

    def use_by_hour(self, since: float) -> dict[str, dict[int, tuple[int, int]]]:
        """Count what callers received: by endpoint, hours after `since` to predictions and those inside the domain."""
        found: dict[str, dict[int, tuple[int, int]]] = {}
        query = (
            "SELECT endpoint, CAST((at - ?) / 3600 AS INTEGER), COUNT(*), SUM(inside) FROM predictions"
            # Where a challenger answered, the champion was asked, too: one answer was given.
            " WHERE at >= ? AND answered = 1 AND role = 'champion' GROUP BY 1, 2"
        )
        for endpoint, hour, count, inside in self._read(query, (since, since)):
            found.setdefault(endpoint, {})[hour] = (count, inside)
        return found

    def prune(self, before: float) -> int:
        """Delete predictions older than a time, but for those of molecules that were measured; give how many."""
        if not self.path.exists():
            return 0
        with self._transaction() as connection:
            return connection.execute(
                "DELETE FROM predictions WHERE at < ? AND NOT EXISTS (SELECT 1 FROM measurements AS m"
                " WHERE m.endpoint = predictions.endpoint AND m.molecule = predictions.molecule)",
                (before,),
            ).rowcount

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, query: str, values: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
        if not self.path.exists():
            return
        try:
            yield from self._open().execute(query, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: the live record cannot be read: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._opened != self._file():
            self.close()  # removed or restored meanwhile: what is written to the former file is lost
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            # WAL: the pipeline reads while the service writes. NORMAL: a power cut may cost the last rows only.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            make_tables(connection)
            self._connection, self._opened = connection, self._file()
        return self._connection

    def _file(self) -> tuple[int, int] | None:
        """Return which file is there."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreError(f"{self.path}: the live record cannot be written: {error}") from error


def _marks(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(", "))
