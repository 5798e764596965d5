"""`infra/ecs` applied, used, changed and destroyed on the stand-in for AWS."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_drug_assets import jobs
from ai_drug_assets.host_cost import estimate
from tests.doubles.aws_server import ACCOUNT, REGION, aws_stand_in
from tests.doubles.ecs_tasks import METADATA, ecs_tasks
from tests.doubles.policies import Policies
from tests.infra.terraform_stack import ROOT, Stack, copy_of_infra, opt_in
from tests.launching import launched
from tests.postgres_server import postgres, running_postgres

pytestmark = [opt_in, pytest.mark.timeout(1800)]
NAME, SHA, NEXT = "aidrug-ecs", "c" * 40, "d" * 40
ARN = f"arn:aws:%s:{REGION}:{ACCOUNT}:%s"
BUCKETS = {purpose: f"aidrug-{purpose}-{ACCOUNT}" for purpose in ("artifacts", "data", "bundles", "logs", "backups")}
REGISTRY = ARN % ("secretsmanager", "secret:registry-AbCdEf")
VARIABLES: dict[str, Any] = {
    "region": REGION,
    "buckets": BUCKETS,
    "image_repository": "images.example.com/team/project",
    "image_tag": SHA,
    "alert_email": "operator@example.com",
    "registry_secret_arn": REGISTRY,
    "keep_data_on_destroy": False,
    "aws_stand_in": True,
    "aws_max_retries": 2,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give an account to which everything was applied once."""
    with aws_stand_in(tmp_path_factory.mktemp("hosts")) as aws:
        folder = tmp_path_factory.mktemp("stack")
        copy_of_infra(folder)
        made = Stack(aws, folder, "ecs", VARIABLES)
        made.prepare_beside()
        made.write_variables()
        made.apply()
        yield made


def container(stack: Stack, family: str, name: str) -> dict[str, Any]:
    """Give a container of the newest revision of a task definition."""
    answer = stack.aws.client("ecs").describe_task_definition(taskDefinition=f"{NAME}-{family}")
    found: list[dict[str, Any]] = answer["taskDefinition"]["containerDefinitions"]
    return next(one for one in found if one["name"] == name)


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Give the environment of a container."""
    return {one["name"]: one["value"] for one in container["environment"]}


def test_bad_input_is_named_with_the_remedy(stack: Stack) -> None:
    """Everything that is wrong at once, before anything is asked of AWS."""
    wrong = {
        "image_tag": "main",
        "buckets": '{"artifacts": "a"}',
        "step_memory": "65536",
        "registry_secret_arn": "/ghcr/ro-token",
        "service_url": "aidrug.example.org",
        "alert_email": "me",
        "monthly_budget_usd": "0",
        "region": "Stockholm",
    }
    output = stack.run("plan", "-no-color", *(f"-var={name}={value}" for name, value in wrong.items()), codes=(1,))
    said = " ".join(output.replace("│", " ").split())

    for message in (
        'image_tag: expected the 40 digits of a commit, got "main". git rev-parse HEAD',
        "buckets: expected artifacts, data, bundles and logs, got artifacts.",
        "step_memory: Fargate has 4096 to 16384 MiB for step_cpu = 2048",
        "registry_secret_arn: expected the ARN of a secret in Secrets Manager",
        'service_url: expected an address such as "https://aidrug.example.org"',
        'alert_email: expected an address, got "me"',
        "monthly_budget_usd: expected at least 1, got 0",
        'region: expected an AWS region such as "eu-north-1", got "Stockholm"',
    ):
        assert message in said, output


def test_a_second_plan_changes_nothing(stack: Stack) -> None:
    """What was applied is what the files say."""
    assert stack.changes() == 0


def test_the_password_is_in_the_parameter_and_nowhere_else(stack: Stack) -> None:
    """Neither in the state nor in a task definition: ECS puts it into the containers."""
    name = f"/{NAME}/postgres-password"
    password = stack.aws.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]

    assert len(password) == 40
    assert password.isalnum()
    assert password not in stack.state()
    for family, one in (("mlflow", "mlflow"), ("dagster", "daemon"), ("run", "run")):
        made = container(stack, family, one)
        assert password not in json.dumps(made)
        assert made["secrets"] == [{"name": "AIDRUG_POSTGRES_PASSWORD", "valueFrom": ARN % ("ssm", f"parameter{name}")}]


@pytest.mark.skipif(postgres() is None, reason="needs a Postgres server: apt-get install postgresql")
def test_dagster_launches_runs_of_what_terraform_made(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the environment of the daemon's container: the image of the revision, in the cluster, as that very user."""
    ecs = stack.aws.client("ecs")
    service = ecs.describe_services(cluster=NAME, services=["dagster"])["services"][0]
    daemon = container(stack, "dagster", "daemon")
    with running_postgres() as database, ecs_tasks(tmp_path / "tasks", {}) as tasks:
        own = ecs.run_task(
            cluster=NAME,
            taskDefinition=service["taskDefinition"],
            launchType="FARGATE",
            networkConfiguration=service["networkConfiguration"],
        )["tasks"][0]
        for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_", "AWS_"))]:
            monkeypatch.delenv(name)
        given = {**environment(daemon), **database, **stack.aws.environment, "AIDRUG_HOME": str(tmp_path / "home")}
        assert given.pop("DAGSTER_HOME") == "/app/infra/ecs"
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DAGSTER_HOME", str(ROOT / "infra" / "ecs"))
        monkeypatch.setenv(METADATA, tasks.metadata(own["taskArn"], own["clusterArn"]))

        with launched(jobs.ALL_ASSETS) as (_, run):
            task = tasks.started[-1]

        made = container(stack, "run", "run")
        assert task.task_definition_arn == stack.outputs()["run_task_definition"]
        assert task.overrides["containerOverrides"][0]["name"] == "run"
        assert {"key": "dagster/run_id", "value": run.run_id} in task.tags
        assert made["image"] == f"images.example.com/team/project/pipeline:{SHA}"
        assert made["entryPoint"] == ["env"]  # or the image's own would come before `dagster api execute_run`
        assert made["user"] == "10001:10001"
        assert environment(made) == environment(daemon)
        assert service["enableExecuteCommand"]


