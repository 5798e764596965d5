"""Chemistry in a process of its own, so that hard molecules hold neither the service's interpreter nor its threads.

Belongs here: starting such processes, asking them, ending them; what goes there and back.
Does not belong here: what they compute (see `model_zoo.inference.chemistry`), who asks them (see `batches.py`).

Standardising and featurizing hold the interpreter for milliseconds at a time, and whoever waits for it waits in line,
whomever the system prefers (`tests/benchmarks/bench_attack.py`). A process holds no model. It begins when it is first
needed, works for one batch at a time, gives way to the service, and may be killed at any moment. It ends when nobody
holds the other end of its pipe.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import Limits, Molecule, Standardise
from model_zoo.chemistry.standardisation.outcome import Note
from model_zoo.inference.chemistry import Chemistry, ProcessEndedError, Reading, Refused
from model_zoo.type_aliases import Numbers
from serving.inference.priority import give_way

START_S = 60.0
"""Wall time after which a process that has not begun is given up: it imports RDKit, half a second of a core."""
ALONE_S = 7200.0
"""Processor time of one request after which the system ends a process, where nobody is left to kill it before."""
_HEAD = struct.Struct("<QQ")
"""Of each message: its number, and its length in bytes."""
Floats = NDArray[np.float64]
_What = Literal["featurize", "fingerprints", "size_and_kind"]
logger = logging.getLogger(__name__)


class _Rows(Struct, tag=True, frozen=True):
    """An array."""

    kind: str
    shape: tuple[int, ...]
    content: bytes

    @classmethod
    def of(cls, array: NDArray[Any]) -> _Rows:
        return cls(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())

    def array(self) -> NDArray[Any]:
        return np.frombuffer(bytearray(self.content), self.kind).reshape(self.shape)


class _Texts(Struct, tag=True, frozen=True):
    """Texts to read as molecules."""

    texts: Sequence[str]
    options: dict[str, bool]
    version: int
    limits: tuple[int, int]


class _Smiles(Struct, tag=True, frozen=True):
    """Standardised molecules to compute rows of."""

    what: _What
    by: tuple[str | int, ...]
    smiles: Sequence[str]


class _Atoms(Struct, tag=True, frozen=True):
    """A standardised molecule whose atoms are to be told apart."""

    what: Literal["without_atoms", "spread", "spread_above_average"]
    name: str
    smiles: str
    arrays: tuple[_Rows, ...]


class _Understood(Struct, tag=True, frozen=True):
    """A text that is a molecule."""

    smiles: str
    notes: tuple[Note, ...]
    mark: str


class _Refused(Struct, tag=True, frozen=True):
    """A text that is not predicted."""

    code: str
    detail: str


class _Read(Struct, tag=True, frozen=True):
    """What became of texts."""

    readings: list[_Understood | _Refused]


class _Raised(Struct, tag=True, frozen=True):
    """The name of what was raised; its message may hold a structure."""

    name: str


_Request = _Texts | _Smiles | _Atoms
_TO_CHILD = msgspec.msgpack.Decoder(_Request)
_TO_PARENT = msgspec.msgpack.Decoder(_Read | _Rows | _Raised)


class ChemistryProcess(Chemistry):
    """A process that does the chemistry of one batch at a time; asked for anything it gives what `Chemistry` gives.

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
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.clock = (~self._process.pid << 3) | 2 if sys.platform == "linux" else None  # clock_getcpuclockid(3)
        self._number, self.is_ready = 0, False
        begun = select.select([self._process.stdout], [], [], START_S)[0]
        if not begun or _receive(self._process.stdout) is None:
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
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent is lost with it
                stream.close()  # type: ignore[union-attr]  it was opened as a pipe

    def read(self, texts: Sequence[str], reading: Reading, limits: Limits) -> list[Molecule | Refused]:
        """See `Chemistry.read`; a molecule is read back from its standardised SMILES."""
        if not texts:
            return []
        options, version = reading
        asked = _Texts(texts, options.model_dump(), version, (limits.max_characters, limits.max_heavy_atoms))
        answer = self._ask(asked)
        assert isinstance(answer, _Read)
        assert len(answer.readings) == len(texts)
        return [
            Molecule(each.smiles, Chem.MolFromSmiles(each.smiles), each.notes, each.mark)
            if isinstance(each, _Understood)
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
        what: _What,
        by: tuple[str | int, ...],
        molecules: Sequence[Molecule],
    ) -> NDArray[Any]:
        answer = self._ask(_Smiles(what, by, [molecule.smiles for molecule in molecules]))
        assert isinstance(answer, _Rows)
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
        what: Literal["without_atoms", "spread", "spread_above_average"],
        name: str,
        molecule: Molecule,
        *arrays: NDArray[Any],
    ) -> NDArray[Any]:
        answer = self._ask(_Atoms(what, name, molecule.smiles, tuple(map(_Rows.of, arrays))))
        assert isinstance(answer, _Rows)
        return answer.array()

    def _ask(self, request: _Request) -> _Read | _Rows:
        """Ask, and wait for the answer; what an answer that never came belonged to is not asked again."""
        self.is_ready, self._number = False, self._number + 1
        try:
            _send(self._process.stdin, self._number, request)
        except OSError:
            raise ProcessEndedError from None
        received = _receive(self._process.stdout)
        if received is None or received[0] != self._number:
            raise ProcessEndedError
        self.is_ready = True
        answer = _TO_PARENT.decode(received[1])
        if isinstance(answer, _Raised):
            raise type(answer.name, (Exception,), {})
        return answer


