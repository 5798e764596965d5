"""Writes what the service predicts into the live record, beside the requests and never in their way.

Belongs here: the waiting rows, the thread that writes them, and what is dropped when it cannot keep up.
Does not belong here: the record's file (see `model_zoo.monitoring.prediction_log`), measured values (see
`api/feedback.py`).

A request leaves one note and continues. One thread turns notes into rows and writes them in batches. While the file
cannot be written (a full disk, a lock) the notes wait; past a bound the newest are dropped and counted: predictions
matter more than their record.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_zoo.errors import StoreError
from model_zoo.inference.answers import Answer, Estimates
from model_zoo.monitoring.molecule_hasher import MoleculeHasher
from model_zoo.monitoring.prediction_log import PredictionLog, PredictionRow, Role
from serving.champions.champion_registry import Champion

PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
MOST_WAITING = 200_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """Answers of some champions, as a request leaves them for the record."""

    answers: Sequence[Answer]
    """One per molecule; faults are no predictions and leave no row."""
    champions: Mapping[str, Champion]
    """Who gave them, by endpoint."""
    role: Role = "champion"
    answered: bool = True
    """`role` and `answered`: see `PredictionRow`."""

    @property
    def size(self) -> int:
        """How many rows it makes."""
        return sum(len(answer) for answer in self.answers if isinstance(answer, Estimates))


class PredictionLogger:
    """Keeps the record of what was predicted.

    Attributes
    ----------
    dropped
        Rows that were not recorded since the start.
    written
        Rows that were.
    error
        Why nothing can be written at the moment, or none.
    """

    def __init__(self, folder: Path, *, keep_smiles: bool = False, most_waiting: int = MOST_WAITING) -> None:
        self.folder = folder
        self.keep_smiles = keep_smiles
        self.dropped = self.written = 0
        self.error: str | None = None
        self._most_waiting = most_waiting
        self._notes: deque[tuple[float, Note]] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the writing thread."""
        self._thread = threading.Thread(target=self._run, name="prediction-logger", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end the thread; a file that cannot be written is not waited for."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=LONGEST_PAUSE_SECONDS)

    def note(self, note: Note) -> None:
        """Leave a note for the record; costs microseconds and never fails."""
        size = note.size
        with self._lock:
            if self._waiting + size > self._most_waiting:
                self.dropped += size
                return
            self._waiting += size
            self._notes.append((time.time(), note))

    def namer(self) -> MoleculeHasher:
        """Return what names molecules in this record, whose key may have been restored or removed meanwhile.

        Raises
        ------
        StoreError
            When its key cannot be read or made.
        """
        return MoleculeHasher.of(self.folder)

    def _run(self) -> None:
        record = PredictionLog(self.folder)
        pause = PAUSE_SECONDS
        while not self._closing.wait(pause):
            pause = PAUSE_SECONDS if self._write(record) else min(LONGEST_PAUSE_SECONDS, pause * 2)
        self._write(record)
        record.close()

    def _write(self, record: PredictionLog) -> bool:
        """Write what waits; return whether that worked."""
        with self._lock:
            notes = list(self._notes)
        if not notes:
            return True
        try:
            name = self.namer()
            rows = [row for at, note in notes for row in self._rows(name, at, note)]
            record.append(rows)
        except StoreError as error:
            if str(error) != self.error:
                logger.error("%s; predictions are given all the same", error)  # noqa: TRY400  no stack for a full disk
            self.error = str(error)
            return False
        with self._lock:
            for _ in notes:
                self._notes.popleft()
            self._waiting -= len(rows)
            self.written += len(rows)
        self.error = None
        return True

    def _rows(self, name: MoleculeHasher, at: float, note: Note) -> list[PredictionRow]:
        rows = []
        for answer in note.answers:
            if not isinstance(answer, Estimates):
                continue
            for endpoint, estimate in answer.items():
                manifest = note.champions[endpoint].manifest
                rows.append(
                    PredictionRow(
                        at=at,
                        molecule=name(estimate.smiles),
                        smiles=estimate.smiles if self.keep_smiles else None,
                        endpoint=endpoint,
                        version=manifest.version,
                        role=note.role,
                        answered=note.answered,
                        value=estimate.value,
                        lower=estimate.lower,
                        upper=estimate.upper,
                        similarity=estimate.similarity,
                        inside=estimate.inside,
                        raw=estimate.raw,
                        half_width=estimate.half_width,
                    )
                )
        return rows
