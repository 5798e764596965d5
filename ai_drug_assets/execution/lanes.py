"""Where assets are made: in this process, or side by side in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Protocol

from serving.machine import processors

from ai_drug_assets import tracking
from ai_drug_assets.execution.making import Maker
from ai_drug_assets.operations import dagster_warnings
from ai_drug_assets.planning.catalog import Catalog
from ai_drug_assets.processes import cores, end_with_parent, use_cores
from ai_drug_assets.storage.sqlite import be_patient

if TYPE_CHECKING:
    import dagster as dg

PRELOADED = ("ai_drug_assets.definitions", "pandas", "rdkit.Chem", "sklearn.ensemble", "scipy.stats", "mlflow")
"""Imported once in the process that all lanes are forked from."""
IDLE_S = 5.0
KILLED = (
    "the process that made it was killed ({how}), most often because the memory was full: close other programs, or set "
    "AIDRUG_WORKERS=1, and start again; what was made stays"
)


@dataclass(frozen=True)
class Done:
    """An asset is done; `error` is what went wrong, if anything did."""

    key: str
    error: str | None
    seconds: float


@dataclass(frozen=True)
class Ended:
    """A lane is free again; `outcome` says by key what went wrong, or none where nothing did."""

    lane: int
    outcome: dict[str, str | None] = field(default_factory=dict)


class Lanes(Protocol):
    """Places that each make one set of assets at a time."""

    def free(self) -> list[int]:
        """Return the numbers of the lanes that have nothing to do."""

    def start(self, lane: int, keys: Sequence[str]) -> None:
        """Let a lane make these assets in one run."""

    def prepare(self, endpoint: str, model: str) -> None:
        """Let the last lane prepare a first bundle while others make what goes into it; see `Maker.prepare`."""

    def news(self, seconds: float) -> Iterator[Done | Ended]:
        """Wait at most so long, and return what happened."""

    def stop(self) -> None:
        """End all lanes, whatever they are doing."""


def preload() -> None:
    """Begin the slow imports that all lanes share, in a process of its own, while this one prepares the run."""
    tracking.keep_quiet()
    multiprocessing.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()


def give_back() -> None:
    """End the process that lanes are forked from: it holds over 200 MB, which a process that stays has better use for.

    Lanes that are opened later start another one.
    """
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001  there is no other way


class OwnProcess:
    """One lane, in this process: on a small machine a second one costs more than it brings."""

    def __init__(self, catalog: Catalog, instance: dg.DagsterInstance) -> None:
        self._maker = Maker(catalog, instance, lambda *done: self._news.append(Done(*done)))
        self._wanted: Sequence[str] | None = None
        self._news: list[Done | Ended] = []

    def free(self) -> list[int]:
        """Return the lane when it has nothing to do."""
        return [] if self._wanted else [0]

    def start(self, lane: int, keys: Sequence[str]) -> None:
        """Note what to make; it is made when somebody asks for news."""
        self._wanted = keys

    def prepare(self, endpoint: str, model: str) -> None:
        """Leave it to the bundle: nothing is made meanwhile."""

    def news(self, seconds: float) -> Iterator[Done | Ended]:
        """Make what is wanted, and return what happened."""
        if self._wanted is not None:
            outcome = self._maker.make(self._wanted)
            self._wanted = None
            news, self._news = [*self._news, Ended(0, outcome)], []
            yield from news

    def stop(self) -> None:
        """Nothing is left to end."""


class Processes:
    """Lanes in processes of their own, forked from one that did the slow imports.

    Parameters
    ----------
    catalog
        What there is to make; the instance is the one of `DAGSTER_HOME`.
    number
        How many lanes.
    """

    def __init__(self, catalog: Catalog, number: int) -> None:
        self._catalog = catalog
        preload()
        self._context = multiprocessing.get_context("forkserver")
        own = cores()
        share = max(1, processors() // number)
        self._cores = [[own[(lane * share + nth) % len(own)] for nth in range(share)] for lane in range(number)]
        self._lanes = [self._open(lane) for lane in range(number)]
        self._wanted: dict[int, tuple[Sequence[str], set[str]]] = {}

    def free(self) -> list[int]:
        """Return the numbers of the lanes that have nothing to do."""
        return [lane for lane in range(len(self._lanes)) if lane not in self._wanted]

    def start(self, lane: int, keys: Sequence[str]) -> None:
        """Send a lane what to make."""
        self._send(lane, list(keys), keys)

    def prepare(self, endpoint: str, model: str) -> None:
        """Send the last lane what to prepare; it is busy until it has."""
        self._send(len(self._lanes) - 1, (endpoint, model), ())

    def news(self, seconds: float) -> Iterator[Done | Ended]:
        """Wait for a lane to say something, or to die."""
        ready = wait([self._lanes[lane][1] for lane in self._wanted], timeout=seconds)
        for lane in [lane for lane in self._wanted if self._lanes[lane][1] in ready]:
            try:
                message: Done | Ended = self._lanes[lane][1].recv()
            except (EOFError, OSError):
                yield self._dead(lane)
                continue
            if isinstance(message, Done):
                self._wanted[lane][1].add(message.key)
                yield message
            else:
                del self._wanted[lane]
                yield Ended(lane, message.outcome)

    def stop(self) -> None:
        """End them. What a busy one was making is not kept, and what it made is whole."""
        for _, connection in self._lanes:
            connection.close()
        for lane, (process, _) in enumerate(self._lanes):
            if lane not in self._wanted:
                process.join(IDLE_S)
            process.kill()
            process.join()

    def _send(self, lane: int, wanted: list[str] | tuple[str, str], keys: Sequence[str]) -> None:
        self._wanted[lane] = (keys, set())
        with contextlib.suppress(OSError):  # one that died while it had nothing to do: waiting for news finds it dead
            self._lanes[lane][1].send(wanted)

    def _dead(self, lane: int) -> Ended:
        process, connection = self._lanes[lane]
        process.join()
        connection.close()
        code = process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        keys, done = self._wanted.pop(lane)
        left = [key for key in keys if key not in done]
        self._lanes[lane] = self._open(lane)
        outcome: dict[str, str | None] = dict.fromkeys(done) | dict.fromkeys(left[:1], KILLED.format(how=how))
        return Ended(lane, outcome | dict.fromkeys(left[1:], "skipped: the process that was to make it was killed"))

    def _open(self, lane: int) -> tuple[BaseProcess, Connection]:
        here, there = self._context.Pipe()
        arguments = (there, self._catalog, self._cores[lane], dict(os.environ))
        process = self._context.Process(target=_work, args=arguments, daemon=False)
        process.start()
        there.close()
        return process, here


def _work(connection: Connection, catalog: Catalog, own: list[int], environment: Mapping[str, str]) -> None:
    """Make what comes through the connection until it is closed.

    The environment is the parent's of now: the process that this one is forked from still has that of its own start.

    Each lane keeps to cores of its own: two lanes that each start a thread per core wait for each other most of the
    time. On one core a forest, both boosters and their bits are the same, and a Gaussian process is even faster.
    """
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    use_cores(own)
    dagster_warnings.keep_quiet()
    tracking.keep_quiet()
    be_patient()
    end_with_parent()
    import dagster as dg

    with dg.DagsterInstance.get() as instance, contextlib.suppress(EOFError, BrokenPipeError):
        maker = Maker(catalog, instance, lambda *done: connection.send(Done(*done)))
        while True:
            wanted: list[str] | tuple[str, str] = connection.recv()
            outcome: dict[str, str | None] = {}
            try:
                if isinstance(wanted, tuple):
                    maker.prepare(*wanted)
                else:
                    outcome = maker.make(wanted)
            except Exception as error:  # noqa: BLE001  a full disk, say: the lane's fault is reported, and it continues
                if isinstance(wanted, list):
                    outcome = dict.fromkeys(wanted, f"{type(error).__name__}: {error}")
            connection.send(Ended(0, outcome))
