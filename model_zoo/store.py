"""Where bundles and the pointer to the current ones live.

Belongs here: the contract of a bundle store, the pointer, and the store in a folder.
Does not belong here: the store in S3 (`serving/s3_store.py`: this package never imports boto3), the
content of a bundle (see `bundle.py`).

One pointer file names the current version of every endpoint, so that a change of several champions is
seen as one. It is replaced atomically: a reader sees the old state or the new one, never a mixture::

    {"format": 1, "generation": 7, "endpoints": {"solubility_logs": {
        "version": "rf-0123456789ab", "since": "2026-01-31T12:00:00+00:00", "by": "inference_service",
        "held": null, "history": [{"version": ..., "since": ..., "by": ...}]}}}

`history` is oldest first and does not hold the current version. `held` is a version that somebody
rolled back from, `over` one whose challenger was promoted over it: neither is published again by itself.
`challenger`, where there is one, is a version on trial beside the champion:
`{"version": ..., "since": ..., "by": ..., "mode": "split", "share": 0.1}`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_zoo.bundle import verify_files
from model_zoo.errors import StoreError
from model_zoo.trials import TrialMode

POINTER = "current.json"
PROGRESS = "progress.json"
HISTORY_LENGTH = 50


class Appointment(BaseModel):
    """A version that served an endpoint, since when, and who put it there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    since: str
    by: str


class Trial(Appointment):
    """A version on trial beside the champion.

    In the `shadow` it predicts what the champion predicts, and nobody is told. In a `split` it answers for `share` of
    the molecules, always the same ones.
    """

    mode: TrialMode
    share: float = Field(default=0.1, gt=0, lt=1)


class Current(Appointment):
    """The version that serves an endpoint now, those before it, and the one on trial."""

    held: str | None = None
    over: str | None = None
    challenger: Trial | None = None
    history: tuple[Appointment, ...] = ()


class Pointer(BaseModel):
    """The current version of every endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    generation: int = 0
    endpoints: dict[str, Current] = {}

    def appoint(self, versions: dict[str, str], by: str) -> Pointer:
        """Give the pointer with these versions current; those that already are, or are held, stay as they are."""
        endpoints = dict(self.endpoints)
        for endpoint, version in versions.items():
            now = endpoints.get(endpoint)
            if now is not None and version in (now.version, now.held, now.over):
                continue
            endpoints[endpoint] = Current(
                version=version, since=_now(), by=by, history=_grown(now), held=now.held if now else None
            )
        return self._with(endpoints)

    def put_on_trial(self, trials: Mapping[str, tuple[str, TrialMode, float] | None], by: str) -> Pointer:
        """Give the pointer with these challengers on trial, each a version, mode and share; none ends a trial.

        A version that serves, or is held, is not put on trial; a trial that runs as wanted keeps its date.
        """
        endpoints = dict(self.endpoints)
        for endpoint, wanted in trials.items():
            now = endpoints.get(endpoint)
            if now is None:
                continue
            trial = None
            if wanted is not None and wanted[0] not in (now.version, now.held, now.over):
                trial = Trial(version=wanted[0], since=_now(), by=by, mode=wanted[1], share=wanted[2])
                runs = now.challenger
                if runs and (runs.version, runs.mode, runs.share) == (trial.version, trial.mode, trial.share):
                    trial = runs
            endpoints[endpoint] = now.model_copy(update={"challenger": trial})
        return self._with(endpoints)

    def promote(self, endpoint: str, by: str) -> Pointer:
        """Give the pointer with the endpoint's challenger as its champion, in the present one's place.

        Raises
        ------
        StoreError
            When no challenger is on trial.
        """
        now = self.endpoints.get(endpoint)
        if now is None or now.challenger is None:
            raise StoreError(f"endpoint {endpoint!r} has no challenger on trial: nothing to promote")
        promoted = Current(
            version=now.challenger.version, since=_now(), by=by, held=now.held, over=now.version, history=_grown(now)
        )
        return self._with({**self.endpoints, endpoint: promoted})

    def as_bytes(self) -> bytes:
        """Give the pointer's file; what there is none of is left out, so that an older service can read it."""
        return (json.dumps(self.model_dump(mode="json", exclude_none=True), indent=1, sort_keys=True) + "\n").encode()

    def roll_back(self, endpoint: str, by: str) -> Pointer:
        """Give the pointer with the endpoint's previous version current and the present one held.

        Raises
        ------
        StoreError
            When the endpoint serves nothing, or never served anything else.
        """
        now = self.endpoints.get(endpoint)
        if now is None:
            known = ", ".join(self.endpoints) or "none"
            raise StoreError(f"no champion serves endpoint {endpoint!r}: endpoints that serve are {known}")
        left = (now.version, now.held)  # going back twice must not return to the version left first
        previous = next((entry for entry in reversed(now.history) if entry.version not in left), None)
        if previous is None:
            raise StoreError(f"endpoint {endpoint!r} has no earlier champion to go back to")
        back = Current(version=previous.version, since=_now(), by=by, held=now.version, history=_grown(now))
        return self._with({**self.endpoints, endpoint: back})

    def _with(self, endpoints: dict[str, Current]) -> Pointer:
        if endpoints == self.endpoints:
            return self
        return Pointer(generation=self.generation + 1, endpoints=endpoints)


