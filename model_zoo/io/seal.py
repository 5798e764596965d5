"""A seal: JSON that carries a checksum of its own bytes, so that a changed byte is never read as another statement.

A seal shows damage (a bad disk, half a copy, an editor); a program that may write the file can write a new seal.

The seal is the SHA-256 of the whole file with the seal's own digits replaced by zeros. It covers blanks and line ends
too, and needs no canonical form: a reader in another language, or of another version, checks it the same way.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from model_zoo.type_aliases import Json

FIELD = "seal"
_PATTERN = re.compile(rb'"seal": "([0-9a-f]{64})"')  # quotes within texts are escaped: it matches a field alone
_BLANK = "0" * 64


def sealed(fields: Mapping[str, Json]) -> bytes:
    """Write JSON values with their seal.

    Examples
    --------
    >>> content = sealed({"a": 1})
    >>> is_sealed(content), is_sealed(content.replace(b"1", b"2", 1))
    (True, False)
    """
    text = json.dumps({**fields, FIELD: _BLANK}, indent=1, sort_keys=True, allow_nan=False) + "\n"
    content = text.encode()
    (place,) = _PATTERN.finditer(content)  # a second one, deeper down, would make it unreadable
    return content[: place.start(1)] + _digest(content).encode() + content[place.end(1) :]


def is_sealed(content: bytes) -> bool:
    """Return whether bytes are what was sealed, to the last one."""
    places = list(_PATTERN.finditer(content))
    if len(places) != 1:
        return False
    (place,) = places
    blank = content[: place.start(1)] + _BLANK.encode() + content[place.end(1) :]
    return _digest(blank) == place[1].decode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
