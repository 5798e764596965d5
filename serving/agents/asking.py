"""How a tool asks the service: in this process, or over the network.

Either way the question is a request as any other: the same guard, limits, metrics and log see it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol, cast

from litestar.types import ASGIApp, HTTPScope, Message

from model_zoo.type_aliases import Json
from serving.client.transport import ServiceError, Transport, pieces

Headers = Mapping[str, str]


class Ask(Protocol):
    """Sends one request and gives the decoded answer."""

    async def __call__(self, method: str, path: str, body: Json = None, headers: Headers | None = None) -> Json:
        """Ask.

        Raises
        ------
        ServiceError
            When the service refuses.
        """


class InProcess:
    """Asks an application in this process, as the caller who asks us: with their key, from their address."""

    KEPT = (b"authorization", b"cookie", b"host", b"x-forwarded-for", b"origin", b"sec-fetch-site")

    def __init__(self, app: ASGIApp, scope: Mapping[str, Json]) -> None:
        self._app, self._scope = app, scope

    async def __call__(self, method: str, path: str, body: Json = None, headers: Headers | None = None) -> Json:
        """Ask."""
        content = b"" if body is None else json.dumps(body).encode()
        status, response = await self._answer(self._request(method, path, content, headers or {}), content)
        decoded = _decoded(response, path)
        if status >= 400:
            problem = decoded if isinstance(decoded, dict) else {}
            raise ServiceError(str(problem.get("detail")), str(problem.get("code")), status)
        return decoded

    def _request(self, method: str, path: str, content: bytes, headers: Headers) -> HTTPScope:
        path, _, query = path.partition("?")
        kept = [each for each in self._scope["headers"] if each[0] in self.KEPT]
        sent = {"content-type": "application/json", "content-length": str(len(content)), **headers}
        made = {name: self._scope[name] for name in ("type", "asgi", "http_version", "scheme", "client", "server")}
        made |= {
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [*kept, *((name.lower().encode(), value.encode()) for name, value in sent.items())],
            "state": {},
        }
        return cast("HTTPScope", made)

    async def _answer(self, scope: HTTPScope, content: bytes) -> tuple[int, bytes]:
        status, body, sent = 500, b"", False
        over = asyncio.Event()

        async def receive() -> Any:
            nonlocal sent
            if sent:  # a stream ends when its reader has left
                await over.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                body += message["body"]
                if not message.get("more_body", False):
                    over.set()

        await self._app(scope, receive, send)
        return status, body


class OverNetwork:
    """Asks a service elsewhere."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __call__(self, method: str, path: str, body: Json = None, headers: Headers | None = None) -> Json:
        """Ask."""
        return await asyncio.to_thread(self._once, method, path, body, dict(headers or {}))

    def _once(self, method: str, path: str, body: Json, headers: dict[str, str]) -> Json:
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        again = method == "GET" or "Idempotency-Key" in headers or path == "/v1/predict"
        give = None if content is None else (lambda: content)
        with self._transport.send(method, path, give, headers, again=again) as answer:
            return _decoded(b"".join(pieces(answer)), path)


def _decoded(body: bytes, path: str) -> Json:
    if "format=ndjson" in path and not body.startswith(b'{"type":"urn:'):
        return [json.loads(line) for line in body.splitlines() if line]
    return json.loads(body) if body else None
