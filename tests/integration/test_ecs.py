"""Past one host: what `docs/operations/past-one-host.md` says, on a real Postgres and a stand-in for ECS and S3."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import sqlalchemy
from dagster import DagsterRunStatus
from dagster._core.test_utils import poll_for_finished_run
from litestar.testing import TestClient

from ai_drug_assets import jobs
from ai_drug_assets.operations import maintenance
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.plan import make_plan
from ai_drug_assets.settings import ROOT
from ai_drug_assets.storage import postgres
from model_zoo.errors import StoreError
from serving.app import create_app
from serving.settings import Settings as ServiceSettings
from tests.command_factory import Installation, make_installation
from tests.doubles.aws_server import REGION, StandIn, aws_stand_in
from tests.doubles.ecs_tasks import METADATA, Tasks, ecs_tasks
from tests.launching import launched
from tests.postgres_server import PASSWORD, running_postgres
from tests.postgres_server import postgres as programs
from tests.server_process import answers

pytestmark = [
    pytest.mark.skipif(programs() is None, reason="needs a Postgres server: apt-get install postgresql"),
]
ECS_LIMIT = 8192
"""Characters that ECS takes as the overrides of one task."""
PAGE = ROOT / "docs" / "operations" / "past-one-host.md"
LOGS, BUNDLES = "my-logs", "my-bundles"


def container() -> dict[str, Any]:
    """Read the container of a run from the page."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    made: dict[str, Any] = json.loads(block)
    return made


@dataclass(frozen=True)
class Cluster:
    """An account in which Dagster's own task runs."""

    aws: StandIn
    tasks: Tasks
    installation: Installation
    definition: str


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Yield a cluster with the daemon's task, and this process the environment of a container in it."""
    with pytest.MonkeyPatch.context() as patch:
        yield from _cluster(tmp_path_factory.mktemp("cluster"), patch, runs=getattr(request, "param", False))


def _cluster(folder: Path, patch: pytest.MonkeyPatch, *, runs: bool) -> Iterator[Cluster]:
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_", "AWS_"))]:
        patch.delenv(name)
    installation = make_installation(folder / "installation")
    with running_postgres() as database, aws_stand_in(folder / "hosts") as aws:
        written = {one["name"]: one["value"] for one in container()["environment"]}
        environment = {
            **written,
            **aws.environment,
            **database,
            **installation.environment,
            "DAGSTER_HOME": str(ROOT / "infra" / "ecs"),  # in the image: /app/infra/ecs
            "PYTHONPATH": str(ROOT),
        }
        with ecs_tasks(folder / "tasks", environment, runs=runs) as tasks:
            definition, daemon = make_cluster(aws)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setenv(METADATA, tasks.metadata(daemon["taskArn"], daemon["clusterArn"]))
            yield Cluster(aws, tasks, installation, definition)


def make_cluster(aws: StandIn) -> tuple[str, dict[str, Any]]:
    """Make a cluster, the task definition of a run, and the task that Dagster's daemon lives in."""
    ecs, ec2 = aws.client("ecs"), aws.client("ec2")
    for bucket in (LOGS, BUNDLES):
        aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    name = ecs.create_cluster(clusterName="aidrug")["cluster"]["clusterArn"]
    definition = {**container(), "cpu": 256, "memory": 512}
    made = {}
    for family in ("run", "dagster"):
        answer = ecs.register_task_definition(
            family=f"aidrug-{family}",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{**definition, "name": family}],
        )
        made[family] = answer["taskDefinition"]["taskDefinitionArn"]
    network = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
    }
    daemon = ecs.run_task(
        cluster=name,
        taskDefinition=made["dagster"],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )
    return made["run"], daemon["tasks"][0]


