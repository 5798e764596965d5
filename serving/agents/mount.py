"""The tools at `/mcp` of the service (streamable HTTP), for callers with the same keys as everywhere.

The package `mcp` is an extra: without it there is nothing at that address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from litestar import asgi
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send


class Tools:
    """The tools of one application, or none where the package is not installed."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        """Whom the tools ask; set once it is whole."""
        self.handlers: list[ControllerRouterHandler] = []
        self._sessions: Any = None
        if find_spec("mcp") is not None:
            self._mount()

    def _mount(self) -> None:
        from mcp.server.transport_security import TransportSecuritySettings

        from serving.agents.asking import Ask, InProcess
        from serving.agents.tools import make_server

        def asking(context: Any) -> Ask:
            assert self.app is not None
            return InProcess(self.app, context.request_context.request.scope)

        server = make_server(asking)
        # No sessions: any worker answers any request, and a client that is gone leaves nothing.
        known = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # the guard knows our names
        server.streamable_http_app(stateless_http=True, json_response=True, transport_security=known)
        self._sessions = server.session_manager

        @asgi("/mcp", is_mount=False, opt={"scope": "any"})
        async def tools(scope: Scope, receive: Receive, send: Send) -> None:
            """Serve the protocol."""
            await self._sessions.handle_request(scope, receive, send)

        self.handlers = [tools]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer for as long as the context lasts."""
        if self._sessions is None:
            yield
            return
        async with self._sessions.run():
            yield
