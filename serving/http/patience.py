"""How long a request may take to arrive.

Belongs here: pauses in a body, bodies that never end or cannot be read. The server limits the time for a head itself.
Does not belong here: how long an answer may take (see `inference/batches.py`).

Around the whole application, since a handler, a guard or a form may read the body.
"""

from __future__ import annotations

import asyncio

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

from serving.http.problems import ProblemError

SLOWEST_BYTES_PER_SECOND = 1000
"""Slower than the slowest line anybody sends files over: a client that sends a byte now and then will not finish."""
STOPPING_SECONDS = 3.0
"""How long a request may continue arriving once the service ends."""


class Patience:
    """Wraps an application.

    Parameters
    ----------
    app
        The application inside.
    seconds
        Longest pause in a body, and how long it may be slow.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds
        self._arriving: set[asyncio.Timeout] = set()
        self._stopping = False

    def stop(self) -> None:
        """Return requests that are still arriving a last moment: the service ends, and waits for them."""
        self._stopping = True
        until = asyncio.get_running_loop().time() + STOPPING_SECONDS
        for timer in self._arriving:
            timer.reschedule(until)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body must keep coming."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        begun, size, arrived = clock(), 0, False

        async def patient() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal size, arrived
            if arrived:  # from here on it waits for the client to leave
                return await receive()
            message = await self._within(receive)
            if message["type"] == "http.disconnect" and scope["method"] not in ("GET", "HEAD"):
                raise ProblemError("malformed-request", "body: it ended too early, or its chunks are malformed", _CLOSE)
            arrived = message["type"] != "http.request" or not message.get("more_body", False)
            if message["type"] == "http.request":
                size += len(message["body"])
                if not arrived and size < SLOWEST_BYTES_PER_SECOND * (clock() - begun - self._seconds):
                    raise ProblemError("request-timeout", f"only {size} bytes came in {clock() - begun:.0f} s", _CLOSE)
            return message

        await self._app(scope, patient, send)

    async def _within(self, receive: Receive) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        seconds = STOPPING_SECONDS if self._stopping else self._seconds
        timer = asyncio.timeout(seconds)
        self._arriving.add(timer)
        try:
            async with timer:
                return await receive()
        except TimeoutError:
            detail = f"expected the rest of the request within {seconds:g} s"
            raise ProblemError("request-timeout", detail, _CLOSE) from None
        except (
            Exception
        ) as error:  # of the server, which has no type for it: chunks that are none, or a client that left
            detail = "expected a whole body, in chunks as HTTP writes them or as long as its length says"
            raise ProblemError("malformed-request", detail, _CLOSE) from error
        finally:
            self._arriving.discard(timer)


_CLOSE = {"Connection": "close"}
