"""Faults drawn by a seed against the automation alone: the small sibling of `make test-chaos`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

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


CHEAP: tuple[Fault, ...] = (run_dies, file_is_lost, measurement_comes)
FAULTS: tuple[Fault, ...] = (*CHEAP, new_trees, disk_is_full)


def heals(project: Project, faults: Sequence[Fault], draw: random.Random, patch: pytest.MonkeyPatch) -> None:
    """Do the faults in an order that is drawn. After each the plan is empty again within some looks, nothing is out of
    step with Dagster, and no run is left open.
    """
    for fault in draw.sample(faults, len(faults)):
        fault(project, draw, patch)
        looks = 0
        while project.plan() or project.unsynced():
            project.tick(later_s=60)
            looks += 1
            assert looks < 15, f"{fault.__name__} does not heal: {project.plan()}"
        unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED])
        assert project.instance.get_runs(unfinished) == []
        assert project.all_runs("RUNNING") == []


def test_a_short_draw_heals(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest faults."""
    heals(made, CHEAP, random.Random(17), monkeypatch)


@pytest.mark.slow(sibling="test_small_chaos::test_a_short_draw_heals")
def test_whatever_a_seed_draws_heals(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them."""
    heals(made, FAULTS, random.Random(20), monkeypatch)
