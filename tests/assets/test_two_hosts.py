"""A host that only trains beside one that serves: what one push trains is trained once."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.execution.runner import bring_up_to_date
from ai_drug_assets.planning.selection import Selection
from tests.project_factory import Project


@pytest.mark.slow(sibling="test_tracking::test_a_finished_run_is_reused_without_its_files")
def test_what_the_training_host_trained_is_judged_and_never_trained_again(project: Project) -> None:
    """The training host stops at trained models; the serving host, with a state of its own but the same MLflow, reuses
    them, judges and publishes; its automation then has nothing to ask for.
    """
    trainer = replace(project.settings, home=project.settings.home / "trainer")
    with dg.DagsterInstance.ephemeral() as instance:
        catalog = replace(project.catalog(), settings=trainer)
        report = bring_up_to_date(catalog, instance, Lines(project.lines.append), Selection(train_only=True))
        assert {key.split("/")[0] for key in report.made} == {"dataset", "features", "trained_model"}
        assert not report.failed
    trained = _trainings(project)

    report = project.run()

    assert not report.failed
    assert _trainings(project) == trained
    assert {key.split("/")[0] for key in report.made} >= {"trained_model", "champion_model", "inference_service"}
    assert project.evaluate() == []


def _trainings(project: Project) -> set[str]:
    """List the runs in which a model was fitted."""
    from mlflow import MlflowClient  # seconds, which processes that run other tests need not spend

    client = MlflowClient(project.settings.tracking_uri)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return {run.info.run_id for run in runs if "aidrug.signature" in run.data.tags}
