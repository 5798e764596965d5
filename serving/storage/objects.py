"""Named files in a folder or under a prefix in S3, seen as one thing.

Belongs here: reading, writing, listing, deleting, and errors that say what is wrong with the place; every call to S3,
from the service or the pipeline.
Does not belong here: what the files mean (see `s3_store.py` for bundles and their pointer).

A file appears whole or not at all: written under another name and renamed, or by one put. Address and credentials of S3
come from boto3's own configuration (the instance's role, `AWS_ENDPOINT_URL_S3`), never from here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from model_zoo.errors import StoreError
from model_zoo.io.files import atomic_write, draft_of
from model_zoo.io.s3_address import s3_address
from model_zoo.type_aliases import Json

_ABSENT = {"NoSuchKey", "404"}
_OVERTAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_RUN_OUT = "credentials are still expired"
_ADVICE = {
    "NoSuchBucket": "make the bucket, or correct the name",
    "InvalidAccessKeyId": "the access key is not known: check AWS_ACCESS_KEY_ID, or the instance's role",
    "SignatureDoesNotMatch": "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "the credentials may not do this here: check the role's policy",
    "ExpiredToken": "the session has expired: sign in again; on a host, `aidrug host logs` says why it was not renewed",
    _RUN_OUT: "the session has expired: on a host, `aidrug host logs` says why it was not renewed",
    "PermanentRedirect": "the bucket is in another region: check AWS_REGION",
}


class Objects(Protocol):
    """Files by name; a name may hold slashes. Every method may raise `StoreError`."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content; none when there is no such file."""

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; none when there is no such file."""

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a small file."""

    def upload(self, name: str, path: Path) -> None:
        """Write or replace a file from a local one."""

    def download(self, name: str, path: Path) -> None:
        """Write a file's content to a local one, whose folder is made."""

    def names(self, prefix: str = "") -> list[str]:
        """List all names that begin with a prefix, sorted."""

    def delete(self, name: str) -> None:
        """Delete a file; nothing happens when there is none."""


def open_objects(place: str, setting: str) -> Objects:
    """Open the place that a folder or `s3://bucket/prefix` names; `setting` says in errors whose value it is.

    Raises
    ------
    ConfigError
        When it is a URL of another kind, or names no bucket.

    Examples
    --------
    >>> open_objects("/srv/backup", "AIDRUG_BACKUP")
    FolderObjects('/srv/backup')
    """
    address = s3_address(place, setting)
    return FolderObjects(Path(place)) if address is None else S3Objects(address.bucket, address.prefix)


class FolderObjects:
    """Files in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __repr__(self) -> str:
        return f"FolderObjects({str(self._root)!r})"

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        with self._reported():
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        """See `Objects`."""
        with self._reported():
            try:
                return (self._root / name).stat().st_size
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """See `Objects`."""
        with self._reported():
            atomic_write(self._root / name, content)

    def upload(self, name: str, path: Path) -> None:
        """See `Objects`."""
        with self._reported():
            target = self._root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, draft_of(target) as stream:
                shutil.copyfileobj(source, stream)

    def download(self, name: str, path: Path) -> None:
        """See `Objects`."""
        with self._reported():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._root / name, path)

    def names(self, prefix: str = "") -> list[str]:
        """See `Objects`."""
        with self._reported():
            files = (path.relative_to(self._root) for path in self._root.rglob("*") if path.is_file())
            return sorted(
                file.as_posix()
                for file in files
                if file.as_posix().startswith(prefix) and not any(part.startswith(".") for part in file.parts)
            )

    def delete(self, name: str) -> None:
        """See `Objects`."""
        with self._reported():
            (self._root / name).unlink(missing_ok=True)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self._root}: {error.strerror}: {error.filename}") from error


class S3Objects:
    """Files under a prefix of an S3 bucket."""

    def __init__(self, bucket: str, prefix: str, client: Any = None) -> None:
        import boto3  # takes half a second: only those who use S3 pay
        from botocore.config import Config

        self._bucket, self._prefix = bucket, prefix.strip("/")
        # The service polls: an unreachable store must be noticed within seconds, not after a minute.
        config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._client: Any = client if client is not None else boto3.client("s3", config=config)

    def __repr__(self) -> str:
        return f"S3Objects('s3://{self._bucket}/{self._prefix}')"

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        return self.read_tagged(name)[0]

    def read_tagged(self, name: str) -> tuple[bytes | None, str | None]:
        """Return a file's content and the tag of just this content; none and none when there is no such file."""
        with self._reported(f"{name} cannot be read"):
            answer = self._unless_absent(self._client.get_object, name)
            return (None, None) if answer is None else (answer["Body"].read(), answer["ETag"])

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return self.size(name) is not None

    def size(self, name: str) -> int | None:
        """See `Objects`."""
        with self._reported(f"{name} cannot be read"):
            answer = self._unless_absent(self._client.head_object, name)
            return None if answer is None else int(answer["ContentLength"])

    def write(self, name: str, content: bytes) -> None:
        """See `Objects`."""
        with self._reported(f"{name} cannot be written"):
            self._put(name, content)

    def replace(self, name: str, content: bytes, tag: str | None) -> bool:
        """Write a file if its content is still that of a tag, absent where the tag is none; return whether so."""
        from botocore.exceptions import ClientError

        with self._reported(f"{name} cannot be written"):
            try:
                self._put(name, content, **({"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}))
            except ClientError as error:
                # A file that vanished since it was read answers an If-Match with "no such key".
                if _code(error) in _OVERTAKEN | _ABSENT:
                    # A put whose answer was lost is sent again by boto3, and then loses against itself.
                    return self.read(name) == content
                raise
            return True

    def upload(self, name: str, path: Path) -> None:
        """See `Objects`."""
        with self._reported(f"{name} cannot be written"):
            self._client.upload_file(str(path), self._bucket, self._key(name))

    def download(self, name: str, path: Path) -> None:
        """See `Objects`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reported(f"{name} cannot be read"):
            self._client.download_file(self._bucket, self._key(name), str(path))

    def names(self, prefix: str = "") -> list[str]:
        """See `Objects`."""
        start = len(self._key(""))
        with self._reported("the names cannot be listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(prefix)
            )
            return sorted(entry["Key"][start:] for page in pages for entry in page.get("Contents", []))

    def delete(self, name: str) -> None:
        """See `Objects`."""
        with self._reported(f"{name} cannot be deleted"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _put(self, name: str, content: bytes, **condition: str) -> None:
        kind = {"ContentType": "application/json"} if name.endswith(".json") else {}
        self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=content, **kind, **condition)

    def _unless_absent(self, ask: Callable[..., dict[str, Json]], name: str) -> dict[str, Json] | None:
        from botocore.exceptions import ClientError

        try:
            return ask(Bucket=self._bucket, Key=self._key(name))
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (ClientError, BotoCoreError, Boto3Error, RuntimeError) as error:
            text = str(error)  # holds the code, also where a transfer wraps the answer
            # What botocore says when the credentials that it has just renewed have run out already.
            if isinstance(error, RuntimeError) and _RUN_OUT not in text:
                raise
            advice = next((f" ({words})" for code, words in _ADVICE.items() if code in text), "")
            raise StoreError(f"s3://{self._bucket}/{self._prefix}: {what}: {text}{advice}") from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
