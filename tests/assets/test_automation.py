"""What the automation conditions request, tick by tick, with what they request really run."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter

import dagster as dg
import pytest

from ai_drug_assets import keys
from model_zoo.models import rf
from tests.project_factory import Project, add_model, refuse, write_csv

JUDGING = [
    ["leaderboard/greasy", "leaderboard/logp"],
    ["champion_model/greasy", "champion_model/logp"],
    ["inference_service"],
]
RF = ["trained_model/greasy/rf", "trained_model/logp/rf"]


def test_from_empty_everything_is_made_first_and_judged_afterwards(project: Project) -> None:
    """From empty, one tick requests every dataset, feature and model, and later ticks judge them, in order."""
    first, *later = project.settle()
    nodes = project.catalog().nodes.values()
    assert first == sorted(node.key for node in nodes if node.kind in ("dataset", "features", "trained_model"))
    assert later == JUDGING
    assert project.unsynced() == set()
    assert project.plan() == {}


def test_nothing_changed_requests_nothing(made: Project) -> None:
    """When nothing changed, no tick requests anything."""
    assert [made.tick() for _ in range(4)] == [[]] * 4


def test_code_change_requests_that_model_then_the_judging(made: Project) -> None:
    """A change of one model's code requests that model on each endpoint, then the judging, and nothing fails."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    assert made.settle() == [RF, *JUDGING]
    assert failed_runs(made) == []
    assert made.plan() == {}


def test_judging_waits_while_models_train(made: Project) -> None:
    """While the models that a change touches train, neither leaderboard, champion nor service is requested."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    defs = made.defs()
    assert made.evaluate(defs) == RF
    job = defs.get_implicit_global_asset_job_def()
    run = made.instance.create_run_for_job(
        job,
        asset_selection=frozenset(map(keys.asset_key, RF)),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert [made.evaluate(defs) for _ in range(3)] == [[]] * 3
    made.instance.delete_run(run.run_id)
    made.materialise(*RF, defs=defs)
    assert made.settle() == JUDGING


def test_failing_model_does_not_loop(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that cannot be trained is requested once, however many ticks follow; the champion comes from the others.
    New code for it is requested again, and then it is trained.
    """
    made.tick()
    before = made.trained()
    real = rf.train
    monkeypatch.setattr(rf, "train", refuse)
    made.change_code("model_zoo/models/rf.py")
    asked = Counter(key for _ in range(8) for key in made.tick())
    assert asked == dict.fromkeys([*RF, *itertools.chain(*JUDGING)], 1)
    assert set(made.plan()) == {"trained_model/logp/rf"}
    monkeypatch.setattr(rf, "train", real)
    made.change_code("model_zoo/models/rf.py", "2")
    assert made.settle() == [RF, *JUDGING]
    assert made.trained() == sorted([*before, *RF, "trained_model/greasy/rf"])


def test_a_model_added_later_fires(made: Project) -> None:
    """A model that is added later is requested, and only it is trained."""
    made.tick()
    before = made.trained()
    add_model(made.settings, "xgb")
    new = ["trained_model/greasy/xgb", "trained_model/logp/xgb"]
    assert made.settle() == [new, *JUDGING]
    assert made.trained() == sorted([*before, *new])


def test_what_the_command_line_made_is_not_requested_again(made: Project) -> None:
    """What somebody else brought up to date before the tick is not requested again, models and judging alike."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    assert made.run().failed == {}
    assert [made.tick() for _ in range(4)] == [[]] * 4


def test_a_failed_dataset_starts_no_training(made: Project) -> None:
    """When an endpoint's new data cannot be read, its models are not trained, and nothing loops."""
    made.tick()
    before = made.trained()
    (made.root / "logp.csv").write_text("smiles,value\nnot a molecule,1\n", encoding="utf-8")
    requested = made.settle()
    making = ("dataset", "features", "trained_model")
    nodes = made.catalog().nodes.values()
    assert requested[0] == sorted(node.key for node in nodes if node.kind in making and node.endpoint == "logp")
    assert made.trained() == before
    assert [made.tick() for _ in range(3)] == [[]] * 3


def test_a_repaired_dataset_lets_its_models_train(made: Project) -> None:
    """A dataset that failed for a passing reason and is then made by hand lets what waited for it fire."""
    made.tick()
    before = made.trained()
    rows = (made.root / "logp.csv").read_text(encoding="utf-8").splitlines()[1:]
    write_csv(made.root / "logp.csv", [(row.split(",")[0], float(row.split(",")[1]) + 0.5) for row in rows])
    blocked = made.settings.home / "scratch"
    shutil.rmtree(blocked)
    blocked.write_text("a disk that is not there")
    made.settle()
    blocked.unlink()
    assert made.trained() == before
    made.materialise("dataset/logp")
    assert made.settle()[0] == [
        "features/logp/descriptors",
        "features/logp/morgan_count",
        "trained_model/logp/naive",
        "trained_model/logp/rf",
    ]
    assert made.plan() == {}


def test_dataset_rerun_with_equal_content_requests_nothing(made: Project) -> None:
    """A dataset that is materialised again with equal content sets nothing off."""
    made.tick()
    made.materialise("dataset/logp")
    assert made.settle() == []


def test_revert_before_a_tick_requests_nothing(made: Project) -> None:
    """A change that is taken back before anything was trained for it requests nothing more than was made."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    made.evaluate()
    path = made.root / "model_zoo/models/rf.py"
    path.write_text(path.read_text(encoding="utf-8").replace("\nassert 1\n", ""), encoding="utf-8")
    assert made.settle() == []


def failed_runs(project: Project) -> list[str]:
    """Give the ids of Dagster runs that failed."""
    return [run.run_id for run in project.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))]
