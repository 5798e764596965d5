"""Chemistry in processes: the same to the last bit, and whatever ends one, no answer is lost and none is another's."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import psutil
import pytest

from model_zoo.bundles.reader import Bundle
from model_zoo.chemistry.molecules import Limits, Molecule, Standardise
from model_zoo.inference.answers import Answer, Fault
from model_zoo.inference.chemistry import Chemistry, ProcessEndedError, Refused
from model_zoo.inference.predictor import HERE, Predictor
from serving.inference import chemistry_process as processes
from serving.inference.annotations import Deadline, Overdue
from serving.inference.batches import Batches
from serving.inference.chemistry_process import ChemistryProcess, chemistry_process
from tests.bundle_factory import write

TEXTS = (
    "OCC", "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]", "C[C@H](O)C(=O)O |&1:1|", "C1", "", "C" * 700, "CCO.CCN", "O=c1cccc[nH]1",
    "C12C3C4C1C5C2C3C45", "[2H]C(Cl)Br", "N[C@@H](C)C(=O)" * 8 + "O", "c1ccc2c(c1)ccc1ccccc12",
)  # fmt: skip
READING = (Standardise(), 3)
ROOM = threading.Semaphore(4)
LONG = ["CCO" * length for length in range(18, 42)]
"""Molecules of a lane that asks processes."""


def always(needed: bool) -> AbstractContextManager[ChemistryProcess | None]:
    """Return every batch a process."""
    return chemistry_process(ROOM)


@pytest.fixture
def process() -> Iterator[ChemistryProcess]:
    """Begin a process."""
    found = ChemistryProcess()
    yield found
    found.close()


def number_of(process: ChemistryProcess) -> int:
    """Find a process among the children of this one."""
    assert process.clock is not None
    (number,) = [each.pid for each in psutil.Process().children() if (~each.pid << 3) | 2 == process.clock]
    return number


def readable() -> list[Molecule]:
    """Return the molecules among the texts."""
    return [each for each in HERE.read(TEXTS, READING, Limits()) if isinstance(each, Molecule)]


def test_a_process_reads_and_refuses_as_the_service_does(process: ChemistryProcess) -> None:
    """Every text has the answer of the service's own process, in order, with its notes."""
    here, there = HERE.read(TEXTS, READING, Limits()), process.read(TEXTS, READING, Limits())

    def comparable(each: Molecule | Refused) -> tuple[object, ...]:
        return tuple(each) if isinstance(each, Refused) else (each.smiles, each.notes, each.mark)

    assert [comparable(each) for each in there] == [comparable(each) for each in here]
    assert process.read([], READING, Limits()) == []


def test_what_a_process_computes_is_equal_to_the_last_bit(process: ChemistryProcess) -> None:
    """Features, fingerprints, sizes, and what explanations take of a structure, of read and of unread molecules."""
    molecules = readable()
    for name in ("morgan_count", "avalon_count", "descriptors", "erg"):
        here, there = HERE.featurize(name, molecules), process.featurize(name, molecules)
        assert (here.dtype, here.shape, here.tobytes()) == (there.dtype, there.shape, there.tobytes())
    for version in (1, 2):
        there = process.fingerprints(version, molecules)
        np.testing.assert_array_equal(HERE.fingerprints(version, molecules), there, strict=True)
    np.testing.assert_array_equal(HERE.size_and_kind(molecules), process.size_and_kind(molecules), strict=True)
    aspirin = molecules[1]
    for name in ("morgan_count", "erg"):
        x = HERE.featurize(name, [aspirin])[0]
        slopes = np.linspace(-1, 1, len(x))
        for at in (HERE, process):
            assert at.without_atoms(name, aspirin).tobytes() == HERE.without_atoms(name, aspirin).tobytes()
            assert at.spread(name, aspirin, x, slopes).tobytes() == HERE.spread(name, aspirin, x, slopes).tobytes()
        above = [at.spread_above_average(name, aspirin, x, 0.5 * x, slopes).tobytes() for at in (HERE, process)]
        assert above[0] == above[1]


