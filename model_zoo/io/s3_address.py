"""Addresses of objects in S3, as settings write them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from model_zoo.errors import ConfigError


class S3Address(NamedTuple):
    """A bucket, and a prefix without slashes at its ends, which may be empty."""

    bucket: str
    prefix: str


def s3_address(place: str, setting: str) -> S3Address | None:
    """Read what a setting names: an address in S3, or none where it is a folder.

    Raises
    ------
    ConfigError
        When it is a URL of another kind, or names no bucket; `setting` says in the message whose value it is.

    Examples
    --------
    >>> s3_address("s3://bucket/team/a/", "AIDRUG_STORE"), s3_address("/srv/store", "AIDRUG_STORE")
    (S3Address(bucket='bucket', prefix='team/a'), None)
    """
    if "://" not in place and not place.startswith("s3:"):
        return None
    url = urlsplit(place)
    if url.scheme != "s3" or not url.netloc:
        raise ConfigError(f"{setting}: expected a folder or s3://bucket/prefix, got {place!r}")
    return S3Address(url.netloc, url.path.strip("/"))
