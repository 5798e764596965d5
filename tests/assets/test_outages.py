"""Outages: MLflow that is away or was emptied by somebody, runs that files outran, that were cancelled or forgotten."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterUserCodeUnreachableError
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionResult
from dagster._serdes import serialize_value

from ai_drug_assets import keys
from ai_drug_assets.automation import TAGS
from ai_drug_assets.operations import maintenance
from ai_drug_assets.planning.scratch import scratch_prefix
from ai_drug_assets.tracking import EXPERIMENT, Tracking
from model_zoo.models import rf
from tests.project_factory import Project, refuse

RF = ("trained_model/greasy/rf", "trained_model/logp/rf")
JUDGING = {"leaderboard/greasy", "leaderboard/logp", "champion_model/greasy", "champion_model/logp"}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the fits of forests: one entry each."""
    fits: list[int] = []
    real = rf.train

    def train(*arguments: Any) -> Any:
        fits.append(1)
        return real(*arguments)

    monkeypatch.setattr(rf, "train", train)
    return fits


def test_a_model_fitted_while_mlflow_is_away_is_told_later(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's database is locked when a fitted model is to be logged: it is kept, and logged without another fit."""
    made.tick()
    fits, real = counted(monkeypatch), Tracking.log

    def locked(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Tracking, "log", locked)
    made.change_code("model_zoo/models/rf.py")
    assert made.tick() == list(RF)
    assert set(RF) <= made.plan().keys()
    once = len(fits)
    assert once > 0
    monkeypatch.setattr(Tracking, "log", real)
    assert made.tick(later_s=60) == list(RF)
    made.settle()
    assert made.plan() == {}
    assert len(fits) == once
    logged = [run.data.tags for run in made.runs() if run.data.tags.get(keys.TAG_RECOVERED)]
    assert {tags[keys.TAG_ASSET] for tags in logged} == set(RF)
    assert made.all_runs("RUNNING") == []


def test_an_experiment_that_somebody_deleted_is_noticed(made: Project) -> None:
    """Its runs are deleted with it. The next look sees that MLflow's file changed although nothing ran, and all of it
    comes back without a training.
    """
    made.tick()
    assert made.ask() == []
    before = made.trained()
    client = Tracking(made.settings).client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    assert made.plan()
    assert made.settle()
    assert made.plan() == {}
    assert made.trained() == before


def test_an_alias_that_somebody_deleted_comes_back(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan says that it is gone, and the champion is registered again; nothing is trained or elected."""
    made.materialise("champion_model/logp")
    made.settle()
    fits = counted(monkeypatch)
    client = Tracking(made.settings).client
    before = client.get_registered_model("logp").aliases
    assert "champion" in before
    client.delete_registered_model_alias("logp", "champion")
    assert made.plan() == {"champion_model/logp": {("new", "aliases")}}
    assert made.settle()[0] == ["champion_model/logp"]
    assert client.get_registered_model("logp").aliases == before
    assert made.plan() == {}
    assert fits == []


def test_a_run_that_its_files_outran_is_superseded(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEAD moves while the automation's run trains: the run ends as cancelled, not as failed, and what it left is asked
    for. One that a person asked for fails, and says why.
    """
    made.tick()
    path, real = made.root / "model_zoo/models/rf.py", rf.train

    def outrun(*arguments: Any) -> Any:
        path.write_text(path.read_text(encoding="utf-8") + "\nassert 4\n", encoding="utf-8")
        return real(*arguments)

    made.change_code("model_zoo/models/rf.py")
    monkeypatch.setattr(rf, "train", outrun)
    for tags, status in ((TAGS, "CANCELED"), ({}, "FAILURE")):
        result = made.materialise("trained_model/logp/rf", tags=tags)
        run = made.instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.status.value == status
    monkeypatch.setattr(rf, "train", real)
    for _ in range(6):
        made.tick(later_s=600)
    assert made.plan() == {}


def test_a_champion_whose_board_was_outrun_is_superseded(made: Project) -> None:
    """The champion was asked for and its board is outdated by now: no red run."""
    made.change_code("model_zoo/models/rf.py")
    result = made.materialise("champion_model/logp", tags=TAGS)
    run = made.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.CANCELED


def test_a_cancelled_run_leaves_nothing(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled in the UI while a model trains: nothing is left over, is judged without it, or stays open."""
    made.tick()

    def cancelled(*_: object) -> None:
        (run,) = made.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        made.instance.report_run_canceling(run)
        raise DagsterExecutionInterruptedError

    made.change_code("model_zoo/models/rf.py")
    monkeypatch.setattr(rf, "train", cancelled)
    boards = {key: made.ledger.read(key) for key in JUDGING}
    result = made.materialise()
    run = made.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.CANCELED
    assert {key: made.ledger.read(key) for key in JUDGING} == boards
    assert list((made.settings.home / "scratch").iterdir()) == []
    assert made.all_runs("RUNNING") == []


def test_one_failed_model_does_not_cost_the_leaderboard(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """*Materialize all* in one run skips the leaderboard of a model that fails: the automation judges without it."""
    made.tick()
    monkeypatch.setattr(rf, "train", refuse)
    made.change_code("model_zoo/models/rf.py")
    assert not made.materialise().success
    assert {"leaderboard/logp", "trained_model/logp/rf"} <= made.plan().keys()
    asked = {key for _ in range(8) for key in made.tick(later_s=60)}
    assert "leaderboard/logp" in asked
    assert made.plan().keys() == {"trained_model/logp/rf"}


def test_a_run_that_its_code_server_forgot_is_ended(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code server was killed as it started a run's process. Dagster cancels no run that is STARTING: once half a
    minute is over and the server says that it does not know it, it is ended; not while the server cannot be asked.
    """
    answers: list[bool | None] = []

    class Server:
        def __init__(self, **_: object) -> None:
            pass

        def can_cancel_execution(self, *_: object, **__: object) -> str:
            answer = answers.pop()
            if answer is None:
                raise DagsterUserCodeUnreachableError("no answer")
            return serialize_value(CanCancelExecutionResult(can_cancel=answer))

    monkeypatch.setattr(maintenance, "DagsterGrpcClient", Server)
    job = made.defs().resolve_implicit_global_asset_job_def()
    tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "port": 1})}
    run = made.instance.create_run_for_job(job, tags=tags)
    made.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.PIPELINE_STARTING.value, job_name=run.job_name), run.run_id
    )
    assert maintenance.close_abandoned_runs(made.instance) == 0  # it has just begun
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    for answer, ended in ((None, 0), (True, 0), (False, 1)):
        answers.append(answer)
        assert maintenance.close_abandoned_runs(made.instance) == ended


