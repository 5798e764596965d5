"""The progress of a job as server-sent events.

`progress` comes with the number of rows done as its id, so that a client that comes back with `Last-Event-ID` receives
only what is new; `done` is the last event, whatever way the job ended, and its id is `end`. A comment comes when
nothing else did for a while, so that nothing on the way takes the connection for dead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import msgspec
from litestar.response import ServerSentEventMessage

from serving.jobs.database import Job
from serving.jobs.schemas import JobProgress

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
LAST_ID = "end"


async def events(
    look: Callable[[], Job | None],
    last_id: str | None,
    stopping: asyncio.Event,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[ServerSentEventMessage]:
    """Return how a job gets on, until it is over or gone, or the service stops: then the client comes back to the next.

    Parameters
    ----------
    look
        Gives the job as it is now, or none; called on a thread.
    last_id
        What the client saw last, if it was here before.
    stopping
        Set when the service is about to end; it waits for its requests, and so must not wait for this one.
    """
    seen = int(last_id) if last_id is not None and last_id.isdecimal() else -1
    spoken = time.monotonic()
    while (job := await asyncio.to_thread(look)) is not None:
        content = msgspec.json.encode(JobProgress(job.status, job.done, job.total, job.failed)).decode()
        if job.over or job.removed is not None:
            yield ServerSentEventMessage(content, event="done", id=LAST_ID)
            return
        if job.done > seen:
            seen, spoken = job.done, time.monotonic()
            yield ServerSentEventMessage(content, event="progress", id=job.done)
        elif time.monotonic() - spoken > heartbeat_seconds:
            spoken = time.monotonic()
            yield ServerSentEventMessage(None, comment="still here")
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)
            return