def test_what_is_raised_there_is_named_here_and_says_no_more(process: ChemistryProcess) -> None:
    """Its message may hold a structure; the process continues."""
    with pytest.raises(Exception, match=r"^$") as fault:
        process.featurize("nonsense", readable())

    assert type(fault.value).__name__ == "ConfigError"
    assert process.is_ready
    assert process.size_and_kind(readable()[:1]).shape[0] == 1


def test_a_process_ends_with_the_service_alone(process: ChemistryProcess) -> None:
    """A signal of a terminal or a supervisor to the whole group, it leaves to the service, which still answers."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        os.kill(number_of(process), signum)
    time.sleep(0.1)

    assert process.size_and_kind(readable()).shape[0] == len(readable())


def test_no_process_is_left_when_the_service_is_killed(tmp_path: Path) -> None:
    """With nobody at the other end of its pipe it ends, also when it was at work."""
    code = (
        "import sys, threading, time\nfrom rdkit import Chem\nfrom model_zoo.chemistry.molecules import Molecule\n"
        "from serving.inference.chemistry_process import ChemistryProcess\nprocess = ChemistryProcess()\n"
        "work = ('descriptors', [Molecule('CCO', Chem.MolFromSmiles('CCO'))] * 100_000)\n"
        "threading.Thread(target=process.featurize, args=work).start()\n"
        "time.sleep(0.5)\nprint(process.clock, process.is_ready, flush=True)\nsys.stdin.read()"
    )
    service = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert service.stdout is not None
    clock, is_ready = service.stdout.readline().decode().split()
    assert is_ready == "False"
    left = psutil.Process(~(int(clock) >> 3))
    service.kill()
    service.communicate()

    left.wait(20)


def test_one_that_was_killed_is_replaced() -> None:
    """Its caller gets an error; the next batch has another, and one that did its work is used again."""
    with chemistry_process(ROOM) as first:
        assert first is not None
        first.kill()
        with pytest.raises(ProcessEndedError):
            first.size_and_kind(readable())
    with chemistry_process(ROOM) as second:
        assert second is not None
        assert second.size_and_kind(readable()).shape[0] == len(readable())
    with chemistry_process(ROOM) as third:
        assert third is second is not first


def test_one_that_was_left_in_the_middle_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer would be taken for that of another question."""

    def interrupted(stream: object) -> None:
        raise MemoryError

    with chemistry_process(ROOM) as first:
        assert first is not None
        monkeypatch.setattr(processes, "receive", interrupted)
        with pytest.raises(MemoryError):
            first.size_and_kind(readable())
        monkeypatch.undo()
    with chemistry_process(ROOM) as second:
        assert second is not first


def test_where_there_is_no_room_for_a_process_the_service_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that is out of memory, or of processes, still predicts."""

    def no_room(*args: object, **options: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr(processes, "_idle", [])
    monkeypatch.setattr(subprocess, "Popen", no_room)
    with chemistry_process(ROOM) as process:
        assert process is None


def test_nobody_waits_for_a_process_that_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first few molecules after a start are read by the service itself; the next find a process."""
    idle: list[ChemistryProcess] = []
    monkeypatch.setattr(processes, "_idle", idle)
    with chemistry_process(ROOM, needed=False) as first, chemistry_process(ROOM, needed=False) as second:
        assert first is second is None
    until = time.monotonic() + 30
    while not idle:
        assert time.monotonic() < until
        time.sleep(0.01)
    with chemistry_process(ROOM, needed=False) as third:
        assert third is not None
    (left,) = idle
    left.close()


def test_one_begins_however_many_connections_are_held() -> None:
    """A thousand open files are no hindrance: a file's number is then one that `select` cannot take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        process = ChemistryProcess()
        assert process.size_and_kind(readable()).shape[0] == len(readable())
        process.close()
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_more_work_than_there_is_room_for() -> None:
    """Who needs a process waits for its turn; who does not continues without one."""
    room, order = threading.Semaphore(1), []

    def needs() -> None:
        with chemistry_process(room) as process:
            order.append(process is not None)

    with chemistry_process(room) as first:
        waiting = threading.Thread(target=needs)
        waiting.start()
        with chemistry_process(room, needed=False) as second:
            order.append(second is not None)
        assert first is not None
    waiting.join(30)

    assert order == [False, True]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Make a champion on two featurizers."""
    return write(tmp_path_factory.mktemp("bundle") / "a", endpoint="a", features=("morgan_count", "descriptors"))


