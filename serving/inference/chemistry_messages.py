"""What goes to a process that does chemistry, and back: data only, never pickled; each message with its number.

Belongs here: the messages, and how they are in a pipe.
Does not belong here: who sends them (see `chemistry_process.py`), who answers (see `chemistry_worker.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from model_zoo.chemistry.standardisation.outcome import Note
from model_zoo.type_aliases import Numbers

Kind = Literal["featurize", "fingerprints", "size_and_kind"]
AtomKind = Literal["without_atoms", "spread", "spread_above_average"]
_HEAD = struct.Struct("<QQ")
"""Of each message: its number, and its length in bytes."""


class Rows(Struct, tag=True, frozen=True):
    """An array."""

    kind: str
    shape: tuple[int, ...]
    content: bytes

    @classmethod
    def of(cls, array: NDArray[np.generic]) -> Rows:
        """Pack an array."""
        return cls(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())

    def array(self) -> Numbers:
        """Unpack it, equal to the last bit."""
        return np.frombuffer(bytearray(self.content), self.kind).reshape(self.shape)


class Texts(Struct, tag=True, frozen=True):
    """Texts to read as molecules."""

    texts: Sequence[str]
    options: dict[str, bool]
    version: int
    limits: tuple[int, int]


class Smiles(Struct, tag=True, frozen=True):
    """Standardised molecules to compute rows of."""

    what: Kind
    by: tuple[str | int, ...]
    smiles: Sequence[str]


class Atoms(Struct, tag=True, frozen=True):
    """A standardised molecule whose atoms are to be told apart."""

    what: AtomKind
    name: str
    smiles: str
    arrays: tuple[Rows, ...]


class UnderstoodText(Struct, tag=True, frozen=True):
    """A text that is a molecule."""

    smiles: str
    notes: tuple[Note, ...]
    mark: str


class RefusedText(Struct, tag=True, frozen=True):
    """A text that is not predicted."""

    code: str
    detail: str


class Readings(Struct, tag=True, frozen=True):
    """What became of texts."""

    readings: list[UnderstoodText | RefusedText]


class Raised(Struct, tag=True, frozen=True):
    """The name of what was raised; its message may hold a structure."""

    name: str


Request = Texts | Smiles | Atoms
REQUESTS = msgspec.msgpack.Decoder(Request)
ANSWERS = msgspec.msgpack.Decoder(Readings | Rows | Raised)


def send(stream: IO[bytes], number: int, message: Struct) -> None:
    """Send a message, whole."""
    content = msgspec.msgpack.encode(message)
    stream.write(_HEAD.pack(number, len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[int, bytes] | None:
    """Return the number and the content of the next message; none where the other side has ended."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    number, length = _HEAD.unpack(head)
    content = stream.read(length)
    return None if len(content) < length else (number, content)
