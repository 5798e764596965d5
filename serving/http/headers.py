"""Headers that every answer carries."""

from __future__ import annotations

import re
import uuid

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from serving.http.rate_limit import Allowance

_SANE = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_KEY, _ALLOWANCE = "aidrug_request_id", "aidrug_allowance"

SECURITY = {
    # Nothing is ever loaded from another host, and no script or style is in the page itself.
    "content-security-policy": "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def request_id(scope: Scope) -> str:
    """Return the request's identity: the caller's `X-Request-Id` when it is a sane token, else a new one."""
    state = scope["state"]
    if _KEY not in state:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        state[_KEY] = sent.decode() if _SANE.fullmatch(sent) else uuid.uuid4().hex
    return str(state[_KEY])


def note_allowance(scope: Scope, allowance: Allowance) -> None:
    """Remember what is left to the caller, for the answer's headers."""
    scope["state"][_ALLOWANCE] = allowance


async def stamp(message: Message, scope: Scope) -> None:
    """Add the headers to an answer about to be sent."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    headers["x-request-id"] = request_id(scope)
    for name, value in SECURITY.items():
        headers[name] = value
    allowance: Allowance | None = scope["state"].get(_ALLOWANCE)
    if allowance is not None:
        headers["ratelimit-limit"] = str(allowance.limit)
        headers["ratelimit-remaining"] = str(allowance.remaining)
        headers["ratelimit-reset"] = str(int(allowance.reset_seconds) + 1)
    # Predictions reveal structures: no cache on the way may keep them. Static files say otherwise themselves.
    headers.setdefault("cache-control", "no-store")
