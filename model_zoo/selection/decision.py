"""The decision: which bundles an election came to, as `election.json` hands them on to the service's pointer.

Format 2 states its version and says nothing else than format 1, which had no `challenger` at first.
"""

from __future__ import annotations

from typing import ClassVar

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Format, read_artefact

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
