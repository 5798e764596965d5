"""Requests that wait together are predicted together: a bounded queue in front of a few worker threads.

A free thread takes what waits at once, so that one request alone loses no time; while all are busy,
requests gather, and the next batch is larger. RDKit and ONNX Runtime release the GIL: threads do run
side by side. A thread cannot be killed. What would hold the interpreter is refused before any work
(`model_zoo.inference.complexity`); what is merely long, up to a second each, stands in a queue of its own, a
few at a time, and like batch jobs leaves a thread to the others (`tests/benchmarks/bench_nasty.py`). A pool of
processes would cost every request more than it saves. For the molecule nobody has thought of, a batch has a time
limit: when that is over, its thread is given up, another takes its place, and the molecules go on one by one;
the one that does it again is answered with the code `timeout`, and at once when it comes again.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from serving import metrics
from serving.inference.effort import LONG, effort
from serving.inference.lru_cache import LruCache

PART = 32
"""Small molecules of one request that are predicted in one go, or as much effort; the rest goes to the back, so that
others get their turn."""
LARGEST_BATCH = 64
"""More gain nothing: the cost of a molecule no longer falls."""
LONG_PART = 2
"""Long molecules that are predicted in one go."""
MOST_LOST = 8
"""Threads that may be given up at a time; beyond that, requests are refused until one of them comes back."""

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
Lane = Literal["short", "long", "background"]
"""What waits apart; in this order they get a thread."""
logger = logging.getLogger(__name__)


class QueueFullError(Exception):
    """Too much is waiting, or the request's time is over: the caller should come back.

    Attributes
    ----------
    retry_seconds
        When to come back.
    late
        Whether it had waited its time, rather than being turned away at the door.
    """

    def __init__(self, detail: str, retry_seconds: int, *, late: bool = False) -> None:
        super().__init__(detail)
        self.retry_seconds, self.late = retry_seconds, late


@dataclass(eq=False, slots=True)
class _Ask(Generic[K, A]):
    """What one request waits for."""

    key: K
    texts: Sequence[str]
    future: asyncio.Future[list[A]]
    since: float
    answers: list[A | None] = field(init=False)
    taken: int = 0
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.answers, self.missing = [None] * len(self.texts), len(self.texts)


@dataclass(eq=False, slots=True)
class _Batch(Generic[K, A]):
    """What one thread works on: some molecules of some requests, all for one key."""

    key: K
    places: list[tuple[_Ask[K, A], int]]
    lane: Lane
    ended: bool = False
    lost: bool = False
    timer: asyncio.TimerHandle | None = None


class Batches(Generic[K, A]):
    """The queue and its threads. Every method but `start` is called on the event loop.

    Parameters
    ----------
    predict
        Gives one answer per text for a key, on a worker thread.
    timed_out
        Gives the answer of a molecule that did not come to an end.
    threads
        How many batches are under way at a time.
    most_waiting
        Molecules that may wait before further requests are refused. A request is never refused while
        nothing waits.
    seconds
        Longest time of one batch.
    """

    def __init__(
        self,
        predict: Callable[[K, Sequence[str]], list[A]],
        timed_out: Callable[[], A],
        *,
        threads: int,
        most_waiting: int,
        seconds: float,
    ) -> None:
        self._predict, self._timed_out = predict, timed_out
        self._threads, self._most_waiting, self._seconds = threads, most_waiting, seconds
        self._waiting: dict[Lane, deque[_Ask[K, A]]] = {"short": deque(), "long": deque(), "background": deque()}
        self._retries: deque[_Batch[K, A]] = deque()
        self._batches: queue.SimpleQueue[_Batch[K, A] | None] = queue.SimpleQueue()
        self._busy: set[_Batch[K, A]] = set()
        self._hopeless: LruCache[tuple[K, str], bool] = LruCache(1000)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self.waiting = 0
        self.lost = 0

    def start(self) -> None:
        """Start the threads, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        for _ in range(self._threads):
            self._hire()

    def stop(self) -> None:
        """Let every thread end after the batch it is at; what still waits is cancelled."""
        for _ in range(self._threads):
            self._batches.put(None)
        for asks in self._waiting.values():
            for ask in asks:
                ask.future.cancel()
            asks.clear()

    async def predict(
        self, key: K, texts: Sequence[str], *, seconds: float | None = None, background: bool = False
    ) -> list[A]:
        """Give one answer per text, in order.

        Parameters
        ----------
        key
            What the texts are predicted with; only equal keys meet in one batch.
        texts
            Any number of them.
        seconds
            How long the caller is ready to wait for a thread; for ever when omitted.
        background
            Waits behind every request that is not, is never refused, and leaves a thread to the others.

        Raises
        ------
        QueueFullError
            When too much is waiting, or `seconds` are over and no thread has begun with the last text.
        """
        hopeless = {index for index, text in enumerate(texts) if self._hopeless.get((key, text))}
        if hopeless:
            rest = [text for index, text in enumerate(texts) if index not in hopeless]
            others = iter(await self.predict(key, rest, seconds=seconds, background=background))
            return [self._timed_out() if index in hopeless else next(others) for index in range(len(texts))]
        if not texts:
            return []
        if background:
            return await self._wait("background", key, texts, None)
        self._require_room(len(texts))
        long = [index for index, text in enumerate(texts) if effort(text) >= LONG]
        if not long or len(long) == len(texts):
            return await self._wait("long" if long else "short", key, texts, seconds)
        apart = set(long)
        short = [index for index in range(len(texts)) if index not in apart]
        lanes: tuple[tuple[Lane, list[int]], ...] = (("short", short), ("long", long))
        waits = [
            asyncio.create_task(self._wait(lane, key, [texts[index] for index in indices], seconds))
            for lane, indices in lanes
        ]
        try:
            parts = await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
        found = dict(zip([*short, *long], [*parts[0], *parts[1]], strict=True))
        return [found[index] for index in range(len(texts))]

    async def _wait(self, lane: Lane, key: K, texts: Sequence[str], seconds: float | None) -> list[A]:
        ask = _Ask(key, texts, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting[lane].append(ask)
        self.waiting += len(texts)
        self._dispatch()
        timer = None
        if seconds is not None:
            timer = asyncio.get_running_loop().call_later(seconds, self._late, ask)
        try:
            return await ask.future
        finally:
            if timer is not None:
                timer.cancel()
            self._forget(ask)

    def _require_room(self, more: int) -> None:
        if self.lost >= MOST_LOST:
            raise QueueFullError("every worker is held up by molecules that do not come to an end", 10)
        if self.waiting and self.waiting + more > self._most_waiting:
            raise QueueFullError(
                f"{self.waiting} molecules are waiting and {more} more were sent; {self._most_waiting} may wait", 1
            )

    def _late(self, ask: _Ask[K, A]) -> None:
        if ask.taken < len(ask.texts) and not ask.future.done():
            ask.future.set_exception(QueueFullError("the request waited too long for its turn", 5, late=True))

    def _forget(self, ask: _Ask[K, A]) -> None:
        """Take a request out of the queue whose caller is gone; what is under way is not stopped."""
        if ask.taken < len(ask.texts):
            self.waiting -= len(ask.texts) - ask.taken
            ask.taken = len(ask.texts)

    def _dispatch(self) -> None:
        """Give work to every free thread."""
        while len(self._busy) < self._threads and (batch := self._next()) is not None:
            assert self._loop is not None, "start() comes first"
            self._busy.add(batch)
            batch.timer = self._loop.call_later(self._seconds, self._overdue, batch)
            self._batches.put(batch)

    def _next(self) -> _Batch[K, A] | None:
        others = sum(batch.lane != "short" for batch in self._busy)
        alone = self._threads == 1
        if alone or not others:
            if (again := self._again()) is not None:
                return again
            if not alone and (batch := self._gather("long")) is not None:
                return batch  # they, too, have a thread, however much else waits
        if (batch := self._gather("short")) is not None:
            return batch
        if others >= max(1, self._threads - 1):
            return None
        return self._again() or self._gather("long") or self._gather("background")

    def _again(self) -> _Batch[K, A] | None:
        """Give a molecule of a batch that was given up, if anybody still waits for it."""
        while self._retries:
            again = self._retries.popleft()
            if not again.places[0][0].future.done():
                return again
        return None

    def _gather(self, lane: Lane) -> _Batch[K, A] | None:
        """Take up to a batch of one key from the front of the queue, at most a part of each request."""
        asks = self._waiting[lane]
        while asks and asks[0].taken == len(asks[0].texts):
            asks.popleft()
        if not asks:
            return None
        batch = _Batch[K, A](asks[0].key, [], lane)
        later: list[_Ask[K, A]] = []
        unfinished: list[_Ask[K, A]] = []
        room, most = (LONG_PART, 1) if lane == "long" else (float(LARGEST_BATCH), PART)
        while asks and room > 0:
            ask = asks.popleft()
            if ask.key != batch.key:
                later.append(ask)
                continue
            stop, left = ask.taken, min(most, room)
            while stop < len(ask.texts) and left > 0:  # the last one may be larger than what is left
                cost = 1.0 if lane == "long" else effort(ask.texts[stop])
                room, left, stop = room - cost, left - cost, stop + 1
            batch.places += [(ask, index) for index in range(ask.taken, stop)]
            self.waiting -= stop - ask.taken
            ask.taken = stop
            if stop < len(ask.texts):
                unfinished.append(ask)
        asks.extendleft(reversed(later))
        asks.extend(unfinished)
        return batch

    def _hire(self) -> None:
        threading.Thread(target=self._work, name="predict", daemon=True).start()

    def _work(self) -> None:
        """Predict batch after batch, on a thread of its own; ends when told, or when given up meanwhile."""
        assert self._loop is not None
        while (batch := self._batches.get()) is not None:
            metrics.QUEUE.observe(time.monotonic() - min(ask.since for ask, _ in batch.places))
            metrics.BATCH_MOLECULES.observe(len(batch.places))
            answers: list[A] | Exception
            try:
                answers = self._predict(batch.key, [ask.texts[index] for ask, index in batch.places])
            except Exception as error:  # noqa: BLE001  the requests get it, the thread goes on
                answers = error
            with self._lock:
                batch.ended = True
            with suppress(RuntimeError):  # the loop is closed: the service has ended meanwhile
                self._loop.call_soon_threadsafe(self._finished, batch, answers)
            if batch.lost:
                return

    def _finished(self, batch: _Batch[K, A], answers: list[A] | Exception) -> None:
        if batch.timer is not None:
            batch.timer.cancel()
        if batch.lost:
            self.lost -= 1
            return
        self._busy.discard(batch)
        if isinstance(answers, Exception):
            for ask in {ask for ask, _ in batch.places}:
                if not ask.future.done():
                    ask.future.set_exception(answers)
        else:
            for (ask, index), answer in zip(batch.places, answers, strict=True):
                self._answer(ask, index, answer)
        self._dispatch()

    def _answer(self, ask: _Ask[K, A], index: int, answer: A) -> None:
        ask.answers[index] = answer
        ask.missing -= 1
        if not ask.missing and not ask.future.done():
            ask.future.set_result([given for given in ask.answers if given is not None])

    def _overdue(self, batch: _Batch[K, A]) -> None:
        """Give up the thread of a batch that takes too long, and find out which molecule it is."""
        with self._lock:
            if batch.ended:
                return
            batch.lost = True
        self._busy.discard(batch)
        self.lost += 1
        metrics.GIVEN_UP.inc()
        logger.warning("%d molecules held a worker for %g s: it was given up", len(batch.places), self._seconds)
        self._hire()
        if len(batch.places) == 1:
            ask, index = batch.places[0]
            self._hopeless.put((batch.key, ask.texts[index]), value=True)
            self._answer(ask, index, self._timed_out())
        else:
            self._retries += [_Batch(batch.key, [place], "long") for place in batch.places]
        self._dispatch()
