"""Assets made side by side in processes of their own: the same results, and a sentence when one is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import dagster as dg
import psutil
import pytest

from ai_drug_assets.execution import runner
from ai_drug_assets.execution.instance import prepare_instance
from ai_drug_assets.execution.lanes import Done, Ended, Processes, give_back
from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.settings import Settings
from tests.project_factory import make_project


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A project that was never run, and the instance of its home."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("AIDRUG_HOME", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = make_project(tmp_path / "project")
    prepare_instance(made)
    yield made
    for name in ("DAGSTER_HOME", "AIDRUG_HOME", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)


def news(lanes: Processes, patience_s: float = 200) -> list[Done | Ended]:
    """Wait for a lane to end; give all that it said."""
    messages: list[Done | Ended] = []
    deadline = time.monotonic() + patience_s
    while not messages or not isinstance(messages[-1], Ended):
        assert time.monotonic() < deadline, messages
        messages.extend(lanes.news(1))
    return messages


def test_lanes_make_what_they_are_given_and_tell_when_they_die(settings: Settings) -> None:
    """A lane keeps to its cores, says each asset that is done, outlives a failure, and is replaced when it is killed,
    with a sentence for what it was making; stopped lanes leave no process.
    """
    with dg.DagsterInstance.get():  # makes the tables
        pass
    catalog = load_catalog(settings)
    lanes = Processes(catalog, 2)
    try:
        assert lanes.free() == [0, 1]
        lanes.start(0, ["dataset/logp"])
        assert lanes.free() == [1]
        done, ended = news(lanes)
        assert isinstance(done, Done)
        assert isinstance(ended, Ended)
        assert (done.key, done.error, ended.outcome) == ("dataset/logp", None, {"dataset/logp": None})
        assert Ledger(settings.home / "ledger").read("dataset/logp").made is not None

        process = lanes._lanes[1][0]
        assert process.pid is not None
        wanted = len(os.sched_getaffinity(0)) // 2 or 1
        assert len(os.sched_getaffinity(process.pid)) in (wanted, len(os.sched_getaffinity(0)))
        lanes.start(1, ["dataset/greasy", "trained_model/greasy/naive"])
        os.kill(process.pid, signal.SIGKILL)
        (killed,) = news(lanes)
        assert isinstance(killed, Ended)
        assert "signal SIGKILL" in str(killed.outcome["dataset/greasy"])
        assert "skipped" in str(killed.outcome["trained_model/greasy/naive"])
        assert lanes.free() == [0, 1]
    finally:
        lanes.stop()
    assert not any(process.is_alive() for process, _ in lanes._lanes)


@pytest.mark.slow(sibling="test_lanes_make_what_they_are_given_and_tell_when_they_die")
def test_side_by_side_everything_is_made_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run on two lanes makes every asset; none fails for a locked database; a second run has nothing to do."""
    monkeypatch.setattr(runner, "WORTH_LANES_S", 0.0)
    lines: list[str] = []

    def run() -> runner.Report:
        with dg.DagsterInstance.get() as instance:
            return runner.bring_up_to_date(load_catalog(settings), instance, Lines(lines.append), lanes=2)

    report = run()
    assert report.failed == {}
    assert sorted(report.made) == sorted(load_catalog(settings).nodes)
    again = run()
    assert (again.made, again.failed) == ([], {})


def test_the_process_that_lanes_are_forked_from_is_ended_and_begins_anew() -> None:
    """`aidrug up` stays for weeks: what training needed does not stay with it."""
    forkserver.ensure_running()
    first = vars(forkserver._forkserver)["_forkserver_pid"]
    assert psutil.pid_exists(first)
    give_back()
    assert not psutil.pid_exists(first)
    give_back()  # nothing is left to end
    forkserver.ensure_running()
    second = vars(forkserver._forkserver)["_forkserver_pid"]
    assert second not in (None, first)
    give_back()
    assert not psutil.pid_exists(second)


@pytest.mark.parametrize(("stays", "worth_s", "place"), [(True, 0.0, "1"), (False, 0.0, "own"), (True, 1e9, "own")])
def test_a_process_that_stays_leaves_what_takes_memory_to_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stays: bool, worth_s: float, place: str
) -> None:
    """Even with one worker, `aidrug up` trains in a process that ends; little work is done where it is asked for."""

    class OpenedError(Exception):
        pass

    def own(*args: object) -> None:
        raise OpenedError("own")

    def processes(catalog: object, number: int) -> None:
        raise OpenedError(str(number))

    monkeypatch.setattr(runner, "WORTH_LANES_S", worth_s)
    monkeypatch.setattr(runner, "OwnProcess", own)
    monkeypatch.setattr(runner, "Processes", processes)
    with pytest.raises(OpenedError, match=place), dg.DagsterInstance.get() as instance:
        runner.bring_up_to_date(load_catalog(settings), instance, Lines(print), lanes=1, stays=stays)
