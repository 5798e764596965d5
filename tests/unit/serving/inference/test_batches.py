"""The queue in front of the predictor: together, in turn, never too many, never held up by one molecule."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serving.inference.batches import LARGEST_BATCH, LONG_PART, MOST_LOST, PART, Batches, QueueFullError
from serving.inference.effort import LONG, effort

LONG_TEXT = 100
"""Atoms of a molecule that is long."""
Calls = list[tuple[str, list[str]]]


class Predictor:
    """Answers `text!`; waits at a gate while it is closed, but with `free` texts, and for ever at `hang`."""

    def __init__(self) -> None:
        self.calls: Calls = []
        self.gate = threading.Event()
        self.gate.set()
        self.free = set[str]()
        self.hung = threading.Event()

    def __call__(self, key: str, texts: Sequence[str], process: object = None) -> list[str]:
        """Predict, on a worker thread."""
        self.calls.append((key, list(texts)))
        while not self.gate.wait(0.01) and texts[0] not in self.free:
            continue
        if any(text.startswith("hang") for text in texts):
            self.hung.wait(10)
        if any(text == "fail" for text in texts):
            raise ValueError("fail")
        return [f"{text}!" for text in texts]


@asynccontextmanager
async def running(
    predictor: Predictor, *, threads: int = 1, most_waiting: int = 1000, seconds: float = 10.0, **options: Any
) -> AsyncIterator[Batches[str, str]]:
    """Run a queue in front of a predictor."""
    batches = Batches[str, str](
        predictor, lambda: "timed out", threads=threads, most_waiting=most_waiting, seconds=seconds, **options
    )
    batches.start()
    try:
        yield batches
    finally:
        predictor.gate.set()
        predictor.hung.set()
        batches.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test on an event loop of its own."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that a thread does."""
    while not condition():  # noqa: ASYNC110  another thread
        await asyncio.sleep(0.002)


def ask(batches: Batches[str, str], key: str, *texts: str, **options: Any) -> asyncio.Task[list[str]]:
    """Begin a request."""
    return asyncio.create_task(batches.predict(key, list(texts), **options))


def test_a_request_alone_is_answered_at_once_and_in_order() -> None:
    """Nothing waits for company while a thread is free."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor) as batches:
            assert await batches.predict("k", ["a", "b", "a"]) == ["a!", "b!", "a!"]
            assert await batches.predict("k", []) == []
            assert (batches.waiting, predictor.calls) == (0, [("k", ["a", "b", "a"])])

    run(test)


def test_what_waits_together_is_predicted_together_but_only_for_one_key() -> None:
    """While the thread is busy requests gather; one batch holds one key, and keys keep their turn."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor) as batches:
            first = ask(batches, "k", "first")
            await until(lambda: len(predictor.calls) == 1)
            rest = [ask(batches, key, text) for key, text in (("k", "a"), ("other", "b"), ("k", "c"))]
            await until(lambda: batches.waiting == 3)
            predictor.gate.set()

            assert [await each for each in (first, *rest)] == [["first!"], ["a!"], ["b!"], ["c!"]]
            assert predictor.calls[1:] == [("k", ["a", "c"]), ("other", ["b"])]

    run(test)


def test_a_large_request_lets_a_small_one_have_its_turn() -> None:
    """A request is predicted in parts, and what came meanwhile comes before its next part."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor) as batches:
            large = ask(batches, "k", *(str(number) for number in range(10 * PART)))
            await until(lambda: len(predictor.calls) == 1)
            small = ask(batches, "k", *(f"small{number}" for number in range(5)))
            await until(lambda: batches.waiting == 9 * PART + 5)
            predictor.gate.set()

            assert await small == [f"small{number}!" for number in range(5)]
            assert not large.done()
            assert await large == [f"{number}!" for number in range(10 * PART)]
            assert max(len(texts) for _, texts in predictor.calls) <= LARGEST_BATCH

    run(test)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_few_molecules_wait_for_no_crowd(threads: int) -> None:
    """While every other thread is held by large requests, a request for a molecule is answered at once."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor, threads=threads) as batches:
            crowds = [
                ask(batches, "k", *(f"hang{crowd}.{number}" for number in range(PART))) for crowd in range(2 * threads)
            ]
            await until(lambda: len(predictor.calls) >= threads)

            assert [await batches.predict("k", [f"small{number}"]) for number in range(20)] == [
                [f"small{number}!"] for number in range(20)
            ]
            assert not any(crowd.done() for crowd in crowds)
            predictor.hung.set()
            assert sum([len(await crowd) for crowd in crowds]) == 2 * threads * PART

    run(test)


