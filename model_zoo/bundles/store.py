"""Where bundles and the pointer to the current ones live.

Belongs here: the contract of a bundle store, what every store does to a pointer before it writes it, and the store in a
folder.
Does not belong here: the pointer (see `pointer.py`), the store in S3 (`serving/storage/s3_store.py`: this package never
imports boto3), the content of a bundle (see `reader.py`).

The pointer is replaced atomically: a reader sees the old state or the new one, never a mixture. Beside it are
`published.json`, written once, by which a pointer that is gone differs from one that never was, and, in a store
that an earlier version wrote, `current.format1.json`: that version's pointer as it was before the first change by this
one. Copied over `current.json`, it is the way back.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from model_zoo.bundles.card import FILE as CARD
from model_zoo.bundles.card import ModelCard, parse_card
from model_zoo.bundles.manifest import FILE as MANIFEST
from model_zoo.bundles.manifest import parse_manifest
from model_zoo.bundles.pointer import (
    POINTER,
    Current,
    Pointer,
    PointerError,
    Rollout,
    ServedVersion,
    Withdrawal,
    is_unsealed,
    new_lineage,
    parse_pointer,
)
from model_zoo.bundles.reader import read_verified, verify_files
from model_zoo.errors import BundleError, StoreError
from model_zoo.io.digests import content_digest
from model_zoo.io.files import atomic_write, fsync

__all__ = [
    "POINTER",
    "Current",
    "FolderStore",
    "Pointer",
    "PointerError",
    "Rollout",
    "ServedVersion",
    "Store",
    "Withdrawal",
    "parse_pointer",
    "read_card",
]

PROGRESS = "progress.json"
PUBLISHED = "published.json"
WAY_BACK = "current.format1.json"
LOST = (
    f"the pointer {POINTER} is gone, and {PUBLISHED} shows that there was one: put back its last intact version, or "
    "the whole state of a backup (docs/operations/disaster-recovery.md). Where there is neither, remove "
    f"{PUBLISHED}: the next run begins a new one, and what was rolled back from is forgotten"
)


class BundleGoneError(StoreError):
    """A version is not in the store, which itself can be read."""


class Store(Protocol):
    """What a bundle store can do. Every method may raise `StoreError`."""

    def read_pointer_bytes(self) -> bytes | None:
        """Return the pointer file as it is, or none when nothing was ever published.

        Raises
        ------
        PointerError
            When something was, and the pointer is gone.
        """

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Replace the pointer by `change(pointer)` atomically, no matter who else does the same.

        Raises
        ------
        PointerError
            When the present one is damaged or gone: nothing is concluded from it, so nothing is written.
        StoreError
            When a version that is to serve is not in the store.
        """

    def restore_pointer(self, saved: Pointer) -> Pointer:
        """Replace the pointer, whole, damaged or absent, by a saved one as the first of another lineage."""

    def read_progress_bytes(self) -> bytes | None:
        """Return what a run last said of its progress (see `progress.py`), or none when nothing is being made."""

    def write_progress(self, content: bytes | None) -> None:
        """Say what is being made; none when the run is over."""

    def put_bundle(self, folder: Path) -> str:
        """Publish a complete bundle folder under its endpoint and version; give the version.

        Publishing a version that is already there, complete, changes nothing.
        """

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Return a local folder that holds the bundle's files. Verifying them is the caller's work."""

    def read_manifest_bytes(self, endpoint: str, version: str) -> bytes:
        """Return the manifest of a version as it is, without its other files."""


def read_card(store: Store, endpoint: str, version: str) -> ModelCard:
    """Read the model card of a published bundle, without loading the bundle.

    Raises
    ------
    BundleGoneError
        When the bundle is not in the store.
    BundleError
        When the card, or the manifest that covers it, was altered or needs a newer reader.
    """
    folder = store.fetch_bundle(endpoint, version)
    return parse_card(read_verified(folder, CARD), str(folder / CARD))


def completed(after: Pointer, before: Pointer, manifest_of: Callable[[str, str], bytes]) -> Pointer:
    """Return a pointer as it is written: of a lineage, and with the digest of every manifest that it relies on.

    Parameters
    ----------
    after, before
        The pointer to write, and the one it replaces.
    manifest_of
        Reads the manifest of an endpoint's version from the store; raises `StoreError` or `BundleError`.

    Raises
    ------
    StoreError
        When a version that did not serve before is not in the store, or its manifest is not its own; when the pointer
        cannot come after that one.
    """

    def covered(endpoint: str, entry: ServedVersion, known: ServedVersion | None) -> str | None:
        if entry.manifest is not None:
            return entry.manifest
        try:
            content = manifest_of(endpoint, entry.version)
            found = parse_manifest(content, f"{endpoint}/{entry.version}/{MANIFEST}")
            if (found.endpoint, found.version) == (endpoint, entry.version):
                return content_digest(content)
            fault = f"its manifest says that it is {found.endpoint}/{found.version}"
        except (StoreError, BundleError) as error:
            fault = str(error)
        if known is not None and known.version == entry.version:
            return None  # an earlier version appointed it: what is wrong with it must not keep others from serving
        raise StoreError(f"{endpoint} cannot be served by {entry.version}: {fault}. Publish the bundle first")

    endpoints = {}
    for endpoint, now in after.endpoints.items():
        was, trial = before.endpoints.get(endpoint), now.challenger
        if trial is not None:
            digest = covered(endpoint, trial, was.challenger if was else None)
            trial = trial.model_copy(update={"manifest": digest})
        digest = covered(endpoint, now, was)
        endpoints[endpoint] = now.model_copy(update={"manifest": digest, "challenger": trial})
    lineage = after.lineage or before.lineage or new_lineage()
    whole = after.model_copy(update={"endpoints": endpoints, "lineage": lineage})
    if fault := whole.damage_after(before):
        raise StoreError(f"{fault}: services would refuse it, so it is not written")
    return whole


def published() -> bytes:
    """Return the content of `published.json`."""
    return (json.dumps({"began": datetime.now(UTC).isoformat(timespec="seconds")}) + "\n").encode()


class FolderStore:
    """A bundle store in a folder of the local file system."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"FolderStore({str(self.root)!r})"

    def read_pointer_bytes(self) -> bytes | None:
        """Read the pointer file; none when it does not exist yet."""
        content = self._read(POINTER)
        if content is None and self._read(PUBLISHED) is not None:
            content = self._read(POINTER)  # the first one may have been written between the two questions
            if content is None:
                raise PointerError(LOST)
        return content

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Replace the pointer under a lock that dies with its process."""
        with self._lock():
            content = self.read_pointer_bytes()
            before = parse_pointer(content)
            after = change(before)
            if after != before:
                if content is not None and is_unsealed(content):
                    atomic_write(self.root / WAY_BACK, content)
                after = completed(after, before, self.read_manifest_bytes)
                self._replace_pointer(after)
            return after

    def restore_pointer(self, saved: Pointer) -> Pointer:
        """Replace the pointer under the same lock."""
        with self._lock():
            restored = completed(saved.restored(), saved, self.read_manifest_bytes)
            self._replace_pointer(restored)
            return restored

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
                    fsync(path)
                fsync(temporary)
                temporary.chmod(0o755)
                temporary.rename(target)
                fsync(target.parent)
                self._sweep(target.parent)
        return manifest.version

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Return the bundle's own folder: local bundles need no copy."""
        folder = self.bundle_folder(endpoint, version)
        if not folder.is_dir():
            raise BundleGoneError(f"bundle {endpoint}/{version} is not in the store {self.root}")
        return folder

    def bundle_folder(self, endpoint: str, version: str) -> Path:
        """Return where a bundle is, whether it exists or not."""
        return self.root / "bundles" / endpoint / version

    def _replace_pointer(self, pointer: Pointer) -> None:
        for leftover in self.root.glob(f".{POINTER}.*"):  # of a killed writer: the lock is ours now
            leftover.unlink(missing_ok=True)
        atomic_write(self.root / POINTER, pointer.as_bytes())
        if not (self.root / PUBLISHED).exists():
            atomic_write(self.root / PUBLISHED, published())

    def read_manifest_bytes(self, endpoint: str, version: str) -> bytes:
        """Return a version's manifest as it is."""
        content = self._read(f"bundles/{endpoint}/{version}/{MANIFEST}")
        if content is None:
            raise BundleGoneError(f"bundle {endpoint}/{version} is not in the store {self.root}")
        return content

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