def test_dagster_may_start_runs_and_use_its_stores(stack: Stack) -> None:
    """Runs of one definition in one cluster, one file system, three buckets; no other task, role or secret."""
    (document,) = stack.policy(f"{NAME}-pipeline")
    may = Policies(document).allows
    cluster = {"ecs__cluster": ARN % ("ecs", f"cluster/{NAME}")}
    run, task = ARN % ("ecs", f"task-definition/{NAME}-run:7"), ARN % ("ecs", f"task/{NAME}/1f")
    role, service = f"arn:aws:iam::{ACCOUNT}:role/{NAME}-%s", {"iam__PassedToService": "ecs-tasks.amazonaws.com"}
    ssm = ARN % ("ssm", f"parameter/{NAME}/postgres-password")

    assert may("ecs:RunTask", run, **cluster)
    assert may("ecs:StopTask", task)
    assert may("ecs:TagResource", task, ecs__CreateAction="RunTask")
    assert may("iam:PassRole", role % "pipeline", **service)
    assert may("iam:PassRole", role % "start", **service)
    assert may("s3:PutObject", f"arn:aws:s3:::{BUCKETS['bundles']}/store/current.json")
    assert may("s3:GetObject", f"arn:aws:s3:::{BUCKETS['data']}/dvc/file")

    assert not may("ecs:RunTask", run, ecs__cluster=ARN % ("ecs", "cluster/another"))
    assert not may("ecs:RunTask", ARN % ("ecs", f"task-definition/{NAME}-mlflow:1"), **cluster)
    assert not may("ecs:RunTask", ARN % ("ecs", "task-definition/another:1"), **cluster)
    assert not may("ecs:StopTask", ARN % ("ecs", "task/another/1f"))
    assert not may("ecs:RegisterTaskDefinition")
    assert not may("ecs:UpdateService", ARN % ("ecs", f"service/{NAME}/dagster"))
    assert not may("ecs:ExecuteCommand", task)
    assert not may("iam:PassRole", role % "mlflow", **service)
    assert not may("iam:PassRole", role % "pipeline", iam__PassedToService="ec2.amazonaws.com")
    assert not may("ssm:GetParameters", ssm)
    assert not may("secretsmanager:GetSecretValue", REGISTRY)
    assert not may("s3:PutObject", f"arn:aws:s3:::{BUCKETS['data']}/dvc/file")
    assert not may("s3:GetObject", f"arn:aws:s3:::{BUCKETS['backups']}/aidrug/x")
    assert not may("s3:GetObject", f"arn:aws:s3:::{BUCKETS['artifacts']}/mlflow/x")
    assert not may("rds:DeleteDBInstance", ARN % ("rds", f"db:{NAME}"))


def test_mlflow_and_ecs_may_less(stack: Stack) -> None:
    """MLflow keeps artefacts; ECS reads the password and the registry's token, and writes logs."""
    mlflow, start = (Policies(*stack.policy(f"{NAME}-{role}")).allows for role in ("mlflow", "start"))

    assert mlflow("s3:PutObject", f"arn:aws:s3:::{BUCKETS['artifacts']}/mlflow/1/x")
    assert not mlflow("s3:PutObject", f"arn:aws:s3:::{BUCKETS['bundles']}/store/current.json")
    assert not mlflow("ecs:RunTask", ARN % ("ecs", f"task-definition/{NAME}-run:1"))
    assert start("ssm:GetParameters", ARN % ("ssm", f"parameter/{NAME}/postgres-password"))
    assert start("secretsmanager:GetSecretValue", REGISTRY)
    assert not start("ssm:GetParameters", ARN % ("ssm", "parameter/ghcr/ro-token"))
    assert not start("s3:GetObject", f"arn:aws:s3:::{BUCKETS['bundles']}/store/current.json")


