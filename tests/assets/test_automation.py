"""What the automation's sensor asks for, look by look, with what it asks for really run."""

from __future__ import annotations

import shutil
from collections import Counter

import dagster as dg
import pytest

from ai_drug_assets import keys
from ai_drug_assets.processes import one_at_a_time
from model_zoo.models import rf
from tests.project_factory import Project, add_model, refuse, write_csv

ELECTIONS = [["champion_model/greasy", "leaderboard/greasy"], ["champion_model/logp", "leaderboard/logp"]]
JUDGING = [ELECTIONS[0], ["inference_service"], ELECTIONS[1], ["inference_service"]]
RF = ["trained_model/greasy/rf", "trained_model/logp/rf"]
MAKING = ("dataset", "features", "trained_model")
LATER_S = 40.0
"""Longer than the second attempt waits."""


@pytest.mark.slow(
    sibling=(
        "test_first_minutes::test_each_endpoint_serves_before_anything_costly_is_trained",
        "test_code_change_requests_that_model_then_the_judging",
    )
)
def test_from_empty_an_endpoint_serves_before_the_others_are_made(project: Project) -> None:
    """From empty, endpoint by endpoint is made whole, judged and published, and nothing is asked for twice."""
    ticks = project.settle()
    asked = Counter(key for tick in ticks for key in tick)
    nodes = project.catalog().nodes.values()
    assert {key: asked[key] for key in asked if key.split("/")[0] in MAKING} == {
        node.key: 1 for node in nodes if node.kind in MAKING
    }
    assert asked.keys() == project.catalog().nodes.keys()
    assert project.unsynced() == set()
    assert project.plan() == {}


def test_nothing_changed_requests_nothing(made: Project) -> None:
    """When nothing changed, no look asks for anything, and all but the first read nothing."""
    assert [made.tick() for _ in range(4)] == [[]] * 4


