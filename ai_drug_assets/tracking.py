"""Experiment tracking and registry: MLflow through `dagster-mlflow`, one run per trained model.

Belongs here: everything that talks to MLflow.
Does not belong here: what a score means, which model wins.

`dagster-mlflow` shares one MLflow run among all steps of a Dagster run and leaves it RUNNING when an asset run
ends. Here that run is the parent, each trained model is a nested run of its own, and both always end. MLflow takes
3 seconds to import, so it is imported when first used: loading definitions and planning never do.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from model_zoo.io.digests import canonical_json
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.type_aliases import Json

from ai_drug_assets import keys
from ai_drug_assets.planning.remains import files_in, missing
from ai_drug_assets.processes import alive, one_at_a_time, this_process
from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from mlflow.tracking import MlflowClient

EXPERIMENT = "aidrug"
TAG_LIMIT = 5000
"""MLflow refuses longer tag values; a record that is longer is kept whole as the artefact `record.json` anyway."""


def keep_quiet() -> None:
    """Let MLflow say only what somebody has to know; to be called before it is imported."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    logging.getLogger("alembic").setLevel(logging.WARNING)


@dataclass(frozen=True)
class TrainingRun:
    """The MLflow run of one trained model."""

    run_id: str


class Tracking:
    """MLflow, connected when first used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connected: MlflowClient | None = None

    @property
    def client(self) -> MlflowClient:
        """MLflow's client; the first use imports MLflow and makes the experiment."""
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    @contextmanager
    def training_run(
        self, context: dg.AssetExecutionContext, *, name: str, tags: Mapping[str, str], record: SignatureRecord
    ) -> Iterator[TrainingRun]:
        """Open the nested run of one trained model; it ends FINISHED, or FAILED when the body raises."""
        client = self.client
        self.close_abandoned()
        parent = self._parent(context)
        experiment = client.get_run(parent).info.experiment_id
        run = client.create_run(
            experiment,
            run_name=name,
            tags={
                **tags,
                keys.TAG_DAGSTER_RUN: context.run.run_id,
                keys.TAG_RECORD: _tag(record),
                keys.TAG_PROCESS: this_process(),
                "mlflow.parentRunId": parent,
            },
        )
        status = "FAILED"
        try:
            client.log_dict(run.info.run_id, record.as_json(), "record.json")
            yield TrainingRun(run.info.run_id)
            status = "FINISHED"
        finally:
            client.set_terminated(run.info.run_id, status)
            client.set_terminated(parent, status)

    def log(self, run: TrainingRun, *, params: Mapping[str, Json], scores: Mapping[str, float], folder: Path) -> None:
        """Log hyper-parameters, scores and a folder of artefacts in one go, with a list of its files."""
        from mlflow.entities import Metric, Param

        stamp = int(time.time() * 1000)
        self.client.log_batch(
            run.run_id,
            metrics=[Metric(name, value, stamp, 0) for name, value in scores.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
        )
        self.client.set_tag(run.run_id, keys.TAG_FILES, canonical_json(files_in(folder))[:TAG_LIMIT])
        self.client.log_artifacts(run.run_id, str(folder))

    def find_finished(self, signature: str) -> str | None:
        """Return the id of a finished run with this signature, the newest; none when there is none."""
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return None
        runs = self.client.search_runs(
            [experiment.experiment_id],
            f"tags.`{keys.TAG_SIGNATURE}` = '{signature}' and attributes.status = 'FINISHED'",
            order_by=["attributes.end_time DESC"],
            max_results=1,
        )
        return runs[0].info.run_id if runs else None

    def adopt(self, run_id: str, former: str, signature: str, record: SignatureRecord) -> None:
        """Label a finished run with another signature and record; the former ones stay with it."""
        client = self.client
        if former_record := client.get_run(run_id).data.tags.get(keys.TAG_RECORD):
            client.log_text(run_id, former_record, "former_record.txt")
        client.log_dict(run_id, record.as_json(), "record.json")
        client.set_tag(run_id, keys.TAG_RECORD, _tag(record))
        client.set_tag(run_id, keys.TAG_FORMER, former)
        client.set_tag(run_id, keys.TAG_SIGNATURE, signature)

    def download(self, run_id: str, folder: Path) -> bool:
        """Download the artefacts of a run into an existing folder; give whether they are all that it logged.

        Of a run that kept no list of them, it is said whether there is a model.
        """
        if not self.client.list_artifacts(run_id, "model"):
            return False
        from mlflow.artifacts import download_artifacts

        download_artifacts(run_id=run_id, dst_path=str(folder), tracking_uri=self._settings.tracking_uri)
        listed = self.client.get_run(run_id).data.tags.get(keys.TAG_FILES, "{}")
        return len(listed) >= TAG_LIMIT or not missing(folder, json.loads(listed))

    def set_aliases(self, endpoint: str, runs: Mapping[str, str | None]) -> None:
        """Point registry aliases (`champion`, `challenger`) of an endpoint at the models of runs; none removes one."""
        from mlflow.exceptions import MlflowException

        client = self.client
        try:
            client.create_registered_model(endpoint)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        versions = {version.run_id: version for version in client.search_model_versions(f"name = '{endpoint}'")}
        for alias, run_id in runs.items():
            if run_id is None:
                client.delete_registered_model_alias(endpoint, alias)
                continue
            if run_id not in versions:
                source = f"{client.get_run(run_id).info.artifact_uri}/model"
                versions[run_id] = client.create_model_version(endpoint, source, run_id)
            client.set_registered_model_alias(endpoint, alias, versions[run_id].version)

    def keep_card(self, endpoint: str, run_id: str, card: str) -> None:
        """Keep a champion's model card: whole with its run, and where MLflow shows the registered model."""
        self.client.log_text(run_id, card, "model_card.md")
        self.client.update_registered_model(endpoint, card[:TAG_LIMIT])

    def close_abandoned(self) -> int:
        """End runs that a killed process of this host left RUNNING; give how many."""
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return 0
        closed = 0
        for run in self.client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'"):
            process = run.data.tags.get(keys.TAG_PROCESS)
            if process is not None and not alive(process):
                self.client.set_terminated(run.info.run_id, "FAILED")
                closed += 1
        return closed

    def close_runs_of(self, process: str) -> None:
        """End the runs that a process gives up; nothing when it never used MLflow."""
        if self._settings.tracking_uri.startswith("sqlite:///") and "mlflow" not in sys.modules:
            return
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return
        wanted = f"attributes.status = 'RUNNING' and tags.`{keys.TAG_PROCESS}` = '{process}'"
        for run in self.client.search_runs([experiment.experiment_id], wanted):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def _connect(self) -> MlflowClient:
        keep_quiet()
        os.environ.setdefault("MLFLOW_TRACKING_URI", self._settings.tracking_uri)
        import mlflow
        from mlflow.exceptions import MlflowException

        mlflow.set_tracking_uri(self._settings.tracking_uri)
        own = self._settings.tracking_uri.startswith("sqlite:///")
        if own:
            Path(self._settings.tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(self._settings.folder("locks") / "mlflow"):  # two that make its tables at once both fail
            client = mlflow.tracking.MlflowClient(self._settings.tracking_uri)
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is not None and experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment.experiment_id)  # in its UI: no run could be made any more
            elif experiment is None:
                try:
                    client.create_experiment(EXPERIMENT, self._settings.artifacts if own else None)
                except MlflowException as error:  # another host was first
                    if error.error_code != "RESOURCE_ALREADY_EXISTS":
                        raise
        return client

    def _name_parent(self, dagster_run_id: str) -> None:
        """Make the run that `dagster-mlflow` will find, with its process in it from the first moment.

        It would make one itself and tag it afterwards: killed in between, it could not be known whose run it was.
        """
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        if not self.client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{dagster_run_id}'"):
            tags = {"dagster_run_id": dagster_run_id, keys.TAG_PROCESS: this_process()}
            self.client.create_run(experiment.experiment_id, tags=tags)

    def _parent(self, context: dg.AssetExecutionContext) -> str:
        """Open, or find again, the MLflow run that `dagster-mlflow` keeps for this Dagster run."""
        import mlflow
        from dagster_mlflow.resources import MlFlow

        while mlflow.active_run() is not None:
            mlflow.end_run()
        self._name_parent(context.run.run_id)
        config = {
            "experiment_name": EXPERIMENT,
            "mlflow_tracking_uri": self._settings.tracking_uri,
            "extra_tags": {keys.TAG_PROCESS: this_process()},
        }
        MlFlow(  # type: ignore[no-untyped-call]
            SimpleNamespace(log=context.log, dagster_run=context.run, run_id=context.run.run_id, resource_config=config)
        )
        active = mlflow.active_run()
        assert active is not None
        # Ends the thread's active run without ending the run itself in the store twice: the body of
        # `training_run` works through the client, by run id.
        mlflow.end_run()
        return str(active.info.run_id)


def _tag(record: SignatureRecord) -> str:
    """Return as much of what a signature covers as a tag holds; the whole record is an artefact of the run."""
    return canonical_json(record.signed)[:TAG_LIMIT]
