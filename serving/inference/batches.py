"""Requests that wait together are predicted together: a bounded queue in front of a few worker threads.

A free thread takes what waits at once, so that one request alone loses no time; while all are busy, requests gather,
and the next batch is larger. A request for a few small molecules has a thread of its own, which the system prefers to
the others, whatever else waits (`tests/benchmarks/bench_attack.py`).

What would hold the interpreter is refused before any work (`model_zoo.inference.complexity`); what is merely long, up
to a second each, waits in a queue of its own, a few at a time, and like batch jobs leaves a thread to the others
(`tests/benchmarks/bench_nasty.py`). All but what is quick has its chemistry done by a process (`chemistry_process.py`):
much of it holds the GIL, for which nobody can be preferred.

For the molecule nobody has thought of, a batch has a limit of processor time for each of its steps: when that is spent
and the step is not over, its process is killed, its thread given up, another replaces it, and the molecules continue
one by one; the one that does it again is answered with the code `timeout`, and at once when it comes again; for a
minute only where it used no processor time, since it may have waited for a file or for another's work. So they do
where a process ends by itself, and the one that ends two is answered so too. The clock on the wall decides
nothing: a busy machine or many endpoints make a batch slow, and no molecule hopeless. What molecules cost is measured,
and the more they cost, the fewer make a batch.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar, get_args

from model_zoo.inference.chemistry import ProcessEndedError
from serving import metrics
from serving.inference.chemistry_process import ChemistryProcess
from serving.inference.effort import LONG, Lane, cost_of, effort, lane_of
from serving.inference.lru_cache import LruCache
from serving.inference.priority import give_way

PART = 32
"""Small molecules of one request that are predicted in one go, or as much effort; the rest goes to the back, so that
others get their turn."""
LARGEST_BATCH = 64
"""More gain nothing: the cost of a molecule no longer falls."""
BATCH_SECONDS = 0.5
"""Processor time that a batch is meant to take, so that everybody gets a turn soon."""
BLOCKED_SHARE, BLOCKED_S = 0.002, 0.001
"""A thread that got less of a core than this share waits for something else than a core: no load is so high."""
BLOCKED_FOR_S = 60.0
"""How long a molecule counts as hopeless whose thread waited for something else: that may not have been its fault."""
LONG_PART = 2
"""Long molecules that are predicted in one go."""
MOST_LOST = 8
"""Threads that may be given up at a time; beyond that, requests are refused until one of them comes back."""

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
Processes = Callable[[bool], AbstractContextManager[ChemistryProcess | None]]
logger = logging.getLogger(__name__)


def _none(needed: bool) -> AbstractContextManager[None]:  # noqa: FBT001  a type of callable names no parameters
    return nullcontext()


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
    efforts: Sequence[float]
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
    again: bool = False
    """Whether its one molecule was alone before, and its process ended."""
    ended: bool = False
    lost: bool = False
    timer: asyncio.TimerHandle | None = None
    process: ChemistryProcess | None = None
    clocks: list[int] = field(default_factory=list)
    """Of the processor time of its thread and its process; none where the system has none, or before it began."""
    began: bool = False
    mark: float = 0.0
    """When its present step began, in processor time."""
    looked: tuple[float, float] = (0.0, 0.0)
    """When somebody last looked whether it continues, by the clock and in processor time."""

    @property
    def size(self) -> float:
        """How much of a batch's room its molecules take."""
        return sum(cost_of(ask.efforts[index], self.lane) for ask, index in self.places)

    def begin(self, process: ChemistryProcess | None) -> None:
        """Begin on this thread, with a process for its chemistry."""
        self.process = process
        if hasattr(time, "pthread_getcpuclockid"):
            self.clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        if process is not None and process.clock is not None:
            self.clocks.append(process.clock)
        self.mark = self.used()
        self.looked, self.began = (time.monotonic(), self.mark), True

    def used(self) -> float:
        """Return the processor time of its thread and its process; a process that has ended no longer counts."""
        used = 0.0
        for clock in self.clocks:
            with suppress(OSError):
                used += time.clock_gettime(clock)
        return used