def test_a_run_becomes_a_task_of_the_definition_on_the_page(cluster: Cluster) -> None:
    """In the daemon's own cluster and network, with a command that fits and names the secret only by its variable."""
    before = len(cluster.tasks.started)
    with launched(jobs.ALL_ASSETS) as (instance, run):
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        assert type(instance.compute_log_manager).__name__ == "S3ComputeLogManager"
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 4
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert instance.run_launcher.check_run_worker_health(found).status.value == "RUNNING"
        assert maintenance.close_abandoned_runs(instance) == 0  # that the process is not of this machine means nothing

        (task,) = cluster.tasks.started[before:]
        daemon = cluster.tasks.started[0]
        (container,) = task.overrides["containerOverrides"]
        assert task.task_definition_arn == cluster.definition
        assert task.cluster_arn == daemon.cluster_arn
        assert task.network_configuration["awsvpcConfiguration"]["subnets"]
        assert {"key": "dagster/run_id", "value": run.run_id} in task.tags
        assert container["name"] == "run"
        assert container["command"][:3] == ["dagster", "api", "execute_run"]
        text = json.dumps(task.overrides)
        assert len(text) < ECS_LIMIT * 0.75
        assert "AIDRUG_POSTGRES_PASSWORD" in text
        assert PASSWORD not in text

        task.last_status, task.containers[0].exitCode = "STOPPED", 137
        assert instance.run_launcher.check_run_worker_health(found).status.value == "FAILED"


def test_mlflow_gets_a_database_of_its_own(cluster: Cluster) -> None:
    """Made once, beside Dagster's; a server that refuses is named with the remedy, and without the password."""
    first, second = postgres.made("mlflow"), postgres.made("mlflow")

    assert first == second
    assert sqlalchemy.create_engine(first).connect().scalar(sqlalchemy.text("SELECT current_database()")) == "mlflow"
    wrong = {"AIDRUG_POSTGRES_PASSWORD": "wrong-secret"}
    with mock.patch.dict(os.environ, wrong), pytest.raises(StoreError) as caught:
        postgres.made("mlflow")
    assert "password authentication failed" in str(caught.value)
    assert "AIDRUG_POSTGRES_HOST" in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


@contextmanager
def running_mlflow(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the MLflow server as its container does, on Postgres, and point everybody to it."""
    bucket = "aidrug-artifacts-test"
    cluster.aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    process = subprocess.Popen(
        [Path(sys.executable).parent / "aidrug", "start", "mlflow"],
        env={
            **os.environ,
            "AIDRUG_ARTIFACTS": f"s3://{bucket}/mlflow",
            "AIDRUG_HOME": str(cluster.installation.folder),
        },
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    cluster.tasks.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:5000"
    try:
        deadline = time.monotonic() + 240
        while not answers("http://127.0.0.1:5000/health"):
            assert process.poll() is None
            assert time.monotonic() < deadline, "MLflow does not answer"
            time.sleep(0.5)
        yield
        assert cluster.aws.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"]
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.skipif(
    not os.environ.get("AIDRUG_TEST_INFRA"), reason="takes minutes of processor time: `make test-infra` runs it"
)
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cluster", [True], indirect=True)
def test_every_step_is_a_task_and_trainings_run_side_by_side(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole installation is made: a task for the run and for each step; records in Postgres, output in S3."""
    with running_mlflow(cluster, monkeypatch), launched(jobs.ALL_ASSETS) as (instance, run):
        ended = poll_for_finished_run(instance, run.run_id, timeout=1200)

        assert ended.status == DagsterRunStatus.SUCCESS, cluster.tasks.logs()[-6000:]
        settings = replace(cluster.installation.settings, tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
        plan = make_plan(load_catalog(settings), Ledger(settings.home / "ledger"))
        assert not plan.stale
        _, launcher, *steps = cluster.tasks.started
        stats = instance.get_run_step_stats(run.run_id)
        assert len(steps) == len(stats)
        assert launcher.overrides.get("cpu") is None
        assert all(step.overrides["cpu"] == "2048" and step.overrides["memory"] == "8192" for step in steps)
        times = [(one.step_key, one.start_time or 0.0, one.end_time or 0.0) for one in stats]
        (_, _, first_ends), (_, second_begins, _) = sorted(
            (one for one in times if one[0].startswith("trained_model")), key=lambda one: one[1]
        )
        assert second_begins < first_ends, "the two trainings did not overlap"
        stored = cluster.aws.client("s3").list_objects_v2(Bucket=LOGS, Prefix=f"dagster/storage/{run.run_id}")
        assert stored["KeyCount"]
        client = TestClient(create_app(ServiceSettings.from_environment({**os.environ, "AIDRUG_OPEN_ACCESS": "on"})))
        with client as service:
            answer = service.post("/v1/predict", json={"smiles": ["CCCCO"]}).json()
        assert isinstance(answer["predictions"][0]["endpoints"]["logp"]["value"], float)
