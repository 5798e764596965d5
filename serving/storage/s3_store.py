"""The bundle store in S3, with the same promises as the store in a folder.

A bundle without `manifest.json` does not exist, so a writer killed half-way leaves nothing that is
read. Address and credentials come from boto3's own configuration (`AWS_ENDPOINT_URL_S3`, the
instance's role), never from here.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from model_zoo.bundles.manifest import FILE as MANIFEST
from model_zoo.bundles.pointer import POINTER, Pointer, PointerError, is_unsealed, parse_pointer
from model_zoo.bundles.reader import verify_files
from model_zoo.bundles.store import LOST, PROGRESS, PUBLISHED, WAY_BACK, completed, published
from model_zoo.errors import BundleError, StoreError

ATTEMPTS = 30
"""How often a pointer update is tried against other writers before it gives up."""
_LOST_THE_RACE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_ABSENT = {"NoSuchKey", "404"}


class S3Store:
    """A bundle store under a prefix of an S3 bucket.

    Parameters
    ----------
    bucket, prefix
        Where the store is; slashes around the prefix do not matter.
    cache_folder
        Where fetched bundles are kept, a folder per endpoint and version.
    client
        An S3 client of boto3; one with boto3's own configuration when omitted.
    """

    def __init__(self, bucket: str, prefix: str, cache_folder: Path, client: Any = None) -> None:
        self.bucket, self.prefix, self.cache_folder = bucket, prefix.strip("/"), Path(cache_folder)
        # The service polls: an unreachable store must be noticed within seconds, not after a minute.
        config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._client: Any = client if client is not None else boto3.client("s3", config=config)

    def __repr__(self) -> str:
        return f"S3Store('s3://{self.bucket}/{self.prefix}')"

    def read_pointer_bytes(self) -> bytes | None:
        """Read the pointer object; none when it does not exist yet."""
        return self._get_pointer()[0]

    def read_progress_bytes(self) -> bytes | None:
        """Read the object beside the pointer."""
        return self._get(PROGRESS)[0]

    def write_progress(self, content: bytes | None) -> None:
        """Replace the object beside the pointer, or remove it."""
        if content is not None:
            self._put(PROGRESS, content)
            return
        with self._reported(f"{PROGRESS} of {self!r} cannot be written"):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(PROGRESS))

    def update_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Replace the pointer on the condition that nobody else did since it was read; else start again."""

        def replaced(content: bytes | None) -> Pointer | None:
            before = parse_pointer(content)
            after = change(before)
            if after == before:
                return None
            if content is not None and is_unsealed(content):
                self._put(WAY_BACK, content)
            return completed(after, before, self.read_manifest_bytes)

        return self._replace_pointer(self._get_pointer, replaced)

    def restore_pointer(self, saved: Pointer) -> Pointer:
        """Replace the pointer by a saved one on the same condition, whatever was there."""
        restored = completed(saved.restored(), saved, self.read_manifest_bytes)
        return self._replace_pointer(lambda: self._get(POINTER), lambda _: restored)

    def _replace_pointer(
        self,
        read: Callable[[], tuple[bytes | None, str | None]],
        replaced: Callable[[bytes | None], Pointer | None],
    ) -> Pointer:
        for attempt in range(ATTEMPTS):
            content, etag = read()
            after = replaced(content)
            if after is None:
                return parse_pointer(content)
            body = after.as_bytes()
            try:
                self._put(POINTER, body, **({"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}))
            except _LostTheRaceError:
                # A put whose answer was lost is sent again by boto3, and then loses against itself.
                if self._get(POINTER)[0] != body:
                    time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311  only to part the writers
                    continue
            if not self._exists(self._key(PUBLISHED)):
                self._put(PUBLISHED, published())
            return after
        raise StoreError(f"the pointer of {self!r} was changed by others {ATTEMPTS} times in a row: try again")

    def put_bundle(self, folder: Path) -> str:
        """Upload every file of a bundle, its manifest last; nothing when the manifest is already there."""
        manifest = verify_files(folder)
        base = self._bundle_key(manifest.endpoint, manifest.version)
        if self._exists(f"{base}/{MANIFEST}"):
            return manifest.version
        with self._reported(f"bundle {manifest.endpoint}/{manifest.version} cannot be written to {self!r}"):
            for name in (*sorted(manifest.files), MANIFEST):
                self._client.upload_file(str(folder / name), self.bucket, f"{base}/{name}")
        return manifest.version

    def fetch_bundle(self, endpoint: str, version: str) -> Path:
        """Download a bundle under a temporary name and rename it; a whole copy in the cache is used as it is."""
        target = self.cache_folder / endpoint / version
        try:
            verify_files(target)
            return target
        except BundleError:
            pass  # absent, or damaged in the cache: fetched anew
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
        base = self._bundle_key(endpoint, version)
        if not self._exists(f"{base}/{MANIFEST}"):
            raise StoreError(f"bundle {endpoint}/{version} is not in the store {self!r}")
        with self._reported(f"bundle {endpoint}/{version} cannot be read from {self!r}"):
            self._client.download_file(self.bucket, f"{base}/{MANIFEST}", str(folder / MANIFEST))
            for name in _file_names(folder / MANIFEST):
                path = folder / name
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise BundleError(f"bundle {endpoint}/{version} names a file outside itself: {name!r}")
                path.parent.mkdir(parents=True, exist_ok=True)
                self._client.download_file(self.bucket, f"{base}/{name}", str(path))

    def _get_pointer(self) -> tuple[bytes | None, str | None]:
        found = self._get(POINTER)
        if found[0] is None and self._exists(self._key(PUBLISHED)):
            found = self._get(POINTER)  # the first one may have been written between the two questions
            if found[0] is None:
                raise PointerError(LOST)
        return found

    def read_manifest_bytes(self, endpoint: str, version: str) -> bytes:
        """Give a version's manifest as it is."""
        content, _ = self._get(f"bundles/{endpoint}/{version}/{MANIFEST}")
        if content is None:
            raise StoreError(f"bundle {endpoint}/{version} is not in the store {self!r}")
        return content

    def _put(self, name: str, content: bytes, **condition: str) -> None:
        what = "the pointer" if name == POINTER else name
        with self._reported(f"{what} of {self!r} cannot be written"):
            self._client.put_object(
                Bucket=self.bucket, Key=self._key(name), Body=content, ContentType="application/json", **condition
            )

    def _get(self, name: str) -> tuple[bytes | None, str | None]:
        what = "the pointer" if name == POINTER else name
        with self._reported(f"{what} of {self!r} cannot be read"):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=self._key(name))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None, None
                raise
            return answer["Body"].read(), answer["ETag"]

    def _exists(self, key: str) -> bool:
        with self._reported(f"{self!r} cannot be read"):
            try:
                self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return False
                raise
            return True

    def _bundle_key(self, endpoint: str, version: str) -> str:
        return self._key(f"bundles/{endpoint}/{version}")

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            # A pointer that vanished between get and put answers an If-Match with "no such key".
            if _code(error) in _LOST_THE_RACE | _ABSENT and error.operation_name == "PutObject":
                raise _LostTheRaceError from error
            raise StoreError(f"{what}: {error}") from error
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise StoreError(f"{what}: {error}") from error


class _LostTheRaceError(StoreError):
    """Another writer changed the pointer first."""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _file_names(manifest: Path) -> list[str]:
    """List the files a manifest names; a manifest that cannot be read names none: verifying tells why."""
    try:
        return sorted(str(name) for name in json.loads(manifest.read_bytes())["files"])
    except (ValueError, KeyError, TypeError):
        return []
