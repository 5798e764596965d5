"""Digests of content: files and JSON values.

Belongs here: the two ways in which this project turns content into an identity.
Does not belong here: what goes into a signature (see `provenance/signature.py`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from model_zoo.type_aliases import Json


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file's content, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def content_digest(content: bytes) -> str:
    """Return the SHA-256 of bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def canonical_json(value: Json) -> str:
    """Write a JSON value in the one form that digests are taken of: sorted keys, no blanks, no NaN.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [1.0, None]})
    '{"a":[1.0,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_digest(value: Json) -> str:
    """Return the SHA-256 of a JSON value's canonical form, as hexadecimal digits.

    Examples
    --------
    >>> json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
