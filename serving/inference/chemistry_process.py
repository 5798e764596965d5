"""Chemistry in a process of its own, so that hard molecules hold neither the service's interpreter nor its threads.

Belongs here: starting such processes, asking them, ending them.
Does not belong here: what they do (see `chemistry_worker.py`), who asks them (see `batches.py`).

Standardising and featurizing hold the interpreter for milliseconds at a time, and all that wait for it wait in line,
whatever the system prefers (`tests/benchmarks/bench_attack.py`). A process holds no model. It begins when it is first
needed, works for one batch at a time, gives way to the service, and may be killed at any moment. It ends when nobody
holds the other end of its pipe.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait  # `select` knows no more than 1024 files, and connections are files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import Limits, Molecule
from model_zoo.inference.chemistry import Chemistry, ProcessEndedError, Reading, Refused
from model_zoo.type_aliases import Numbers
from serving.inference.chemistry_messages import (
    ANSWERS,
    AtomKind,
    Atoms,
    Kind,
    Raised,
    Readings,
    Request,
    Rows,
    Smiles,
    Texts,
    UnderstoodText,
    receive,
    send,
)

START_S = 60.0
"""Wall time after which a process that has not begun is given up: it imports RDKit, half a second of a core."""
TURN_S = 0.5
"""How long what can do without a process waits for one: as long as a batch is meant to take."""
WORKER = "serving.inference.chemistry_worker"
Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)


class ChemistryProcess(Chemistry):
    """A process that does the chemistry of one batch at a time; asked for anything it returns what `Chemistry` gives.

    Attributes
    ----------
    clock
        Of its processor time; none where the system has none.
    is_ready
        Whether it waits for the next request.

    Raises
    ------
    ProcessEndedError
        When it does not begin, and from whatever is asked of it when it has ended.
    OSError
        When the system has no room for it.
    """

    def __init__(self) -> None:
        # What it writes to stderr may hold structures: nobody reads it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self.clock = (~self._process.pid << 3) | 2 if sys.platform == "linux" else None  # clock_getcpuclockid(3)
        self._number, self.is_ready = 0, False
        if not wait([self._from.fileno()], START_S) or receive(self._from) is None:
            self.close()
            raise ProcessEndedError
        self.is_ready = True

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, whatever it is doing; from any thread."""
        self._process.kill()

    def close(self) -> None:
        """Kill it and let it go."""
        self.kill()
        self._process.wait()
        for stream in (self._to, self._from):
            with suppress(OSError):  # what was not sent is lost with it
                stream.close()

    def read(self, texts: Sequence[str], reading: Reading, limits: Limits) -> list[Molecule | Refused]:
        """See `Chemistry.read`; a molecule is read back from its standardised SMILES."""
        if not texts:
            return []
        options, version = reading
        asked = Texts(texts, options.model_dump(), version, (limits.max_characters, limits.max_heavy_atoms))
        answer = self._ask(asked)
        assert isinstance(answer, Readings)
        assert len(answer.readings) == len(texts)
        return [
            Molecule(each.smiles, Chem.MolFromSmiles(each.smiles), each.notes, each.mark)
            if isinstance(each, UnderstoodText)
            else Refused(each.code, each.detail)
            for each in answer.readings
        ]

    def featurize(self, name: str, molecules: Sequence[Molecule]) -> Numbers:
        """See `Featurizing.featurize`."""
        return self._rows("featurize", (name,), molecules)

    def fingerprints(self, version: int, molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
        """See `Featurizing.fingerprints`."""
        return self._rows("fingerprints", (version,), molecules)

    def size_and_kind(self, molecules: Sequence[Molecule]) -> NDArray[np.float64]:
        """See `Featurizing.size_and_kind`."""
        return self._rows("size_and_kind", (), molecules)

    def _rows(
        self,
        what: Kind,
        by: tuple[str | int, ...],
        molecules: Sequence[Molecule],
    ) -> NDArray[Any]:
        answer = self._ask(Smiles(what, by, [molecule.smiles for molecule in molecules]))
        assert isinstance(answer, Rows)
        assert answer.shape[0] == len(molecules)
        return answer.array()

    def without_atoms(self, name: str, molecule: Molecule) -> Numbers:
        """See `Structures.without_atoms`."""
        return self._atoms("without_atoms", name, molecule)

    def spread(self, name: str, molecule: Molecule, x: Numbers, slopes: Floats) -> Floats:
        """See `Structures.spread`."""
        return self._atoms("spread", name, molecule, x, slopes)

    def spread_above_average(
        self, name: str, molecule: Molecule, x: Numbers, mean: Numbers, contributions: Floats
    ) -> Floats:
        """See `Structures.spread_above_average`."""
        return self._atoms("spread_above_average", name, molecule, x, mean, contributions)

    def _atoms(
        self,
        what: AtomKind,
        name: str,
        molecule: Molecule,
        *arrays: NDArray[Any],
    ) -> NDArray[Any]:
        answer = self._ask(Atoms(what, name, molecule.smiles, tuple(map(Rows.of, arrays))))
        assert isinstance(answer, Rows)
        return answer.array()

    def _ask(self, request: Request) -> Readings | Rows:
        """Ask, and wait for the answer; one that comes late is never taken for that of another question."""
        self.is_ready, self._number = False, self._number + 1
        try:
            send(self._to, self._number, request)
        except OSError:
            raise ProcessEndedError from None
        received = receive(self._from)
        if received is None or received[0] != self._number:
            raise ProcessEndedError
        self.is_ready = True
        answer: Readings | Rows | Raised = ANSWERS.decode(received[1])
        if isinstance(answer, Raised):
            raise type(answer.name, (Exception,), {})
        return answer


_idle: list[ChemistryProcess] = []
"""Those that no batch has; the one used last is taken first, so that there are no more than ever worked together."""
_beginning = threading.Lock()


@contextmanager
def chemistry_process(room: threading.Semaphore, *, needed: bool = True) -> Iterator[ChemistryProcess | None]:
    """Yield a batch a process, one that waits or a new one; none where the system has no room for it.

    Parameters
    ----------
    room
        How many may be at work: with as many as there are cores, the service itself would wait for a core.
    needed
        Whether to wait for as long as it takes. Else nobody waits longer than a turn, nor until a new one has begun:
        that one is there the next time.
    """
    if not room.acquire(timeout=None if needed else TURN_S):
        yield None
        return
    process = _waiting()
    if process is None and needed:
        process = _begun()
    elif process is None and _beginning.acquire(blocking=False):
        threading.Thread(target=_begin, name="chemistry", daemon=True).start()
    try:
        yield process
    finally:
        if process is not None and process.is_ready:
            _idle.append(process)
        elif process is not None:
            process.close()
        room.release()


def _waiting() -> ChemistryProcess | None:
    while True:
        try:
            process = _idle.pop()
        except IndexError:
            return None
        if process.is_alive:
            return process
        process.close()


def _begun() -> ChemistryProcess | None:
    try:
        return ChemistryProcess()
    except Exception:  # noqa: BLE001  a batch, and its thread, would end with it
        logger.warning("no process for chemistry can begin: the service does it itself, and others may have to wait")
        return None


def _begin() -> None:
    process = _begun()
    if process is not None:
        _idle.append(process)
    _beginning.release()