def test_nothing_is_reached_from_outside(stack: Stack) -> None:
    """Every rule that lets somebody in names a group of this deployment; the database has no public address."""
    groups = stack.aws.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": [f"{NAME}-*"]}])
    rules = [rule for group in groups["SecurityGroups"] for rule in group["IpPermissions"]]
    (database,) = stack.aws.client("rds").describe_db_instances()["DBInstances"]

    assert {rule["FromPort"] for rule in rules} == {2049, 5000, 5432}
    assert all(rule["UserIdGroupPairs"] and not rule["IpRanges"] and not rule["Ipv6Ranges"] for rule in rules)
    assert not database["PubliclyAccessible"]
    assert database["StorageEncrypted"]


def test_every_alarm_is_told_to_somebody_and_says_what_to_do(stack: Stack) -> None:
    """One topic, one address; alarms for services, runs, database and files, and a budget for the money."""
    of = stack.aws.client
    (topic,) = of("sns").list_topics()["Topics"]
    (told,) = of("sns").list_subscriptions_by_topic(TopicArn=topic["TopicArn"])["Subscriptions"]
    alarms = {
        one["AlarmName"].removeprefix(f"{NAME}-"): one for one in of("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    (budget,) = of("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]

    assert (told["Protocol"], told["Endpoint"]) == ("email", VARIABLES["alert_email"])
    services = {f"{service}-{what}" for service in ("mlflow", "dagster") for what in ("down", "memory")}
    assert set(alarms) == services | {"training-failed", "run-lost", "database-disk", "database-busy", "files-slow"}
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic["TopicArn"]]
        assert alarm["AlarmDescription"]
    down = alarms["dagster-down"]
    assert (down["Statistic"], down["Threshold"], down["TreatMissingData"]) == ("SampleCount", 1, "breaching")
    assert down["ComparisonOperator"] == "LessThanThreshold"
    assert budget["BudgetLimit"] == {"Amount": "250.0", "Unit": "USD"}


def test_alarms_look_at_what_is_there(stack: Stack) -> None:
    """Every name in an alarm is that of a service, a database, a file system or a number counted in the log."""
    of = stack.aws.client
    cluster = of("ecs").describe_clusters(clusters=[NAME])["clusters"][0]["clusterName"]
    there: dict[str, list[dict[str, str]]] = {
        "AWS/ECS": [
            {"ClusterName": cluster, "ServiceName": arn.rsplit("/", 1)[-1]}
            for arn in of("ecs").list_services(cluster=NAME)["serviceArns"]
        ],
        "AWS/RDS": [
            {"DBInstanceIdentifier": one["DBInstanceIdentifier"]}
            for one in of("rds").describe_db_instances()["DBInstances"]
        ],
        "AWS/EFS": [{"FileSystemId": one["FileSystemId"]} for one in of("efs").describe_file_systems()["FileSystems"]],
        NAME: [{}],
    }
    counted = {
        (made["metricNamespace"], made["metricName"])
        for one in of("logs").describe_metric_filters(logGroupName=f"/{NAME}")["metricFilters"]
        for made in one["metricTransformations"]
    }

    for alarm in of("cloudwatch").describe_alarms()["MetricAlarms"]:
        named = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        assert named in there[alarm["Namespace"]], alarm["AlarmName"]
        assert alarm["Namespace"] != NAME or (NAME, alarm["MetricName"]) in counted


def test_another_revision_replaces_the_old_one_before_it_begins(stack: Stack) -> None:
    """A delivery is another tag: new task definitions, and never two daemons at once. The password may go with it."""
    ssm = stack.aws.client("ssm")
    name = f"/{NAME}/postgres-password"
    before = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]

    stack.write_variables(image_tag=NEXT, password_version=2)
    stack.apply()

    assert container(stack, "dagster", "code")["image"].endswith(f":{NEXT}")
    assert container(stack, "run", "run")["image"].endswith(f":{NEXT}")
    after = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert after != before
    assert after not in stack.state()
    for service in stack.aws.client("ecs").describe_services(cluster=NAME, services=["dagster", "mlflow"])["services"]:
        assert service["deploymentConfiguration"]["maximumPercent"] == 100
        assert service["deploymentConfiguration"]["minimumHealthyPercent"] == 0


def test_the_document_states_the_cost_of_the_plan(stack: Stack) -> None:
    """An idle month and a training, from Terraform's own plan and the repository's prices."""
    stack.run("plan", "-no-color", "-input=false", "-out=cost.tfplan")
    plan = json.loads(stack.run("show", "-json", "cost.tfplan"))
    plan["variables"]["region"]["value"] = "us-east-1"  # where the document has its prices; the sizes are the plan's
    made = estimate(plan).as_text()

    assert made in (ROOT / "infra" / "ecs" / "README.md").read_text(encoding="utf-8"), made


def test_nothing_is_left_after_destroy(stack: Stack) -> None:
    """The last test: everything that Terraform made is gone."""
    assert stack.left_over()

    stack.run("destroy", "-no-color", "-auto-approve", "-input=false")

    assert stack.left_over() == {}
