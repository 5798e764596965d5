"""The tools at `/mcp` of the service (streamable HTTP), for callers with the same keys as everywhere.

The package `mcp` is an extra: without it there is nothing at that address.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

from litestar import asgi
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send


class Tools:
    """The tools of one application, or none where the package is not installed.

    The package is imported with the first question: that takes longer than all else of the service's start.
    """

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        """Whom the tools ask; set once it is whole."""
        self._sessions: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Any] | None = None

        @asgi("/mcp", opt={"scope": "any"}, copy_scope=True)
        async def tools(scope: Scope, receive: Receive, send: Send) -> None:
            """Serve the protocol; as nothing is ever sent unasked, nobody may hold a connection to wait for it."""
            if scope["type"] == ScopeType.HTTP and scope["method"] != "POST":
                raise MethodNotAllowedException(headers={"Allow": "POST"})
            sessions = await self._started()
            await sessions.handle_request(scope, receive, send)

        self.handlers: list[ControllerRouterHandler] = [tools] if find_spec("mcp") is not None else []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer for as long as the context lasts."""
        try:
            yield
        finally:
            if self._sessions is not None:
                self._sessions.cancel()
                with suppress(asyncio.CancelledError):
                    await self._sessions

    async def _started(self) -> Any:
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._sessions = asyncio.create_task(self._run(self._ready))
        return await asyncio.shield(self._ready)

    async def _run(self, ready: asyncio.Future[Any]) -> None:
        """Keep the protocol's own tasks, from one task, until the service ends."""
        try:
            sessions = await asyncio.to_thread(self._make)
            async with sessions.run():
                ready.set_result(sessions)
                await asyncio.Event().wait()
        except Exception as error:
            if ready.done():
                raise
            self._ready = None
            ready.set_exception(error)

    def _make(self) -> Any:
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
        return server.session_manager