def test_the_automation_clears_what_a_killed_run_was_making(made: Project) -> None:
    """The process of a run is gone: the run is ended, and the folder it was working in goes."""
    made.tick()
    code = (
        "from ai_drug_assets.planning import scratch; "
        "print(scratch.scratch_prefix('trained_model'), scratch.this_process())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    prefix, process = done.stdout.split()
    left = made.settings.folder("scratch", f"{prefix}abcdefgh")
    mine = made.settings.folder("scratch", f"{scratch_prefix('dataset')}abcdefgh")
    job = made.defs().resolve_implicit_global_asset_job_def()
    tags: Mapping[str, str] = {keys.RUN_TAG_PROCESS: process}
    made.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    made.ask()
    assert not left.exists()
    assert mine.exists()


def test_what_steps_printed_goes_with_their_run(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster deletes a run and its events, and leaves what its steps printed for ever."""
    made.materialise()  # so that nothing needs the runs before
    before = {run.run_id for run in made.instance.get_runs()}
    deleted: list[object] = []
    manager = made.instance.compute_log_manager
    monkeypatch.setattr(manager, "delete_logs", lambda log_key=None, prefix=None: deleted.append(prefix))
    assert maintenance.prune_runs(made.instance, days=-1) > 0
    gone = before - {run.run_id for run in made.instance.get_runs()}
    assert gone
    assert sorted(map(str, deleted)) == sorted(str([run_id]) for run_id in gone)
