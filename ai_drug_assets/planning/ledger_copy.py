"""The ledger's published copy: it says how production was made, for `aidrug plan` on any machine.

Belongs here: writing the copy (beside the bundles, in S3 or a folder) and reading it.
Does not belong here: the ledger itself (see `ledger.py`), which stays on its own disk and is what a run trusts.

`ledger.json` holds all entries at one moment; each entry that changed since is a file of its own, in a folder that is
named after the content of `ledger.json`. When these are a quarter as many, all are written into one file again. So what
is written grows with the number of entries, not with its square, and a reader of an earlier version, which knows
`ledger.json` alone, finds a valid ledger that is at most so far behind.

The copy follows each entry under the ledger's lock. A copy that cannot be written is no reason to fail a training: it
is said in the log, and the next entry publishes everything.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Part, read_artefact
from pydantic import ValidationError
from serving.storage.objects import Objects, open_objects

from ai_drug_assets.planning.ledger import Entry, Ledger
from ai_drug_assets.settings import Settings

SETTING = "AIDRUG_LEDGER"
NAME, CHANGES = "ledger.json", "changes"
FEWEST_CHANGES, SHARE_CHANGED = 32, 4
"""Changes that are always kept apart, and the part of all entries up to which they are."""
READ_AT_ONCE = 16
ATTEMPTS = 5
"""How often a reader begins again because the whole was written meanwhile."""

logger = logging.getLogger(__name__)


ADVICE = "The next run on the host replaces it."


class _Content(Artefact):
    NAME: ClassVar[str] = "ledger"

    entries: Mapping[str, Entry]


class _Published(Part):
    """What was published last: where, the digest and size of the whole, its entries, and how many changed since."""

    place: str
    whole: str
    size: int
    entries: int
    changes: int


class LedgerCopy:
    """The published copy at a place.

    Parameters
    ----------
    place
        A folder or `s3://bucket/prefix`; the copy is `ledger.json` and the folder `changes` there.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._opened: Objects | None = None

    @property
    def _objects(self) -> Objects:
        if self._opened is None:  # boto3 takes half a second to import: only who uses the copy pays
            self._opened = open_objects(self._place, SETTING)
        return self._opened

    def publish(self, key: str, entry: Entry, everything: Callable[[], Mapping[str, Entry]], before: str) -> str:
        """Bring the copy up to date with one entry; what goes wrong is logged. See `ledger.Publish`."""
        try:
            last = self._still_there(before)
            if last is None or last.changes >= max(FEWEST_CHANGES, last.entries // SHARE_CHANGED):
                return self._write_whole(everything()).model_dump_json()
            self._objects.write(_name(last.whole, key), entry.as_bytes())
            return last.model_copy(update={"changes": last.changes + 1}).model_dump_json()
        except StoreError as error:
            logger.warning("the ledger's copy is not up to date: %s", error)
            return ""

    def entries(self) -> dict[str, Entry]:
        """Read the copy; nothing was ever made when there is none.

        Raises
        ------
        StoreError
            When it cannot be read, or is not a ledger.
        """
        content = self._objects.read(NAME)
        for _ in range(ATTEMPTS):
            if content is None:
                return {}
            whole = read_artefact(_Content, content, f"{self._place}/{NAME}", StoreError, ADVICE)
            changed = self._changes(_digest(content))
            read, content = content, self._objects.read(NAME)
            if content == read:  # else the whole was written meanwhile, and its changes removed while they were read
                return {**whole.entries, **changed}
        raise StoreError(f"{self._place}/{NAME}: read {ATTEMPTS} times, and it changed each time: try again")

    def _changes(self, whole: str) -> dict[str, Entry]:
        names = self._objects.names(_name(whole))
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:  # of S3 each takes a while
            contents = list(pool.map(self._objects.read, names))
        return {
            name.removeprefix(_name(whole)).removesuffix(".json"): read_artefact(
                Entry, content, f"{self._place}/{name}", StoreError, ADVICE
            )
            for name, content in zip(names, contents, strict=True)
            if content is not None
        }

    def _still_there(self, before: str) -> _Published | None:
        try:
            last = _Published.model_validate_json(before)
        except ValidationError:
            return None
        return last if last.place == self._place and self._objects.size(NAME) == last.size else None

    def _write_whole(self, entries: Mapping[str, Entry]) -> _Published:
        document = {"format": 1, "entries": {key: entry.as_json() for key, entry in entries.items()}}  # 0.1 wants it
        content = (json.dumps(document, sort_keys=True) + "\n").encode()
        whole = _digest(content)
        outdated = self._objects.names(f"{CHANGES}/")
        for name in (name for name in outdated if name.startswith(_name(whole))):
            self._objects.delete(name)  # everything is again as it was once: what changed after that no longer counts
        self._objects.write(NAME, content)
        for name in outdated:
            self._objects.delete(name)
        return _Published(place=self._place, whole=whole, size=len(content), entries=len(entries), changes=0)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _name(whole: str, key: str = "") -> str:
    return f"{CHANGES}/{whole}/" + (f"{key}.json" if key else "")


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger of this installation, which publishes its copy where the settings name a place for one."""
    publish = LedgerCopy(settings.ledger_copy).publish if settings.ledger_copy else None
    return Ledger(settings.home / "ledger", publish)
