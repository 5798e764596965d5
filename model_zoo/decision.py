"""The decision: which bundles an election came to, as `champion.json` hands them on to the service's pointer.

Belongs here: its fields, its one reader and writer.
Does not belong here: the election (see `champion.py`), what people are told of it (see `card.py`), the pointer.

Format 2 states its version and says nothing else than format 1, which had no `challenger` at first.
"""

from __future__ import annotations

from typing import ClassVar

from model_zoo.artefacts import Artefact, Format, read_artefact
from model_zoo.errors import StoreError

FILE = "champion.json"


class Decision(Artefact):
    """The versions of the bundles that serve and are on trial, and why."""

    NAME: ClassVar[str] = "decision"
    READER: ClassVar[int] = 2

    format: Format = READER
    version: str | None
    """Of the champion's bundle; none where nobody may serve."""
    challenger: str | None = None
    """Of the bundle on trial beside it."""
    reason: str


def parse_decision(content: bytes, where: str) -> Decision:
    """Read a decision's bytes.

    Raises
    ------
    StoreError
        When they are no decision, or need a newer reader.
    """
    return read_artefact(Decision, content, where, StoreError)
