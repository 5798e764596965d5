"""The ledger: from which record each asset was last made, and how its last attempt ended.

Belongs here: one small JSON file per asset, written when an asset has been made (or has failed), in every kind of run:
the UI, the sensor or the command line. It holds the whole record, so that `aidrug plan` can say why something is
stale in milliseconds: asking Dagster's own storage costs 2.6 s of imports before the first answer.
Does not belong here: history (Dagster and MLflow keep it), artefacts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Protocol

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Format, Part, read_artefact
from model_zoo.io.files import atomic_write, fsync
from model_zoo.provenance.signature_record import SignatureRecord

from ai_drug_assets.planning.stamps import GONE, Stamp, stamp
from ai_drug_assets.processes import one_at_a_time


def code_version_of(signature: str) -> str:
    """Return the code version of what has this signature.

    Examples
    --------
    >>> code_version_of("0123456789abcdef0123")
    '0123456789abcdef'
    """
    return signature[:16]


class Made(Part):
    """The last time an asset was made."""

    signature: str
    record: SignatureRecord
    data_version: str
    inputs: Mapping[str, str]
    """Data versions of the assets it was made from, by key."""
    run_id: str
    git_sha: str
    at: str
    files: Mapping[str, int] = {}
    """The size of each file that it left at its place; empty where no list was kept."""


class Failure(Part):
    """An attempt that failed after the asset was last made."""

    signature: str
    error: str
    run_id: str
    at: str
    passing: bool = False
    """Whether the cause was outside the asset and may be gone by now: it is tried again (see `retraining.py`)."""
    times: int = 1
    """How many attempts in a row failed under this signature."""


class Entry(Artefact):
    """What the ledger knows of one asset."""

    NAME: ClassVar[str] = "ledger entry"
    READER: ClassVar[int] = 2

    format: Format = READER

    made: Made | None = None
    failure: Failure | None = None


ADVICE = "Remove the file; the asset is then made again."
PUBLISHED = ".published"
"""Says what the copy holds; empty from before an entry changes until the copy followed, whatever ends the process."""


class Publish(Protocol):
    """What is called for each change, under the ledger's lock (see `ledger_copy.py`)."""

    def __call__(self, key: str, entry: Entry, everything: Callable[[], Mapping[str, Entry]], before: str) -> str:
        """Take one changed entry.

        Parameters
        ----------
        key, entry
            What changed.
        everything
            Gives all entries.
        before
            What the last call gave; empty where it may not have seen every change since.

        Returns
        -------
        str
            Something for the next call; empty where it failed.
        """


class Ledger:
    """The ledger in a folder."""

    def __init__(self, folder: Path, publish: Publish | None = None) -> None:
        self._folder = folder
        self._publish = publish

    def read(self, key: str) -> Entry:
        """Return what is known of an asset; an empty entry when nothing is.

        Raises
        ------
        StoreError
            When the entry is not readable.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return Entry()
        except OSError as error:
            raise StoreError(f"{path}: expected a ledger entry, and it cannot be read: {error.strerror}") from error
        entry = read_artefact(Entry, content, str(path), StoreError, ADVICE)
        if not entry.model_fields_set & {"made", "failure"}:
            raise StoreError(
                f"{path} is not a valid ledger entry: expected what was made or failed, got neither. {ADVICE}"
            )
        return entry

    def entries(self) -> dict[str, Entry]:
        """Return every readable entry, by key."""
        found = {}
        for path in sorted(self._folder.rglob("*.json")):
            key = path.relative_to(self._folder).with_suffix("").as_posix()
            with suppress(StoreError):  # reading that key reports it
                found[key] = self.read(key)
        return found

    def made_under(self, key: str, signature: str) -> Made | None:
        """Return how an asset was last made if that was under this signature; none when it is missing or outdated."""
        made = self.read(key).made
        return made if made is not None and made.signature == signature else None

    def record_made(self, key: str, made: Made) -> None:
        """Write that an asset was made; an earlier failure is forgotten."""
        with self._locked():
            self._write(key, Entry(made=made))

    def record_failure(self, key: str, failure: Failure) -> None:
        """Write that an attempt failed; what was made before stays on record."""
        with self._locked():  # or a success that is written between the reading and the writing would be lost
            try:
                known = self.read(key)
            except StoreError:  # an unreadable entry must not hide why the attempt failed
                known = Entry()
            before = known.failure
            if before is not None and before.signature == failure.signature:
                failure = failure.model_copy(update={"times": before.times + failure.times})
            self._write(key, Entry(made=known.made, failure=failure))

    def try_again(self, key: str) -> None:
        """Forget that attempts failed: somebody removed the cause."""
        with self._locked():
            self._write(key, self.read(key).model_copy(update={"failure": None}))

    def forget(self, key: str) -> None:
        """Forget that an asset was made: what it left is gone."""
        with self._locked():
            self._write(key, self.read(key).model_copy(update={"made": None}))

    def _locked(self) -> AbstractContextManager[None]:
        return one_at_a_time(self._folder / ".lock")

    def _write(self, key: str, entry: Entry) -> None:
        mark = self._folder / PUBLISHED
        before = mark.read_text(encoding="utf-8", errors="replace") if mark.exists() else ""
        if before:
            mark.write_text("", encoding="utf-8")
            fsync(mark)
        atomic_write(self._path(key), entry.as_bytes())
        if self._publish is not None:
            mark.write_text(self._publish(key, entry, self.entries, before), encoding="utf-8")

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


class LedgerView(Ledger):
    """The ledger for somebody who looks often: an entry is read again only when its file changed.

    Its entries come without records, which are large and decide nothing: staleness is a question of signatures and data
    versions. A damaged entry counts as none, so that the asset is made again and its file written whole.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[str, tuple[Stamp, Entry]] = {}

    def read(self, key: str) -> Entry:
        """Return what is known of an asset, without the record that it was made from."""
        mark = stamp(self._path(key))
        if mark == GONE:
            return Entry()
        kept = self._kept.get(key)
        if kept is None or kept[0] != mark:
            kept = self._kept[key] = (mark, self._slim(key))
        return kept[1]

    def _slim(self, key: str) -> Entry:
        try:
            entry = super().read(key)
        except StoreError:
            return Entry()
        if entry.made is None:
            return entry
        return entry.model_copy(update={"made": entry.made.model_copy(update={"record": {}})})


def now() -> str:
    """Return the time as the ledger writes it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