def batches_of(bundle: Bundle, seconds: float) -> Batches[str, Answer]:
    """Make a queue that predicts with real processes, and remembers nothing."""

    def predict(key: str, texts: Sequence[str], process: ChemistryProcess | None) -> list[Answer]:
        return Predictor(Limits()).predict({"a": bundle}, texts, chemistry=process or HERE)

    given_up = Fault("timeout", "given up")
    return Batches(predict, lambda: given_up, threads=2, most_waiting=1000, seconds=seconds, processes=always)


async def everything(batches: Batches[str, Answer], times: int) -> list[list[Answer]]:
    """Ask for all molecules again and again, side by side."""
    batches.start()
    try:
        return await asyncio.gather(*(batches.predict("k", [*TEXTS, *LONG]) for _ in range(times)))
    finally:
        batches.stop()


def test_answers_are_the_same_while_processes_are_killed(bundle: Bundle) -> None:
    """Killed at random moments, a few times; each molecule is answered as without processes, in order."""
    killed: list[int] = []
    done = threading.Event()

    def kill() -> None:
        rng = random.Random(5)
        while not done.wait(rng.uniform(0.0, 0.3)) and len(killed) < 5:
            for each in psutil.Process().children():
                each.kill()
                killed.append(each.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        answers = asyncio.run(everything(batches_of(bundle, 20.0), 3))
    finally:
        done.set()
        killer.join()
    expected = Predictor(Limits()).predict({"a": bundle}, [*TEXTS, *LONG])

    assert killed
    assert answers == [expected] * 3


def test_a_process_that_hangs_is_killed_and_its_molecules_go_on(bundle: Bundle) -> None:
    """One that is stopped, and so computes nothing, is noticed too."""
    with chemistry_process(ROOM) as process:
        assert process is not None
        os.kill(number_of(process), signal.SIGSTOP)
    (answers,) = asyncio.run(everything(batches_of(bundle, 1.5), 1))

    assert not process.is_alive
    assert answers == Predictor(Limits()).predict({"a": bundle}, [*TEXTS, *LONG])


def test_what_kills_every_process_is_answered_and_alone(bundle: Bundle) -> None:
    """A molecule on which RDKit crashes ends processes and not the service; the others are answered."""

    class Crashing(Chemistry):
        def __init__(self, process: ChemistryProcess) -> None:
            self._process = process

        def read(
            self, texts: Sequence[str], reading: tuple[Standardise, int], limits: Limits
        ) -> list[Molecule | Refused]:
            if LONG[3] in texts:
                self._process.kill()
            return self._process.read(texts, reading, limits)

    def predict(key: str, texts: Sequence[str], process: ChemistryProcess | None) -> list[Answer]:
        assert process is not None
        return Predictor(Limits()).predict({"a": bundle}, texts, chemistry=Crashing(process))

    batches: Batches[str, Answer] = Batches(
        predict, lambda: Fault("timeout", ""), threads=2, most_waiting=1000, seconds=20.0, processes=always
    )

    async def ask() -> list[Answer]:
        batches.start()
        try:
            return await batches.predict("k", LONG[:6])
        finally:
            batches.stop()

    answers = asyncio.run(ask())
    expected: list[Answer] = list(Predictor(Limits()).predict({"a": bundle}, LONG[:6]))
    expected[3] = Fault("timeout", "")

    assert answers == expected


def test_a_deadline_ends_what_a_process_does_for_it_and_nothing_else() -> None:
    """While it works for the request it is killed at once; once it does not, it is left alone."""
    over, other = Deadline(), Deadline()
    with chemistry_process(ROOM) as process, over.owns(process):
        assert process is not None
        threading.Timer(0.2, over.kill).start()
        with pytest.raises(ProcessEndedError):
            process.featurize("descriptors", readable() * 2_000)
    with pytest.raises(Overdue):
        over.check()
    with chemistry_process(ROOM) as process:
        assert process is not None
        with other.owns(process):
            pass
        other.kill()
        assert process.size_and_kind(readable()).shape[0] == len(readable())
