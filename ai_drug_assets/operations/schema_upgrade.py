"""The record of the last upgrade of the databases' schema: which backup is the way back.

It is apart from the upgrade itself (`schema_migration.py`), because backups must not delete what it names.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, read_artefact
from pydantic import Field

from ai_drug_assets.settings import Settings

RECORD = "schema_upgrade.json"


class Upgrade(Artefact):
    """The last upgrade, for the way back."""

    NAME: ClassVar[str] = "schema upgrade"
    READER: ClassVar[int] = 1

    format: Annotated[int, Field(ge=1)] = 1
    minimum_reader: Annotated[int, Field(ge=1)] = 1
    git_sha: str
    place: str
    snapshot: str


def last_upgrade(settings: Settings) -> Upgrade | None:
    """Read the record; none when there was no upgrade since the last revision that made none.

    Raises
    ------
    StoreError
        When the record is damaged.
    """
    path = settings.home / RECORD
    return read_artefact(Upgrade, path.read_bytes(), str(path), StoreError) if path.is_file() else None
