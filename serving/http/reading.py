"""Asking whether something changed, and asking for the headers alone.

Belongs here: `HEAD` for every address that has a `GET`, entity tags of what rarely changes.
Does not belong here: tags of files, which have their own.
"""

from __future__ import annotations

import hashlib
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

RARELY_CHANGING = ("/v1/endpoints", "/v1/models", "/v1/champions", "/v1/leaderboards", "/schema/openapi.json")


class Reading:
    """Wraps an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != ScopeType.HTTP or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if scope["method"] == "HEAD":
            cast("dict[str, object]", scope)["method"] = "GET"
            send = _Headers(send)
        if path.startswith(RARELY_CHANGING) and not path.endswith(("/rollback", "/promote")):
            # A tag is of what is said, not of how it is packed: and these answers are small.
            wanted = _header(scope, b"if-none-match")
            scope["headers"] = [each for each in scope["headers"] if each[0] != b"accept-encoding"]
            send = _Tagged(send, wanted)
        await self._app(scope, receive, send)


class _Headers:
    """Sends an answer without its body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._over = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self._over:  # whatever follows is a body that nobody asked for
            self._over = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Tagged:
    """Sends a whole answer with a tag of its content, or that it has not changed."""

    def __init__(self, send: Send, wanted: bytes) -> None:
        self._send, self._wanted = send, wanted
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None and start["type"] == "http.response.start":
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.body" and whole:
                tag = b'"' + hashlib.blake2b(message["body"], digest_size=12).hexdigest().encode() + b'"'
                start["headers"] = [*start["headers"], (b"etag", tag)]
                if tag in self._wanted or self._wanted.strip() == b"*":
                    start["status"] = 304
                    start["headers"] = [each for each in start["headers"] if each[0].lower() != b"content-length"]
                    message["body"] = b""
            await self._send(start)
        await self._send(message)


def _header(scope: HTTPScope, name: bytes) -> bytes:
    return next((value for each, value in scope["headers"] if each == name), b"")
