"""Work that nobody waits for any more.

A server continues with a request whose client has left. That is right for what changes something, and for what is
remembered; an explanation of minutes is neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError

T = TypeVar("T")


async def unless_left(request: HttpRequest, work: Coroutine[None, None, T]) -> T:
    """Return what some work gives, and cancel it when the client leaves; the body must have been read.

    Raises
    ------
    ProblemError
        `client-left`, which is for the log.
    """
    task = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ProblemError("client-left", "the client disconnected before its answer was ready")
        return await task
    finally:
        task.cancel()
        leaving.cancel()


async def _left(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
