"""The service's working parts, put together: store, follower, predictor, worker threads.

Belongs here: what runs from the start of the service to its end.
Does not belong here: HTTP (see `api.py`, `page.py`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import ParamSpec, TypeVar

from model_zoo.store import Pointer, Store
from serving.follower import Follower
from serving.insights import Insight, Insights
from serving.predictor import Answer, Predictor
from serving.settings import Settings
from serving.stores import open_store
from serving.table import Champion, Table

FIRST_LOOK_SECONDS = 2.0
P = ParamSpec("P")
R = TypeVar("R")


class Engine:
    """Everything behind the HTTP handlers.

    Parameters
    ----------
    settings
        The service's settings.
    store
        The bundle store; the one that the settings name when omitted.
    """

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self.store = store if store is not None else open_store(settings.store, settings.cache_folder)
        self.follower = Follower(self.store, settings.poll_seconds)
        self._predictor = Predictor(settings.limits, settings.cache_entries)
        self._insights = Insights(settings.cache_entries)
        # RDKit and ONNX Runtime release the GIL, so threads do run side by side; more than cores would only queue.
        self._threads = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="predict")

    @property
    def table(self) -> Table:
        """The champions being served. A request reads this once."""
        return self.follower.table

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the pointer for as long as the context lasts."""
        task = asyncio.create_task(self.follower.run())
        # Wait for the first champions, but not for a store that does not answer: health must be told in time.
        with suppress(TimeoutError):
            await asyncio.wait_for(self.follower.looked.wait(), FIRST_LOOK_SECONDS)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def work(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run something slow on a worker thread, so that the event loop stays free."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    async def predict(self, champions: Mapping[str, Champion], texts: Sequence[str]) -> list[Answer]:
        """Predict with the champions that the request chose from its table; one answer per text, in order."""
        return await self.work(self._predictor.predict, champions, texts)

    async def insights(
        self, champions: Mapping[str, Champion], answers: Sequence[Answer], include: Collection[str]
    ) -> list[Insight]:
        """Find what the request asks for beside the numbers; one insight per answer, in order."""
        if not include:
            return [Insight()] * len(answers)
        return await self.work(self._insights.gather, champions, answers, include)

    async def change_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Change which versions are current, and serve them at once.

        Raises
        ------
        StoreError
            When the store cannot be written; whatever `change` raises passes through.
        """
        pointer = await asyncio.to_thread(self.store.update_pointer, change)
        await self.follower.look()
        return pointer