def _grown(now: Current | None) -> tuple[Appointment, ...]:
    if now is None:
        return ()
    entry = Appointment(version=now.version, since=now.since, by=now.by)
    return (*now.history, entry)[-HISTORY_LENGTH:]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store(Protocol):
    """What a bundle store can do. Every method may raise `StoreError`."""

    def read_pointer_bytes(self) -> bytes | None:
        """Give the pointer file as it is, or none when nothing was ever published."""

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Replace the pointer by `change(pointer)` atomically, no matter who else does the same."""

    def read_progress_bytes(self) -> bytes | None:
        """Give what a run last said of its progress (see `progress.py`), or none when nothing is being made."""

    def write_progress(self, content: bytes | None) -> None:
        """Say what is being made; none when the run is over."""

    def put_bundle(self, folder: Path) -> str:
        """Publish a complete bundle folder under its endpoint and version; give the version.

        Publishing a version that is already there, complete, changes nothing.
        """

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Give a local folder that holds the bundle's files. Verifying them is the caller's work."""


def read_card(store: Store, endpoint: str, version: str) -> dict[str, Any]:
    """Read the model card of a published bundle, without loading the bundle.

    Raises
    ------
    StoreError
        When the bundle is not in the store.
    """
    card: dict[str, Any] = json.loads((store.fetch_bundle(endpoint, version) / "card.json").read_bytes())
    return card


def parse_pointer(content: bytes | None) -> Pointer:
    """Read a pointer's bytes; none is the empty pointer.

    Raises
    ------
    StoreError
        When the bytes are not a valid pointer.
    """
    if content is None:
        return Pointer()
    try:
        return Pointer.model_validate_json(content)
    except ValidationError as error:
        raise StoreError(f"the pointer {POINTER} is not valid: {error}") from error


class FolderStore:
    """A bundle store in a folder of the local file system."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"FolderStore({str(self.root)!r})"

    def read_pointer_bytes(self) -> bytes | None:
        """Read the pointer file; none when it does not exist yet."""
        return self._read(POINTER)

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Replace the pointer under a lock that dies with its process."""
        with self._lock():
            before = parse_pointer(self.read_pointer_bytes())
            after = change(before)
            if after != before:
                for leftover in self.root.glob(f".{POINTER}.*"):  # of a killed writer: the lock is ours now
                    leftover.unlink(missing_ok=True)
                atomic_write(self.root / POINTER, after.as_bytes())
            return after

    def read_progress_bytes(self) -> bytes | None:
        """Read the file beside the pointer."""
        return self._read(PROGRESS)

    def write_progress(self, content: bytes | None) -> None:
        """Replace the file beside the pointer, or remove it."""
        try:
            if content is None:
                (self.root / PROGRESS).unlink(missing_ok=True)
            else:
                atomic_write(self.root / PROGRESS, content)
        except OSError as error:
            raise StoreError(f"{self.root / PROGRESS}: cannot be written: {error}") from error

    def put_bundle(self, folder: Path) -> str:
        """Copy a bundle to a temporary name, force it to disk, then rename it."""
        manifest = verify_files(folder)
        target = self.bundle_folder(manifest.endpoint, manifest.version)
        with self._lock():
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary = Path(tempfile.mkdtemp(prefix=f".{manifest.version}.", dir=target.parent))
                shutil.copytree(folder, temporary, dirs_exist_ok=True)
                for path in temporary.rglob("*"):
                    _fsync(path)
                _fsync(temporary)
                temporary.chmod(0o755)
                temporary.rename(target)
                _fsync(target.parent)
                self._sweep(target.parent)
        return manifest.version

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Give the bundle's own folder: local bundles need no copy."""
        folder = self.bundle_folder(endpoint, version)
        if not folder.is_dir():
            raise StoreError(f"bundle {endpoint}/{version} is not in the store {self.root}")
        return folder

    def bundle_folder(self, endpoint: str, version: str) -> Path:
        """Give where a bundle lies, whether it exists or not."""
        return self.root / "bundles" / endpoint / version

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.root / name}: cannot be read: {error.strerror}") from error

    def _sweep(self, parent: Path) -> None:
        """Remove what a killed writer left behind; safe, because the writer's lock is ours now."""
        for leftover in parent.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / ".lock").open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise StoreError(f"the store {self.root} cannot be written: {error}") from error


def atomic_write(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, finds the old content or the new, nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _fsync(path.parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