def test_many_quick_requests_do_not_starve_a_large_one() -> None:
    """However many small requests come, a large one has a thread."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor, threads=1) as batches:
            large = ask(batches, "k", *(str(number) for number in range(4 * PART)))

            async def small() -> None:
                while not large.done():
                    assert await batches.predict("k", ["a"]) == ["a!"]

            await asyncio.gather(*(small() for _ in range(8)))
            assert len(await large) == 4 * PART

    run(test)


def test_past_the_bound_requests_are_refused_and_say_when_to_come_back() -> None:
    """The queue never grows without end, and a request is never refused while nothing waits."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor, most_waiting=5) as batches:
            large = ask(batches, "k", *"abcdefghij")
            quick = ask(batches, "k", "w")
            await until(lambda: len(predictor.calls) == 2)
            waiting = [ask(batches, "k", "x") for _ in range(5)]
            await until(lambda: batches.waiting == 5)
            with pytest.raises(QueueFullError, match="5 molecules are waiting and 1 more") as caught:
                await batches.predict("k", ["y"])
            background = ask(batches, "k", "z", background=True)
            predictor.gate.set()

            assert caught.value.retry_seconds >= 1
            assert not caught.value.late
            assert len(await large) == 10
            assert await quick == ["w!"]
            assert [await each for each in waiting] == [["x!"]] * 5
            assert await background == ["z!"]

    run(test)


def test_a_request_that_waited_its_time_is_given_up_and_makes_room() -> None:
    """A deadline passes in the queue: the caller hears it, and no thread works for nobody."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor) as batches:
            first = ask(batches, "k", "first", seconds=0.01)
            await until(lambda: len(predictor.calls) == 1)
            with pytest.raises(QueueFullError) as caught:
                await batches.predict("k", ["late"], seconds=0.02)
            gone = ask(batches, "k", "gone")
            await until(lambda: batches.waiting == 1)
            gone.cancel()
            await asyncio.sleep(0)
            predictor.gate.set()

            assert caught.value.late
            assert await first == ["first!"], "what a thread has begun with is answered"
            assert (await batches.predict("k", ["next"]), batches.waiting) == (["next!"], 0)
            assert [texts for _, texts in predictor.calls] == [["first"], ["next"]]

    run(test)


def test_background_work_gives_way_and_leaves_a_thread() -> None:
    """Background work begins only when nobody else waits, and never takes the last thread."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor, threads=2) as batches:
            first = ask(batches, "k", "chunk 1", background=True)
            second = ask(batches, "k2", "chunk 2", background=True)
            await until(lambda: len(predictor.calls) == 1)
            person = ask(batches, "k", "person")
            await until(lambda: len(predictor.calls) == 2)
            another = ask(batches, "k", "another")
            predictor.free.add("person")
            await until(lambda: len(predictor.calls) == 3)
            predictor.free.add("another")
            await another
            assert [texts[0] for _, texts in predictor.calls] == ["chunk 1", "person", "another"]

            predictor.gate.set()
            await asyncio.gather(first, second, person)

    run(test)


def test_one_molecule_that_never_ends_stalls_nobody() -> None:
    """Its batch is given up, the others are answered, and it is answered as timed out, the next time at once."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor, seconds=0.1) as batches:
            together = ask(batches, "k", "a", "hang", "b")
            await until(lambda: len(predictor.calls) == 1)
            assert await batches.predict("k", ["c"]) == ["c!"]
            assert await together == ["a!", "timed out", "b!"]
            assert batches.lost == 2

            began = len(predictor.calls)
            assert await batches.predict("k", ["hang", "d"]) == ["timed out", "d!"]
            assert predictor.calls[began:] == [("k", ["d"])]
            assert await batches.predict("k2", ["e"]) == ["e!"]
            predictor.hung.set()
            await until(lambda: batches.lost == 0)

    run(test)


def test_what_waited_for_something_else_is_not_hopeless_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that used no processor time may have waited for a slow disk: later the molecule is tried again."""
    monkeypatch.setattr("serving.inference.batches.BLOCKED_FOR_S", 0.0)

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor, seconds=0.05) as batches:
            assert await batches.predict("k", ["hang"]) == ["timed out"]
            predictor.hung.set()  # the disk answers again
            assert await batches.predict("k", ["hang"]) == ["hang!"]

    run(test)


