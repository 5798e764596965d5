"""`docs/operations/past-one-host.md`: containers can be reached, roles suffice; `test_ecs.py` runs tasks."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from dagster_aws.ecs import executor, launcher, tasks, utils

from ai_drug_assets.execution.container_entry import PROCESSES
from ai_drug_assets.settings import Settings

NOT_CALLED = {"ecs:RegisterTaskDefinition"}
"""What Dagster calls only where no definition of a run is named; `infra/ecs/dagster.yaml` names one."""


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """Return the page."""
    return (root / "docs" / "operations" / "past-one-host.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def definition(page: str) -> dict[str, Any]:
    """Return the container definition of a run."""
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    made: dict[str, Any] = json.loads(block)
    return made


def added(page: str, name: str) -> dict[str, str]:
    """Return what a container has in its environment besides that of a run."""
    (cell,) = re.findall(rf"\| `aidrug start {name}` \|([^|]*)\|", page)
    return dict(re.findall(r"`(\w+)=([^`]+)`", cell))


def test_other_tasks_reach_mlflow_and_people_reach_the_ui(
    page: str, definition: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both listen beyond their own task, and MLflow accepts the name that the other tasks ask it by."""
    shared = {one["name"]: one["value"] for one in definition["environment"]}
    for name in ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_TRACKING_URI", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    arguments = {}
    for name in ("mlflow", "webserver"):
        here = {"AIDRUG_HOME": str(tmp_path), "AIDRUG_POSTGRES_HOST": ""}
        arguments[name] = PROCESSES[name](Settings.from_env({**shared, **added(page, name), **here}))

    mlflow, webserver = arguments["mlflow"], arguments["webserver"]
    everywhere = "0.0.0.0"  # noqa: S104 - the security group decides
    assert mlflow[mlflow.index("--host") + 1] == everywhere
    assert webserver[webserver.index("-h") + 1] == everywhere
    asked = shared["MLFLOW_TRACKING_URI"].removeprefix("http://")
    assert asked in mlflow[mlflow.index("--allowed-hosts") + 1].split(",")
    assert mlflow[mlflow.index("--artifacts-destination") + 1].startswith("s3://")
    assert added(page, "code") == added(page, "daemon") == {}


def test_a_task_s_output_is_kept(definition: dict[str, Any]) -> None:
    """In CloudWatch, with the prefix by which Dagster finds the last lines of a lost run."""
    logs, region = definition["logConfiguration"], "AWS_DEFAULT_REGION"
    assert logs["logDriver"] == "awslogs"
    assert logs["options"].keys() == {"awslogs-group", "awslogs-region", "awslogs-stream-prefix"}
    assert {"name": region, "value": logs["options"]["awslogs-region"]} in definition["environment"]


def called(*modules: object) -> set[str]:
    """List what code of dagster-aws asks of ECS, and of EC2 and CloudWatch Logs where it does, as IAM's actions."""
    code = "\n".join(inspect.getsource(one) for one in modules)  # type: ignore[arg-type]
    found = set(re.findall(r"\becs\.((?:describe|list|register|run|stop|tag|update)_\w+)\(", code))
    made = {"ecs:" + "".join(word.capitalize() for word in name.split("_")) for name in found}
    if "NetworkInterface(" in code:
        made.add("ec2:DescribeNetworkInterfaces")
    if "get_log_events(" in code:
        made.add("logs:GetLogEvents")
    return made


def test_each_role_may_do_what_its_containers_ask(page: str) -> None:
    """The launcher of runs asks as Dagster, the executor of steps as the run; both pass roles."""
    rights = {
        role: set(re.findall(r"`(\w+:\w+)`", cell))
        for role, cell in re.findall(r"^\| (Dagster|runs and steps|MLflow) \| (`.*|in the .*) \|$", page, re.MULTILINE)
    }
    helpers = [tasks.get_current_ecs_task, tasks.get_task_kwargs_from_current_task, utils.run_ecs_task]
    starts = called(executor, *helpers) | {"iam:PassRole", "ecs:TagResource"}

    assert {"ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks", "ec2:DescribeNetworkInterfaces"} < starts
    assert starts | {"ecs:DescribeTaskDefinition"} <= rights["runs and steps"]
    assert starts | called(launcher, utils.get_task_logs) - NOT_CALLED <= rights["Dagster"]
    assert {"s3:PutObject", "s3:ListBucket"} <= rights["MLflow"]
