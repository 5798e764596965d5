"""The leaderboard: all trained models of an endpoint, best first, as `leaderboard.json` keeps them.

Format 2 states its version and says nothing else than format 1, which had no `awaited` at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Format, read_artefact
from model_zoo.selection.scores import Scale, Scored

FILE = "leaderboard.json"


class Row(Scored):
    """A trained model: the asset, its model and signature, the data version it was scored on, and its scores."""

    asset: str
    model: str
    signature: str
    snapshot: str


class Leaderboard(Artefact):
    """All trained models of an endpoint, scored on the same folds."""

    NAME: ClassVar[str] = "leaderboard"
    READER: ClassVar[int] = 2

    format: Format = READER
    endpoint: str
    metric: str
    """The one that decides."""
    scale: Scale = "unit"
    """The one that the metric is on."""
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    """Best first."""
    absent: Mapping[str, str]
    """Why each model that was not scored is not there, by asset."""
    awaited: tuple[str, ...] = ()
    """Models that are yet to be trained."""

    def row(self, signature: str) -> Row | None:
        """Find a trained model by its signature."""
        return next((row for row in self.rows if row.signature == signature), None)


def parse_leaderboard(content: bytes, where: str) -> Leaderboard:
    """Read a leaderboard's bytes.

    Raises
    ------
    StoreError
        When they are no leaderboard, or need a newer reader.
    """
    return read_artefact(Leaderboard, content, where, StoreError)