def test_when_too_many_threads_are_held_up_requests_are_refused_until_one_returns() -> None:
    """Threads that were given up are bounded in number."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor, seconds=0.02) as batches:
            for number in range(MOST_LOST):
                assert await batches.predict("k", [f"hang {number}"]) == ["timed out"]
            with pytest.raises(QueueFullError, match="occupied"):
                await batches.predict("k", ["a"])
            predictor.hung.set()
            await until(lambda: batches.lost == 0)

            assert await batches.predict("k", ["a"]) == ["a!"]

    run(test)


def test_a_fault_of_the_predictor_reaches_its_callers_and_spares_the_thread() -> None:
    """An exception is reported to the requests of that batch; the next batch is predicted."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor) as batches:
            with pytest.raises(ValueError, match="fail"):
                await batches.predict("k", ["fail"])
            assert await batches.predict("k", ["a"]) == ["a!"]

    run(test)


def test_sixty_four_at_once_are_all_answered() -> None:
    """Many requests of many sizes at once: everyone gets the own answers, in order."""

    async def test() -> None:
        predictor = Predictor()
        async with running(predictor, threads=3, most_waiting=5000) as batches:
            asked = [[f"{number}.{index}" for index in range(number % 50 + 1)] for number in range(64)]
            got = await asyncio.gather(
                *(batches.predict(f"k{n % 3}", texts, background=n % 5 == 0) for n, texts in enumerate(asked))
            )

            assert got == [[f"{text}!" for text in texts] for texts in asked]

    run(test)


def burn(seconds: float) -> None:
    """Compute for so much processor time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def test_a_slow_machine_makes_no_molecule_hopeless() -> None:
    """What takes long by the clock and little of a core is on a busy machine: it is waited for, and not remembered."""

    def starved(key: str, texts: Sequence[str], process: object = None) -> list[str]:
        for _ in range(30):  # as a thread among many that want the core: some of it now and then
            burn(0.002)
            time.sleep(0.01)
        return [f"{text}!" for text in texts]

    async def test() -> None:
        batches = Batches[str, str](starved, lambda: "timed out", threads=1, most_waiting=10, seconds=0.1)
        batches.start()
        assert await batches.predict("k", ["beta blocker", "b"]) == ["beta blocker!", "b!"]
        assert await batches.predict("k", ["beta blocker"]) == ["beta blocker!"]
        assert batches.lost == 0
        batches.stop()

    run(test)


def test_many_endpoints_make_no_molecule_hopeless() -> None:
    """The limit is one of a step: a batch that goes from step to step may take longer than that."""

    async def test() -> None:
        def many_steps(key: str, texts: Sequence[str], process: object = None) -> list[str]:
            for _ in range(10):
                batches.step()
                burn(0.03)
            return [f"{text}!" for text in texts]

        batches = Batches[str, str](many_steps, lambda: "timed out", threads=1, most_waiting=10, seconds=0.1)
        batches.start()
        assert await batches.predict("k", ["a", "b"]) == ["a!", "b!"]
        batches.stop()

    run(test)


def test_what_computes_without_end_is_given_up_and_remembered() -> None:
    """A step that takes more of a core than is allowed is given up, whatever the clock says."""

    async def test() -> None:
        ended = threading.Event()

        def busy(key: str, texts: Sequence[str], process: object = None) -> list[str]:
            while "hang" in texts and not ended.is_set():
                burn(0.01)
            return [f"{text}!" for text in texts]

        batches = Batches[str, str](busy, lambda: "timed out", threads=1, most_waiting=10, seconds=0.1)
        batches.start()
        assert await batches.predict("k", ["a", "hang"]) == ["a!", "timed out"]
        assert await batches.predict("k", ["hang"]) == ["timed out"]
        ended.set()
        await until(lambda: batches.lost == 0)
        batches.stop()

    run(test)


def test_the_more_molecules_cost_the_fewer_make_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large request of expensive molecules lets others have their turn as soon as one of cheap ones does."""
    monkeypatch.setattr("serving.inference.batches.BATCH_SECONDS", 0.025)

    async def test() -> None:
        sizes: list[int] = []

        def dear(key: str, texts: Sequence[str], process: object = None) -> list[str]:
            sizes.append(len(texts))
            burn(0.1)
            return [f"{text}!" for text in texts]

        batches = Batches[str, str](dear, lambda: "timed out", threads=1, most_waiting=1000, seconds=10)
        batches.start()
        texts = [str(number) for number in range(PART + 4)]
        assert await batches.predict("k", texts) == [f"{text}!" for text in texts]
        batches.stop()

        assert sizes[0] == PART
        assert 1 <= sizes[1] <= PART // 4

    run(test)