_idle: list[ChemistryProcess] = []
"""Those that no batch has; the one used last is taken first, so that there are no more than ever worked together."""


@contextmanager
def chemistry_process() -> Iterator[ChemistryProcess | None]:
    """Give a batch a process, one that waits or a new one; none where the system has no room for it."""
    process = _waiting() or _begun()
    try:
        yield process
    finally:
        if process is not None and process.is_ready:
            _idle.append(process)
        elif process is not None:
            process.close()


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


def _send(stream: BinaryIO | Any, number: int, message: Struct) -> None:
    content = msgspec.msgpack.encode(message)
    stream.write(_HEAD.pack(number, len(content)) + content)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> tuple[int, bytes] | None:
    """Give the number and the content of the next message; none where the other side has ended."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    number, length = _HEAD.unpack(head)
    content = stream.read(length)
    return None if len(content) < length else (number, content)


def _answer(request: _Request, read: dict[str, Molecule]) -> _Read | _Rows:
    """Do what is asked, here; `read` holds the molecules of the present batch."""
    if isinstance(request, _Texts):
        read.clear()
        outcomes = Chemistry().read(
            request.texts, (Standardise(**request.options), request.version), Limits(*request.limits)
        )
        read.update((each.smiles, each) for each in outcomes if isinstance(each, Molecule))
        return _Read(
            [
                _Understood(each.smiles, each.notes, each.mark) if isinstance(each, Molecule) else _Refused(*each)
                for each in outcomes
            ]
        )
    if isinstance(request, _Atoms):
        molecule = Molecule(request.smiles, Chem.MolFromSmiles(request.smiles))
        arrays = [rows.array() for rows in request.arrays]
        return _Rows.of(getattr(Chemistry(), request.what)(request.name, molecule, *arrays))
    molecules = [read.get(smiles) or Molecule(smiles, Chem.MolFromSmiles(smiles)) for smiles in request.smiles]
    return _Rows.of(getattr(Chemistry(), request.what)(*request.by, molecules))


def _work() -> None:
    """Answer what comes through stdin, until nobody holds its other end."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    # A terminal and a supervisor tell a whole group: the service still answers what it has begun, and then ends this.
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, signal.SIG_IGN)
    give_way()
    read: dict[str, Molecule] = {}
    _send(answers, 0, _Read([]))
    with suppress(OSError):  # nobody is there to read the answer
        while (received := _receive(requests)) is not None:
            signal.setitimer(signal.ITIMER_PROF, ALONE_S)  # kills it even where the interpreter is held
            try:
                answer: Struct = _answer(_TO_CHILD.decode(received[1]), read)
            except Exception as error:  # noqa: BLE001  RDKit raises what it likes; the service says what becomes of it
                answer = _Raised(type(error).__name__)
            _send(answers, received[0], answer)


if __name__ == "__main__":
    _work()