class Batches(Generic[K, A]):
    """The queue and its threads. Every method but `start` is called on the event loop.

    Parameters
    ----------
    predict
        Gives one answer per text for a key, on a worker thread, with the process that does its chemistry, if any.
    timed_out
        Gives the answer of a molecule that did not come to an end.
    threads
        How many batches are under way at a time, and one more where both quick ones and others wait.
    most_waiting
        Molecules that may wait before further requests are refused. A request is never refused while
        nothing waits.
    seconds
        Processor time that a step of a batch may take; see `step`.
    processes
        Provides a process for chemistry that is not quick; its argument says whether to wait for one to begin.
    """

    def __init__(
        self,
        predict: Callable[[K, Sequence[str], ChemistryProcess | None], list[A]],
        timed_out: Callable[[], A],
        *,
        threads: int,
        most_waiting: int,
        seconds: float,
        processes: Processes = _none,
    ) -> None:
        self._predict, self._timed_out, self._processes = predict, timed_out, processes
        self._threads, self._most_waiting, self._seconds = threads, most_waiting, seconds
        self._waiting: dict[Lane, deque[_Ask[K, A]]] = {lane: deque() for lane in get_args(Lane)}
        self._retries: deque[_Batch[K, A]] = deque()
        self._quick: queue.SimpleQueue[_Batch[K, A] | None] = queue.SimpleQueue()
        self._others: queue.SimpleQueue[_Batch[K, A] | None] = queue.SimpleQueue()
        self._busy: set[_Batch[K, A]] = set()
        self._hopeless: LruCache[tuple[K, str], float] = LruCache(1000)  # until when
        self._cost: LruCache[tuple[K, Lane], float] = LruCache(1000)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._own = threading.local()
        self.waiting = 0
        self.lost = 0

    def start(self) -> None:
        """Start the threads, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        for batches in (self._quick, self._others):
            for _ in range(self._threads):
                self._hire(batches)

    def stop(self) -> None:
        """Let every thread end after the batch it is at; what still waits is cancelled."""
        for batches in (self._quick, self._others):
            for _ in range(self._threads):
                batches.put(None)
        for asks in self._waiting.values():
            for ask in asks:
                ask.future.cancel()
            asks.clear()

    async def predict(
        self, key: K, texts: Sequence[str], *, seconds: float | None = None, background: bool = False
    ) -> list[A]:
        """Return one answer per text, in order.

        Parameters
        ----------
        key
            What the texts are predicted with; only equal keys meet in one batch.
        texts
            Any number of them.
        seconds
            How long the caller is ready to wait for a thread to begin; for ever when omitted.
        background
            Waits behind every request that is not, is never refused, and leaves a thread to the others.

        Raises
        ------
        QueueFullError
            When too much is waiting, or `seconds` are over and no thread has begun. A request that was begun is
            finished: what was done for it is never thrown away.
        """
        now = time.monotonic()
        hopeless = {index for index, text in enumerate(texts) if (self._hopeless.get((key, text)) or now) > now}
        if hopeless:
            rest = [text for index, text in enumerate(texts) if index not in hopeless]
            others = iter(await self.predict(key, rest, seconds=seconds, background=background))
            return [self._timed_out() if index in hopeless else next(others) for index in range(len(texts))]
        if not texts:
            return []
        efforts = [effort(text) for text in texts]
        if background:
            return await self._wait("background", key, texts, efforts, None)
        self._require_room(len(texts))
        long = [index for index, each in enumerate(efforts) if each >= LONG]
        if not long or len(long) == len(texts):
            return await self._wait(lane_of(efforts), key, texts, efforts, seconds)
        apart = set(long)
        short = [index for index in range(len(texts)) if index not in apart]
        waits = []
        for indices in (short, long):
            part, own = [texts[index] for index in indices], [efforts[index] for index in indices]
            waits.append(asyncio.create_task(self._wait(lane_of(own), key, part, own, seconds)))
        try:
            parts = await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
        found = dict(zip([*short, *long], [*parts[0], *parts[1]], strict=True))
        return [found[index] for index in range(len(texts))]

    async def _wait(
        self, lane: Lane, key: K, texts: Sequence[str], efforts: Sequence[float], seconds: float | None
    ) -> list[A]:
        ask = _Ask(key, texts, efforts, asyncio.get_running_loop().create_future(), time.monotonic())
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

    def step(self) -> None:
        """Say, on a worker thread, that its batch comes to another step: the limit of processor time begins again."""
        batch: _Batch[K, A] | None = getattr(self._own, "batch", None)
        if batch is not None:
            batch.mark = batch.used()

    def _require_room(self, more: int) -> None:
        if self.lost >= MOST_LOST:
            raise QueueFullError("every worker is occupied by molecules that take too long", 10)
        if self.waiting and self.waiting + more > self._most_waiting:
            raise QueueFullError(
                f"{self.waiting} molecules are waiting and {more} more were sent; {self._most_waiting} may wait", 1
            )

    def _late(self, ask: _Ask[K, A]) -> None:
        if not ask.taken and not ask.future.done():
            ask.future.set_exception(QueueFullError("the request waited too long for its turn", 5, late=True))

    def _forget(self, ask: _Ask[K, A]) -> None:
        """Take a request out of the queue whose caller is gone; what is under way is not stopped."""
        if ask.taken < len(ask.texts):
            self.waiting -= len(ask.texts) - ask.taken
            ask.taken = len(ask.texts)

    def _dispatch(self) -> None:
        """Return work to every free thread."""
        while len(self._busy) <= self._threads and (batch := self._next()) is not None:
            assert self._loop is not None, "start() comes first"
            self._busy.add(batch)
            batch.timer = self._loop.call_later(self._seconds, self._overdue, batch)
            self._queue(batch).put(batch)

    def _queue(self, batch: _Batch[K, A]) -> queue.SimpleQueue[_Batch[K, A] | None]:
        return self._quick if batch.lane == "quick" else self._others

    def _next(self) -> _Batch[K, A] | None:
        quick = sum(batch.lane == "quick" for batch in self._busy)
        if quick < self._threads and (batch := self._gather("quick")) is not None:
            return batch
        if len(self._busy) - quick >= self._threads:
            return None
        others = sum(batch.lane in ("long", "background") for batch in self._busy)
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
        """Return a molecule of a batch that was given up, if anybody still waits for it."""
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
        room, most = float(self._most(batch.key, lane)), 1 if lane == "long" else PART
        while asks and room > 0:
            ask = asks.popleft()
            if ask.key != batch.key:
                later.append(ask)
                continue
            stop, left = ask.taken, min(most, room)
            while stop < len(ask.texts) and left > 0:  # the last one may be larger than what is left
                cost = cost_of(ask.efforts[stop], lane)
                room, left, stop = room - cost, left - cost, stop + 1
            batch.places += [(ask, index) for index in range(ask.taken, stop)]
            self.waiting -= stop - ask.taken
            ask.taken = stop
            if stop < len(ask.texts):
                unfinished.append(ask)
        asks.extendleft(reversed(later))
        asks.extend(unfinished)
        return batch

    def _most(self, key: K, lane: Lane) -> int:
        """Return how much effort makes a batch, or how many long molecules, by what as much took lately."""
        cost, most = self._cost.get((key, lane)), LONG_PART if lane == "long" else LARGEST_BATCH
        return most if not cost else max(1, min(most, int(BATCH_SECONDS / cost)))

    def _hire(self, batches: queue.SimpleQueue[_Batch[K, A] | None]) -> None:
        threading.Thread(target=self._work, args=(batches,), name="predict", daemon=True).start()

    def _work(self, batches: queue.SimpleQueue[_Batch[K, A] | None]) -> None:
        """Predict batch after batch, on a thread of its own; ends when asked to, or when given up meanwhile."""
        assert self._loop is not None
        if batches is self._others:
            give_way()
        while (batch := batches.get()) is not None:
            metrics.QUEUE.observe(time.monotonic() - min(ask.since for ask, _ in batch.places))
            metrics.BATCH_MOLECULES.observe(len(batch.places))
            answers: list[A] | Exception
            with self._process_of(batch) as process:
                batch.begin(process)
                self._own.batch, began = batch, batch.mark
                try:
                    answers = self._predict(batch.key, [ask.texts[index] for ask, index in batch.places], process)
                except Exception as error:  # noqa: BLE001  the requests get it, the thread continues
                    answers = error
                with self._lock:
                    batch.ended = True
                self._own.batch = None
                self._learn((batch.key, batch.lane), (batch.used() - began) / batch.size)
            with suppress(RuntimeError):  # the loop is closed: the service has ended meanwhile
                self._loop.call_soon_threadsafe(self._finished, batch, answers)
            if batch.lost:
                return

    def _process_of(self, batch: _Batch[K, A]) -> AbstractContextManager[ChemistryProcess | None]:
        return nullcontext() if batch.lane == "quick" else self._processes(batch.lane != "short")

    def _learn(self, key: tuple[K, Lane], cost: float) -> None:
        """Remember what a molecule took: more at once, less in time."""
        known = self._cost.get(key)
        self._cost.put(key, cost if known is None or cost > known else (known + cost) / 2)

    def _finished(self, batch: _Batch[K, A], answers: list[A] | Exception) -> None:
        if batch.timer is not None:
            batch.timer.cancel()
        if batch.lost:
            self.lost -= 1
            return
        self._busy.discard(batch)
        if isinstance(answers, ProcessEndedError):
            self._retry(batch)
        elif isinstance(answers, Exception):
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
        """Abandon the thread of a batch whose step takes too much, and find out which molecule it is."""
        assert self._loop is not None
        with self._lock:
            if batch.ended:
                return
            left, spent = self._left(batch), batch.used() - batch.mark >= self._seconds
            batch.lost = left <= 0
            if batch.lost and batch.process is not None:
                batch.process.kill()  # before its thread may give it to another batch
        if not batch.lost:
            batch.timer = self._loop.call_later(left, self._overdue, batch)
            return
        self._busy.discard(batch)
        self.lost += 1
        metrics.GIVEN_UP.inc()
        logger.warning("%d molecules held a worker for %g s: it was given up", len(batch.places), self._seconds)
        self._hire(self._queue(batch))
        if len(batch.places) == 1:
            ask, index = batch.places[0]
            self._hopeless.put((batch.key, ask.texts[index]), math.inf if spent else time.monotonic() + BLOCKED_FOR_S)
        self._retry(batch, once=True)
        self._dispatch()

    def _retry(self, batch: _Batch[K, A], *, once: bool = False) -> None:
        """Let the molecules of a batch continue one by one; one that was alone, again unless it had its turns."""
        if len(batch.places) == 1 and (once or batch.again):
            ask, index = batch.places[0]
            self._answer(ask, index, self._timed_out())
        else:
            again = len(batch.places) == 1
            self._retries += [_Batch(batch.key, [place], "long", again=again) for place in batch.places]

    def _left(self, batch: _Batch[K, A]) -> float:
        """Return the seconds after which to look at a batch again; none are left where its step does not end."""
        if not batch.clocks:  # no thread has taken it yet, or the system has no such clock
            return self._seconds if not batch.began else 0.0
        now, used = time.monotonic(), batch.used()
        passed, got = now - batch.looked[0], used - batch.looked[1]
        if passed < self._seconds:
            return self._seconds - passed
        blocked = got <= max(BLOCKED_S, BLOCKED_SHARE * passed)
        batch.looked = (now, used)
        return 0.0 if blocked else max(0.0, self._seconds - (used - batch.mark))
