"""Reading JSON that somebody sent.

Belongs here: everything that is wrong with it as JSON.
Does not belong here: what its fields mean (see `schemas.py`).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from litestar import Request
from litestar.types import Empty

from model_zoo.type_aliases import Json
from serving.http import binary_tensors
from serving.http.problems import ProblemError


def decode(body: bytes) -> Json:
    """Decode a body.

    Raises
    ------
    ProblemError
        `malformed-request`: no JSON, no UTF-8, nested too deep, a number that no float holds, the same key twice.

    Examples
    --------
    >>> decode(b'{"smiles": ["CCO"]}')
    {'smiles': ['CCO']}
    """
    try:
        decoded = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_require_different)  # msgspec takes the last of two values, others the first
    except RecursionError:
        detail = "expected JSON that is not nested so deep"
    except UnicodeDecodeError as error:
        detail = f"expected JSON in UTF-8: {error.reason} at byte {error.start}"
    except _TwiceError as error:
        detail = str(error)
    except (msgspec.DecodeError, ValueError) as error:
        detail = f"expected JSON: {error}"
    else:
        return decoded
    raise ProblemError("malformed-request", f"body: {detail}")


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON is read by these rules."""

    async def json(self) -> Json:
        """Return the decoded body."""
        if self._connection_state.json is Empty:
            body = await self.body()
            if (length := self.headers.get(binary_tensors.HEADER)) is None:
                self._connection_state.json = decode(body or b"null")
            else:
                json_part, rest = binary_tensors.split(body, length)
                self._connection_state.json = binary_tensors.with_data(decode(json_part), rest)
        return self._connection_state.json


class _TwiceError(ValueError):
    """A key occurs twice in an object."""


def _require_different(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _TwiceError(f"expected each key of an object once, got {key[:60]!r} twice")
            seen.add(key)
