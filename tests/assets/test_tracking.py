"""What MLflow knows of a run: one nested run per trained model that always ends, and aliases on who serves."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ai_drug_assets import keys, processes
from ai_drug_assets.tracking import EXPERIMENT, Tracking
from model_zoo.bundles.card import parse_card
from model_zoo.models import rf
from tests.project_factory import Project, add_model, refuse


def test_each_trained_model_is_a_nested_run(project: Project) -> None:
    """Each trained model is an MLflow run of its own below the Dagster run's, FINISHED, with what to find it by."""
    from mlflow.artifacts import load_dict

    features = ("features/logp/descriptors", "features/logp/morgan_count")
    result = project.materialise("dataset/logp", *features, *models("logp"))
    assert result.success
    catalog = project.catalog()
    (parent,) = [run for run in project.all_runs() if keys.TAG_ASSET not in run.data.tags]
    assert parent.data.tags["dagster_run_id"] == result.run_id
    assert parent.info.status == "FINISHED"
    assert sorted(run.data.tags[keys.TAG_ASSET] for run in project.runs()) == models("logp")
    for run in project.runs():
        tags = run.data.tags
        node = catalog.nodes[tags[keys.TAG_ASSET]]
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags[keys.TAG_SIGNATURE] == node.signature
        assert (tags[keys.TAG_ENDPOINT], tags[keys.TAG_MODEL]) == (node.endpoint, node.name)
        assert tags[keys.TAG_DAGSTER_RUN] == result.run_id
        assert tags[keys.TAG_GIT_SHA] == "unknown"
        record = load_dict(f"{run.info.artifact_uri}/record.json")
        assert tags[keys.TAG_RECORD].startswith('{"code"')
        assert "cv_rmse" in run.data.metrics
        assert record == node.record.as_json()


def test_a_failed_model_is_a_failed_run(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails leaves a FAILED run; those trained beside it in the same Dagster run are FINISHED."""
    before = made.trained()
    monkeypatch.setattr(rf, "train", refuse)
    made.change_code("model_zoo/models/rf.py")
    made.run()
    assert [run.data.tags[keys.TAG_ASSET] for run in made.runs("FAILED")] == ["trained_model/logp/rf"]
    assert made.trained() == sorted([*before, "trained_model/greasy/rf"])
    assert made.all_runs("RUNNING") == []


def test_runs_of_dead_processes_are_closed(made: Project) -> None:
    """A run left RUNNING by a process that is gone is ended when training begins; one of a living process is not."""
    tracking = Tracking(made.settings)
    experiment = tracking.client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    code = "from ai_drug_assets.processes import this_process; print(this_process())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    dead, living = (
        tracking.client.create_run(experiment.experiment_id, tags={keys.TAG_PROCESS: process}).info.run_id
        for process in (gone, processes.this_process())
    )
    made.change_code("model_zoo/models/rf.py")
    made.materialise("trained_model/logp/rf")
    assert tracking.client.get_run(dead).info.status == "FAILED"
    assert tracking.client.get_run(living).info.status == "RUNNING"


def test_aliases_follow_the_champion(made: Project) -> None:
    """The registry's aliases name the run of the champion and of the challenger, and move with them."""
    assert alias(made, "champion") == run_of(made, "trained_model/logp/rf")
    assert alias(made, "challenger") is None
    add_model(made.settings, "xgb", endpoints=["logp"])
    made.run()
    assert {alias(made, "champion"), alias(made, "challenger")} == {
        run_of(made, "trained_model/logp/rf"),
        run_of(made, "trained_model/logp/xgb"),
    }


@pytest.mark.slow(sibling="test_aliases_follow_the_champion")
def test_an_alias_ends_with_its_model(made: Project) -> None:
    """When the challenger is removed nobody is challenger, and the champion that is trained again is the new run."""
    add_model(made.settings, "xgb")
    made.run()
    (made.settings.configs / "models" / "xgb.yaml").unlink()
    made.change_code("model_zoo/models/rf.py")
    made.run()
    assert alias(made, "champion") == run_of(made, "trained_model/logp/rf")
    assert alias(made, "challenger") is None


def test_classes_are_reported_as_such(made: Project) -> None:
    """MLflow's parameters and the card name the task that was trained, not the default of the hyper-parameters."""
    run = Tracking(made.settings).client.get_run(run_of(made, "trained_model/greasy/rf"))
    (card, *_) = (made.settings.home / "store" / "bundles" / "greasy").glob("*/card.json")

    assert run.data.params["task"] == "binary"
    assert parse_card(card.read_bytes(), str(card)).model.config["task"] == "binary"


def test_a_finished_run_is_reused_without_its_files(made: Project) -> None:
    """When the local files are gone, a finished run with the same signature gives them back, and nothing is trained."""
    before = made.trained()
    shutil.rmtree(made.settings.home / "trained_model")
    shutil.rmtree(made.settings.home / "ledger" / "trained_model")
    report = made.run()
    assert report.failed == {}
    assert set(models("logp")) <= set(report.made)
    assert made.trained() == before
    node = made.catalog().nodes["trained_model/logp/rf"]
    assert (made.settings.home / "trained_model" / "logp" / "rf" / keys.code_version(node) / "scores.json").is_file()


def test_a_finished_run_without_artefacts_is_trained_again(made: Project) -> None:
    """When neither the local files nor MLflow's artefacts are there any more, the model is trained again."""
    before = made.trained()
    node = made.catalog().nodes["trained_model/logp/rf"]
    client = Tracking(made.settings).client
    experiment = client.get_run(run_of(made, node.key)).info.experiment_id
    # A newer finished run of the same signature that never kept a file: artefacts themselves lie with the template.
    emptied = client.create_run(experiment, tags={keys.TAG_SIGNATURE: node.signature})
    client.set_terminated(emptied.info.run_id)
    shutil.rmtree(made.settings.home / "trained_model" / "logp" / "rf")
    (made.settings.home / "ledger" / "trained_model" / "logp" / "rf.json").unlink()
    assert made.run().failed == {}
    assert made.trained() == sorted([*before, "trained_model/logp/rf"])


def test_a_step_that_repeats_reuses(made: Project) -> None:
    """Materialising a fresh model by hand in the UI trains nothing."""
    before = made.trained()
    assert made.materialise("trained_model/logp/rf").success
    assert made.trained() == before


def models(endpoint: str) -> list[str]:
    """Return the models of an endpoint, sorted."""
    return [f"trained_model/{endpoint}/naive", f"trained_model/{endpoint}/rf"]


def run_of(project: Project, asset: str) -> str:
    """Return the newest finished MLflow run of an asset."""
    node = project.catalog().nodes[asset]
    found = Tracking(project.settings).find_finished(node.signature)
    assert found is not None
    return found


def alias(project: Project, name: str) -> str | None:
    """Return the MLflow run that an alias of the endpoint logp points at."""
    client = Tracking(project.settings).client
    if name not in client.get_registered_model("logp").aliases:
        return None
    run_id = client.get_model_version_by_alias("logp", name).run_id
    assert run_id is not None
    return str(run_id)


def test_an_experiment_that_was_deleted_comes_back(made: Project) -> None:
    """Somebody deletes the experiment in MLflow's page: the next training restores it, with all its runs."""
    before = len(made.runs())
    client = Tracking(made.settings).client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    made.change_code("model_zoo/models/rf.py")
    assert made.run().failed == {}
    assert len(made.runs()) == before + 2