def test_a_quiet_look_reads_no_ledger(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once everything was looked at and no file changed since, a look takes no more than stamps of files."""
    made.tick()
    monkeypatch.setattr("ai_drug_assets.retraining.Retraining.look", None)
    assert made.ask() == []
    with pytest.raises(TypeError):
        made.ask(later_s=2 * 3600)  # long afterwards everything is looked at again


def test_code_change_requests_that_model_then_the_judging(made: Project) -> None:
    """A change of one model's code asks for that model on each endpoint, then the judging, and nothing fails."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    ticks = made.settle()
    assert ticks[0] == RF
    assert ticks[1:] == JUDGING
    assert failed_runs(made) == []
    assert made.plan() == {}


def test_judging_waits_while_models_train(made: Project) -> None:
    """While the models that a change touches train, in whosever run, nothing of them is asked for or judged."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    job = made.defs().resolve_implicit_global_asset_job_def()
    run = made.instance.create_run_for_job(
        job,
        asset_selection=frozenset(map(keys.asset_key, RF)),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert [made.evaluate() for _ in range(3)] == [[]] * 3
    made.instance.delete_run(run.run_id)
    made.materialise(*RF)
    assert made.settle() == JUDGING


def test_the_automation_is_silent_while_the_command_works(made: Project) -> None:
    """While `aidrug run` is at work nothing is asked for; afterwards what it left is."""
    made.change_code("model_zoo/models/rf.py")
    with one_at_a_time(made.settings.folder("locks") / "run"):
        assert [made.ask() for _ in range(3)] == [[]] * 3
    assert made.evaluate() == RF


def test_failing_model_does_not_loop(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that cannot be trained is tried twice, however many looks follow; the champion comes from the others.
    New code for it is asked for again, and then it is trained.
    """
    made.tick()
    before = made.trained()
    real = rf.train
    monkeypatch.setattr(rf, "train", refuse)
    made.change_code("model_zoo/models/rf.py")
    asked = Counter(key for _ in range(8) for key in made.tick(later_s=600))
    assert asked["trained_model/logp/rf"] == 2
    assert asked["trained_model/greasy/rf"] == 1
    assert asked["champion_model/logp"] == 1
    assert set(made.plan()) == {"trained_model/logp/rf"}
    monkeypatch.setattr(rf, "train", real)
    made.change_code("model_zoo/models/rf.py", "2")
    assert made.settle()[0] == RF
    assert made.plan() == {}
    assert made.trained() == sorted([*before, *RF, "trained_model/greasy/rf"])


@pytest.mark.slow(
    sibling=(
        "test_failing_model_does_not_loop",
        "test_a_dataset_that_failed_for_a_passing_reason_is_repaired_with_its_models",
    )
)
def test_what_failed_for_an_outside_cause_is_tried_again_and_judged_again(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that fails because the disk is full is tried again, later each time, until it works; then it is
    judged, whatever was judged without it.
    """

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    made.tick()
    real = rf.train
    monkeypatch.setattr(rf, "train", full)
    made.change_code("model_zoo/models/rf.py")
    asked = Counter(key for _ in range(6) for key in made.tick(later_s=1000))
    assert 3 <= asked["trained_model/logp/rf"] <= 5  # of six looks: it waits longer each time
    asked += Counter(
        key for tick in made.settle() for key in tick
    )  # which endpoint goes first is by how long each took
    assert asked["champion_model/logp"] >= 1  # an election does not wait for ever
    monkeypatch.setattr(rf, "train", real)
    ticks = [*(made.tick(later_s=2000) for _ in range(5)), *made.settle()]
    assert {"trained_model/logp/rf", "leaderboard/logp"} <= {key for tick in ticks for key in tick}
    assert made.plan() == {}


@pytest.mark.slow(
    sibling=(
        "test_failures::test_code_that_changes_while_a_process_runs_is_not_labelled",
        "test_failing_model_does_not_loop",
    )
)
def test_an_edit_that_is_taken_back_is_made_up_for(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that was refused because a file was edited under it is tried again once the edit is undone."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    path, real = made.root / "model_zoo/models/rf.py", rf.train
    content = path.read_text(encoding="utf-8")

    def edited(*arguments: object) -> object:
        path.write_text(content + "\nassert 3\n", encoding="utf-8")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rf, "train", edited)
    wanted = made.ask()
    for keys_ in wanted:
        made.materialise(*keys_)
    path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(rf, "train", real)
    assert made.plan().keys() >= set(RF)
    assert made.settle() == []
    assert made.tick(later_s=LATER_S) == RF
    made.settle()
    assert made.plan() == {}


def test_what_a_killed_run_left_is_asked_for_again_and_not_for_ever(made: Project) -> None:
    """Runs that end without a word, as killed ones do, are asked for again, later each time, and at last left alone:
    the endpoint is then judged without them.
    """
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    looks = [made.evaluate()]
    for _ in range(6):
        made.now += 4000
        looks.append(made.evaluate())
    asked = Counter(key for look in looks for key in look)
    assert asked["trained_model/logp/rf"] == 4
    failure = made.ledger.read("trained_model/logp/rf").failure
    assert failure is not None
    assert "ended 4 times without a word" in failure.error
    assert asked["leaderboard/logp"] + asked["leaderboard/greasy"] >= 1


def test_files_that_are_lost_are_made_again(made: Project) -> None:
    """A model whose file is deleted is noticed by the next look and brought back."""
    made.tick()
    place = next((made.settings.home / "trained_model" / "logp" / "rf").iterdir())
    (place / "scores.json").unlink()
    assert made.tick() == ["trained_model/logp/rf"]
    assert (place / "scores.json").is_file()
    made.settle()
    assert made.plan() == {}


def test_a_measurement_file_that_changes_reloads_the_code(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of measurements that changes is noticed by its stamp; nothing is asked for before the reload."""
    asked: list[int] = []
    monkeypatch.setattr("ai_drug_assets.automation.reload_location", lambda settings: asked.append(settings.ui_port))
    sensor = made.defs().resolve_sensor_def("retrain_what_changed")
    write_csv(made.root / "logp.csv", [("CCO", 1.0)])
    with dg.build_sensor_context(instance=made.instance) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    assert asked == [made.settings.ui_port]
    assert not result.run_requests


@pytest.mark.slow(
    sibling=(
        "test_code_change_requests_that_model_then_the_judging",
        "test_staleness::test_a_new_model_trains_only_itself",
    )
)
def test_a_model_added_later_fires(made: Project) -> None:
    """A model that is added later is asked for, and only it is trained."""
    made.tick()
    before = made.trained()
    add_model(made.settings, "xgb")
    new = ["trained_model/greasy/xgb", "trained_model/logp/xgb"]
    assert made.settle()[0] == new
    assert made.plan() == {}
    assert made.trained() == sorted([*before, *new])


@pytest.mark.slow(sibling="test_nothing_changed_requests_nothing")
def test_what_the_command_line_made_is_not_requested_again(made: Project) -> None:
    """What somebody else brought up to date before the look is not asked for again, models and judging alike."""
    made.tick()
    made.change_code("model_zoo/models/rf.py")
    assert made.run().failed == {}
    assert [made.tick() for _ in range(4)] == [[]] * 4


def test_a_failed_dataset_starts_no_training(made: Project) -> None:
    """When an endpoint's new data cannot be read, its models are not trained, and nothing loops."""
    made.tick()
    before = made.trained()
    (made.root / "logp.csv").write_text("smiles,value\nnot a molecule,1\n", encoding="utf-8")
    asked = Counter(key for _ in range(4) for key in made.tick(later_s=600))
    assert asked["dataset/logp"] == 2
    assert made.trained() == before
    assert [made.tick() for _ in range(3)] == [[]] * 3


def test_a_dataset_that_failed_for_a_passing_reason_is_repaired_with_its_models(made: Project) -> None:
    """A dataset that failed because its disk was away is made again by itself, and so is what waited for it."""
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
    assert "dataset/logp" in made.tick(later_s=LATER_S)
    made.settle()
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
    """Return the ids of Dagster runs that failed."""
    return [run.run_id for run in project.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))]
