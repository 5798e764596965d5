"""Faults drawn by a seed against the automation alone: the small sibling of `make test-chaos`."""

from __future__ import annotations

import random
from collections.abc import Callable

import dagster as dg
import pytest

from ai_drug_assets import keys
from model_zoo.models import naive, rf
from tests.project_factory import Project, add_model

Fault = Callable[[Project, random.Random, pytest.MonkeyPatch], None]


def new_trees(project: Project, draw: random.Random, _: pytest.MonkeyPatch) -> None:
    """A commit changes a model."""
    add_model(project.settings, "rf", config={"n_estimators": draw.randrange(6, 99), "max_features": 0.5})


def run_dies(project: Project, draw: random.Random, patch: pytest.MonkeyPatch) -> None:
    """What is asked for is never made: the process of its run is killed before it says a word."""
    new_trees(project, draw, patch)
    for wanted in project.ask():
        job = project.defs().resolve_implicit_global_asset_job_def()
        run = project.instance.create_run_for_job(
            job, asset_selection=frozenset(map(keys.asset_key, wanted)), status=dg.DagsterRunStatus.STARTED
        )
        project.instance.report_run_failed(run, "its process is gone")


def file_is_lost(project: Project, draw: random.Random, _: pytest.MonkeyPatch) -> None:
    """A file of something that was made is deleted."""
    made = {key: project.ledger.read(key).made for key in project.catalog().nodes}
    places = [
        project.settings.home / key / entry.signature[:16] / name
        for key, entry in made.items()
        if entry and entry.files and key != "inference_service"
        for name in entry.files
    ]
    draw.choice(sorted(path for path in places if path.is_file())).unlink()


def measurement_comes(project: Project, draw: random.Random, _: pytest.MonkeyPatch) -> None:
    """A row is added to a CSV."""
    path = project.root / f"{draw.choice(['logp', 'greasy'])}.csv"
    path.write_text(path.read_text(encoding="utf-8") + f"{'C' * draw.randrange(9, 30)}Br,1\n", encoding="utf-8")


def disk_is_full(project: Project, draw: random.Random, patch: pytest.MonkeyPatch) -> None:
    """A training fails because nothing can be written, and later something can."""
    new_trees(project, draw, patch)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with patch.context() as inner:
        inner.setattr(draw.choice([rf, naive]), "train", full)
        project.tick()


FAULTS: tuple[Fault, ...] = (new_trees, run_dies, file_is_lost, measurement_comes, disk_is_full)


@pytest.mark.slow(
    sibling=(
        "test_automation::test_code_change_requests_that_model_then_the_judging",
        "test_automation::test_what_a_killed_run_left_is_asked_for_again_and_not_for_ever",
        "test_automation::test_files_that_are_lost_are_made_again",
        "test_automation::test_a_dataset_that_failed_for_a_passing_reason_is_repaired_with_its_models",
    )
)
def test_whatever_a_seed_draws_heals(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each fault the plan is empty again within some looks, nothing is out of step with Dagster, and no run is
    left open.
    """
    draw = random.Random(20)
    for fault in draw.sample(FAULTS, len(FAULTS)):
        fault(made, draw, monkeypatch)
        looks = 0
        while made.plan() or made.unsynced():
            made.tick(later_s=60)
            looks += 1
            assert looks < 15, f"{fault.__name__} does not heal: {made.plan()}"
        unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED])
        assert made.instance.get_runs(unfinished) == []
        assert made.all_runs("RUNNING") == []
