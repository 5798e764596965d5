"""The bundle store in S3, with the same promises as the store in a folder.

A bundle without `manifest.json` does not exist, so a writer killed half-way leaves nothing that is read. The pointer is
replaced on the condition that nobody else did since it was read.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from model_zoo.bundles.manifest import FILE as MANIFEST
from model_zoo.bundles.pointer import POINTER, Pointer, PointerError, is_unsealed, parse_pointer
from model_zoo.bundles.reader import verify_files
from model_zoo.bundles.store import LOST, PROGRESS, PUBLISHED, WAY_BACK, BundleGoneError, completed, published
from model_zoo.errors import BundleError, StoreError
from serving.storage.objects import S3Objects

ATTEMPTS = 30
"""How often a pointer update is tried against other writers before it gives up."""


class S3Store:
    """A bundle store under a prefix of an S3 bucket."""

    def __init__(self, bucket: str, prefix: str, cache_folder: Path, client: object = None) -> None:
        self.bucket, self.prefix, self.cache_folder = bucket, prefix.strip("/"), Path(cache_folder)
        self._objects = S3Objects(bucket, prefix, client)

    def __repr__(self) -> str:
        return f"S3Store('s3://{self.bucket}/{self.prefix}')"

    def read_pointer_bytes(self) -> bytes | None:
        """Read the pointer object; none when it does not exist yet."""
        return self._get_pointer()[0]

    def read_progress_bytes(self) -> bytes | None:
        """Read the object beside the pointer."""
        return self._objects.read(PROGRESS)

    def write_progress(self, content: bytes | None) -> None:
        """Replace the object beside the pointer, or remove it."""
        if content is None:
            self._objects.delete(PROGRESS)
        else:
            self._objects.write(PROGRESS, content)

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Replace the pointer on the condition that nobody else did since it was read; else start again."""

        def replaced(content: bytes | None) -> Pointer | None:
            before = parse_pointer(content)
            after = change(before)
            if after == before:
                return None
            if content is not None and is_unsealed(content):
                self._objects.write(WAY_BACK, content)
            return completed(after, before, self.read_manifest_bytes)

        return self._replace_pointer(self._get_pointer, replaced)

    def restore_pointer(self, saved: Pointer) -> Pointer:
        """Replace the pointer by a saved one on the same condition, whatever was there."""
        restored = completed(saved.restored(), saved, self.read_manifest_bytes)
        return self._replace_pointer(lambda: self._objects.read_tagged(POINTER), lambda _: restored)

    def _replace_pointer(
        self,
        read: Callable[[], tuple[bytes | None, str | None]],
        replaced: Callable[[bytes | None], Pointer | None],
    ) -> Pointer:
        for attempt in range(ATTEMPTS):
            content, tag = read()
            after = replaced(content)
            if after is None:
                return parse_pointer(content)
            if self._objects.replace(POINTER, after.as_bytes(), tag):
                if not self._objects.exists(PUBLISHED):
                    self._objects.write(PUBLISHED, published())
                return after
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311  only to part the writers
        raise StoreError(f"the pointer of {self!r} was changed by others {ATTEMPTS} times in a row: try again")

    def put_bundle(self, folder: Path) -> str:
        """Upload every file of a bundle, its manifest last; nothing when the manifest is already there."""
        manifest = verify_files(folder)
        base = f"bundles/{manifest.endpoint}/{manifest.version}"
        if not self._objects.exists(f"{base}/{MANIFEST}"):
            for name in (*sorted(manifest.files), MANIFEST):
                self._objects.upload(f"{base}/{name}", folder / name)
        return manifest.version

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Download a bundle under a temporary name and rename it; a whole copy in the cache is used as it is."""
        target = self.cache_folder / endpoint / version
        try:
            verify_files(target)
            return target
        except BundleError:
            pass  # absent, or damaged in the cache: fetched again
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=target.parent))
        try:
            self._download(endpoint, version, temporary)
            temporary.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        except OSError as error:
            # Another process may have put the same version there between the two calls above.
            if not (target / MANIFEST).is_file():
                raise StoreError(f"the bundle cache {target} cannot be written: {error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    def _download(self, endpoint: str, version: str, folder: Path) -> None:
        base = f"bundles/{endpoint}/{version}"
        if not self._objects.exists(f"{base}/{MANIFEST}"):
            raise BundleGoneError(f"bundle {endpoint}/{version} is not in the store {self!r}")
        self._objects.download(f"{base}/{MANIFEST}", folder / MANIFEST)
        for name in _file_names(folder / MANIFEST):
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise BundleError(f"bundle {endpoint}/{version} names a file outside itself: {name!r}")
            self._objects.download(f"{base}/{name}", path)

    def _get_pointer(self) -> tuple[bytes | None, str | None]:
        found = self._objects.read_tagged(POINTER)
        if found[0] is None and self._objects.exists(PUBLISHED):
            found = self._objects.read_tagged(POINTER)  # the first one may have been written between the two questions
            if found[0] is None:
                raise PointerError(LOST)
        return found

    def read_manifest_bytes(self, endpoint: str, version: str) -> bytes:
        """Return a version's manifest as it is."""
        content = self._objects.read(f"bundles/{endpoint}/{version}/{MANIFEST}")
        if content is None:
            raise BundleGoneError(f"bundle {endpoint}/{version} is not in the store {self!r}")
        return content


def _file_names(manifest: Path) -> list[str]:
    """List the files a manifest names; a manifest that cannot be read names none: verifying says why."""
    try:
        return sorted(str(name) for name in json.loads(manifest.read_bytes())["files"])
    except (ValueError, KeyError, TypeError):
        return []
