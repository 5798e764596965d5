"""The ledger's published copy: one file that says how production was made, for `aidrug plan` on any machine.

Belongs here: writing that file (beside the bundles, in S3 or a folder) and reading it.
Does not belong here: the ledger itself (see `ledger.py`), which stays on its own disk and is what a run trusts.

The copy is replaced whole after each entry, under the ledger's lock, so it is never older than the last entry. A copy
that cannot be written is no reason to fail a training: it is said in the log, and the next entry publishes everything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import ClassVar

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, read_artefact
from serving.storage.objects import Objects, open_objects

from ai_drug_assets.planning.ledger import Entry, Ledger
from ai_drug_assets.settings import Settings

SETTING = "AIDRUG_LEDGER"
NAME = "ledger.json"

logger = logging.getLogger(__name__)


ADVICE = "The next run on the host replaces it."


class _Content(Artefact):
    NAME: ClassVar[str] = "ledger"

    entries: Mapping[str, Entry]


class LedgerCopy:
    """The published copy at a place.

    Parameters
    ----------
    place
        A folder or `s3://bucket/prefix`; the copy is the file `ledger.json` there.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._opened: Objects | None = None

    @property
    def _objects(self) -> Objects:
        if self._opened is None:  # boto3 takes half a second to import: only who uses the copy pays
            self._opened = open_objects(self._place, SETTING)
        return self._opened

    def publish(self, entries: Mapping[str, Entry]) -> None:
        """Replace the copy; what goes wrong is logged."""
        content = {"format": 1, "entries": {key: entry.as_json() for key, entry in entries.items()}}  # 0.1 wants it
        try:
            self._objects.write(NAME, (json.dumps(content, sort_keys=True) + "\n").encode())
        except StoreError as error:
            logger.warning("the ledger's copy is not up to date: %s", error)

    def entries(self) -> dict[str, Entry]:
        """Read the copy; nothing was ever made when there is none.

        Raises
        ------
        StoreError
            When it cannot be read, or is not a ledger.
        """
        content = self._objects.read(NAME)
        if content is None:
            return {}
        return dict(read_artefact(_Content, content, f"{self._place}/{NAME}", StoreError, ADVICE).entries)


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger of this installation, which publishes its copy where the settings name a place for one."""
    publish = LedgerCopy(settings.ledger_copy).publish if settings.ledger_copy else None
    return Ledger(settings.home / "ledger", publish)
