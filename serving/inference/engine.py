"""The service's working parts, put together: store, champion watcher, predictor, worker threads.

Belongs here: what runs from the start of the service to its end.
Does not belong here: HTTP (see `api/handlers.py`, `page/`).
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from model_zoo.bundles.on_demand import ModelMemory
from model_zoo.bundles.reader import Bundle
from model_zoo.bundles.store import Pointer, Store
from model_zoo.inference.answers import Answer, Estimate, Fault
from model_zoo.inference.predictor import HERE, Predictor, Stage
from serving import metrics
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.champions.champion_watcher import ChampionWatcher
from serving.champions.remembered_pointer import Remembered
from serving.champions.training_progress import TrainingProgress
from serving.http.problems import ProblemError
from serving.inference.annotations import GRACE_S, PART, Annotation, Annotations, Deadline, Overdue
from serving.inference.batches import Batches, QueueFullError
from serving.inference.chemistry_process import chemistry_process
from serving.inference.lru_cache import LruCache
from serving.inference.prediction_logger import PredictionLogger
from serving.inference.priority import give_way
from serving.inference.recalibrator import Recalibrator
from serving.inference.rollout import Rollout
from serving.inference.structure_search import StructureSearch
from serving.machine import processors
from serving.runtime.generation_barrier import GenerationBarrier
from serving.settings import Settings
from serving.storage.stores import open_store

FIRST_LOOK_SECONDS = 2.0
LEAST_MOLECULES = 2_000
"""Molecules whose predictions are remembered however many endpoints there are: of 300, some 150 MB of them."""
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class _Asked:
    """What a request wants to know; requests that want the same of the same versions are predicted together."""

    versions: tuple[tuple[str, str], ...]
    remember: bool
    bundles: Mapping[str, Bundle] = field(compare=False)


class Engine:
    """Everything behind the HTTP handlers."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self.store = store if store is not None else open_store(settings.store, settings.cache_folder)
        worker = settings.worker
        generation_barrier = (
            GenerationBarrier(worker.shared / "generations", worker.number, settings.workers) if worker else None
        )
        remembered = Remembered(settings.folder, repr(self.store))
        memory = ModelMemory(settings.model_bytes / settings.workers)
        self.champion_watcher = ChampionWatcher(
            self.store, settings.poll_seconds, generation_barrier, remembered, memory
        )
        self.training_progress = TrainingProgress(self.store, settings.poll_seconds)
        estimates = LruCache[str, Mapping[str, Estimate]](settings.cache_entries, len, LEAST_MOLECULES)
        self._predictor = Predictor(settings.limits, LruCache(settings.cache_entries), estimates, self._step)
        threads = max(2, processors() // settings.workers)
        room = threading.Semaphore(threads - 1)
        self._annotations = Annotations(settings.cache_entries, partial(chemistry_process, room))
        self.batches: Batches[_Asked, Answer] = Batches(
            lambda asked, texts, process: self._predictor.predict(
                asked.bundles, texts, remember=asked.remember, chemistry=process or HERE
            ),
            lambda: Fault("timeout", f"this molecule was given up after {settings.batch_seconds:g} s of computing"),
            threads=threads,
            most_waiting=settings.queue_molecules,
            seconds=settings.batch_seconds,
            processes=lambda needed: chemistry_process(room, needed=needed),
        )
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="work")
        # Explanations take seconds: on a thread of their own they keep neither the page nor predictions waiting; with a
        # second one an attacked neighbour waited nearly twice as long (`tests/benchmarks/bench_attack.py`).
        self._explaining = ThreadPoolExecutor(1, "explain", initializer=give_way)
        self.prediction_logger = (
            PredictionLogger(settings.record, keep_smiles=settings.record_structures) if settings.record else None
        )
        self.recalibrator = Recalibrator(settings.record or None, lambda: self.champion_registry)
        self.rollout = Rollout(self.predict, self.prediction_logger)
        self.structure_search = StructureSearch()
        self.insights_waiting = 0

    @property
    def champion_registry(self) -> ChampionRegistry:
        """The champions being served. A request reads this once."""
        return self.champion_watcher.table

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the pointer for as long as the context lasts."""
        self.batches.start()
        tasks = [asyncio.create_task(each.run()) for each in (self.champion_watcher, self.training_progress)]
        if self.prediction_logger is not None:
            self.prediction_logger.start()
        # Wait for the first champions, but not for a store that does not answer: health must be reported in time.
        with suppress(TimeoutError):
            looks = asyncio.gather(self.champion_watcher.looked.wait(), self.training_progress.looked.wait())
            await asyncio.wait_for(looks, FIRST_LOOK_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self.recalibrator.look), FIRST_LOOK_SECONDS)
        tasks.append(asyncio.create_task(self.recalibrator.run()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            self.batches.stop()
            if self.prediction_logger is not None:
                await asyncio.to_thread(self.prediction_logger.stop)
            for pool in (self._threads, self._explaining):
                pool.shutdown(wait=False, cancel_futures=True)

    def _step(self, stage: Stage) -> AbstractContextManager[None]:
        """Time a stage of predicting; each has the whole limit of processor time, however many there are."""
        self.batches.step()
        return metrics.timed(stage)

    async def work(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run something slow on a worker thread, so that the event loop stays free."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    async def predict(
        self,
        champions: Mapping[str, Champion],
        texts: Sequence[str],
        *,
        background: bool = False,
        remember: bool = True,
    ) -> list[Answer]:
        """Predict with the champions that the request chose from its table; one answer per text, in order.

        What is remembered is answered at once, the rest by the queue; `background` work gives way there to every
        request that is not, and is never refused. Without `remember` what is new is not remembered.

        Raises
        ------
        ProblemError
            `busy` when too much is waiting, `overdue` when the request has waited its time.
        """
        bundles = {name: champion.bundle for name, champion in champions.items()}
        answers = self._predictor.known(bundles, texts)
        missing = [index for index, answer in enumerate(answers) if answer is None]
        if missing:
            versions = tuple((name, each.manifest.version) for name, each in bundles.items())
            asked = _Asked(versions, remember, bundles)
            seconds = None if background else self.settings.request_seconds
            wanted = [texts[index] for index in missing]
            try:
                got = await self.batches.predict(asked, wanted, seconds=seconds, background=background)
            except QueueFullError as error:
                code = "overdue" if error.late else "busy"
                metrics.REFUSED_REQUESTS.labels(code).inc()
                raise ProblemError(code, str(error), {"Retry-After": str(error.retry_seconds)}) from error
            for index, answer in zip(missing, got, strict=True):
                answers[index] = answer
        given = [answer for answer in answers if answer is not None]
        metrics.CACHE_HITS.inc(len(texts) - len(missing))
        metrics.CACHE_MISSES.inc(len(missing))
        for (name, code), count in Counter(_codes(given, champions)).items():
            metrics.MOLECULE_ERRORS.labels(name, code).inc(count)
        return self.recalibrator.applied(champions, given)

    async def annotations(
        self,
        champions: Mapping[str, Champion],
        answers: Sequence[Answer],
        include: Collection[str],
        *,
        background: bool = False,
    ) -> list[Annotation]:
        """Find what the request asks for beside the numbers; one insight per answer, in order.

        `background` work is never refused: its caller asks for the next molecules when it has had these. Requests take
        turns, a few molecules each; one that is cancelled, or whose time is over, ends with the explanation under way,
        or a second later.

        Raises
        ------
        ProblemError
            `busy` when too many molecules are waiting for theirs, `overdue` when a request's time is over.
        """
        if not include:
            return [Annotation()] * len(answers)
        waiting, most = self.insights_waiting, self.settings.insight_molecules
        if not background and waiting and waiting + len(answers) > most:
            metrics.REFUSED_REQUESTS.labels("busy").inc()
            detail = f"{', '.join(include)}: {waiting} molecules are waiting, {len(answers)} more came; {most} may wait"
            raise ProblemError("busy", detail, {"Retry-After": "2"})
        self.insights_waiting += len(answers)
        deadline, loop = Deadline(), asyncio.get_running_loop()

        def give_up() -> None:
            deadline.end()
            loop.call_later(GRACE_S, deadline.kill)

        timer = None if background else loop.call_later(self.settings.request_seconds, give_up)
        pool, step = (self._explaining, 1) if "explanation" in include else (self._threads, PART)
        found: list[Annotation] = []
        try:
            for start in range(0, len(answers), step):
                part = answers[start : start + step]
                job = partial(self._annotations.gather, champions, part, include, deadline)
                found += await loop.run_in_executor(pool, job)
        except Overdue:
            metrics.REFUSED_REQUESTS.labels("overdue").inc()
            detail = f"{', '.join(include)}: {len(found)} of {len(answers)} molecules were done in time; ask for fewer"
            raise ProblemError("overdue", detail, {"Retry-After": "5"}) from None
        finally:
            if timer is not None:
                timer.cancel()
            give_up()
            self.insights_waiting -= len(answers)
        return found

    async def change_pointer(self, change: Callable[[Pointer], Pointer]) -> Pointer:
        """Change which versions are current, and serve them at once.

        Raises
        ------
        StoreError
            When the store cannot be written; whatever `change` raises passes through.
        """
        pointer = await asyncio.to_thread(self.store.update_pointer, change)
        await self.champion_watcher.look()
        return pointer


def _codes(answers: Sequence[Answer], endpoints: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield endpoint and code of each prediction that could not be made."""
    for answer in answers:
        faults = dict.fromkeys(endpoints, answer) if isinstance(answer, Fault) else answer.faults
        yield from ((name, fault.code) for name, fault in faults.items())