def test_a_request_that_was_begun_is_finished() -> None:
    """What was done for a request is never thrown away: only one that nobody began with is refused as late."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor) as batches:
            texts = [str(number) for number in range(3 * PART)]
            begun = ask(batches, "k", *texts, seconds=0.05)
            await until(lambda: len(predictor.calls) == 1)
            await asyncio.sleep(0.1)
            predictor.gate.set()

            assert await begun == [f"{text}!" for text in texts]

    run(test)


def test_long_molecules_leave_a_thread_to_the_others() -> None:
    """However many long molecules wait, a short one is predicted at once; both come back in their places."""

    async def test() -> None:
        predictor = Predictor()
        long = [f"hang{index}" + "C" * LONG_TEXT for index in range(20)]
        async with running(predictor, threads=2) as batches:
            attack = [asyncio.create_task(batches.predict("k", long)) for _ in range(5)]
            await asyncio.sleep(0.05)
            quick = await asyncio.wait_for(batches.predict("k", ["CCO"]), 5)
            mixed = asyncio.create_task(batches.predict("k", ["CCO", long[0], "CCN"]))
            await asyncio.sleep(0.05)
            predictor.hung.set()
            answers = await mixed
            await asyncio.gather(*attack)

        assert quick == ["CCO!"]
        assert answers == ["CCO!", f"{long[0]}!", "CCN!"]
        assert max(sum(effort(text) >= LONG for text in texts) for _, texts in predictor.calls) <= LONG_PART

    run(test)


def test_a_mixed_request_that_waits_too_long_leaves_nothing_in_the_queue() -> None:
    """When one half of a request is overdue, the other half is taken back too."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor, threads=1) as batches:
            first = asyncio.create_task(batches.predict("k", ["CCO"]))
            await asyncio.sleep(0.05)
            with pytest.raises(QueueFullError):
                await batches.predict("k", ["CCN", "C" * LONG_TEXT], seconds=0.1)
            await asyncio.sleep(0)
            assert batches.waiting == 0
            predictor.gate.set()
            await first

    run(test)


def test_a_batch_is_no_more_work_than_a_batch_of_small_molecules() -> None:
    """The larger molecules are, the fewer are predicted in one go, and one of another request is among the next."""

    async def test() -> None:
        predictor = Predictor()
        predictor.gate.clear()
        async with running(predictor, threads=1) as batches:
            first = asyncio.create_task(batches.predict("k", ["C"] * 5))
            await asyncio.sleep(0.05)
            many = asyncio.create_task(batches.predict("k", ["C" * 50] * 40))
            await asyncio.sleep(0.05)
            one = asyncio.create_task(batches.predict("k", ["N"] * 5))
            await asyncio.sleep(0.05)
            predictor.gate.set()
            await asyncio.gather(first, many, one)

        efforts = [sum(map(effort, texts)) for _, texts in predictor.calls]
        assert max(efforts) <= LARGEST_BATCH + effort("C" * 50)
        assert "N" in predictor.calls[1][1]

    run(test)
