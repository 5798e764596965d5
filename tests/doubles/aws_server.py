"""A stand-in for AWS: moto's server on the loopback address, with what it lacks put in.

Belongs here: starting and stopping it, budgets, monitoring, the lifecycle manager.
Does not belong here: the SSM agent (see `ssm_agent.py`), policies (see `policies.py`).

What it cannot show: whether AWS would allow a call (moto enforces no policy), first boot, alarms going off.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import Request, urlopen

import boto3
from moto.budgets.responses import BudgetsResponse
from moto.core.responses import ActionResult
from moto.ec2.responses.monitoring import Monitoring
from moto.server import ThreadedMotoServer

from tests.doubles.lifecycle_manager import LifecycleManager
from tests.doubles.ssm_agent import Agent

REGION = "eu-north-1"
ACCOUNT = "123456789012"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class StandIn:
    """A running stand-in for AWS."""

    address: str
    lifecycle_manager: LifecycleManager
    agent: Agent

    @property
    def environment(self) -> dict[str, str]:
        """What points the AWS provider, boto3 and the AWS command here."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ENDPOINT_URL_DLM": self.lifecycle_manager.address,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str, region: str = REGION) -> Any:
        """Make a client of a service."""
        return _client(service, region, self.address)

    def data_disk(self, host: str = "aidrug") -> dict[str, Any]:
        """Describe the data disk of a host; what Terraform replaced is gone."""
        named = [{"Name": "tag:Name", "Values": [f"{host}-data"]}]
        (disk,) = self.client("ec2").describe_volumes(Filters=named)["Volumes"]
        made: dict[str, Any] = disk
        return made


@cache
def _client(service: str, region: str, address: str) -> Any:
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=address,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - moto takes anything
    )


@contextmanager
def aws_stand_in(folder: Path) -> Iterator[StandIn]:
    """Run a stand-in whose hosts live in a folder."""
    agent = Agent(folder)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, CREDENTIALS))
        for target, name, method in [*_budgets(), *_monitoring(), *agent.methods()]:
            stack.enter_context(mock.patch.object(target, name, method, create=True))
        lifecycle_manager = stack.enter_context(LifecycleManager())
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        stack.callback(server.stop)
        stack.callback(agent.close)
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        agent.address = address
        stack.callback(_reset, address)
        yield StandIn(address, lifecycle_manager, agent)


def _reset(address: str) -> None:
    urlopen(Request(f"{address}/moto-api/reset", method="POST"), timeout=10).close()


def _budgets() -> Iterator[tuple[type, str, Callable[..., Any]]]:
    tags: dict[str, list[dict[str, str]]] = {}
    create = BudgetsResponse.create_budget

    def create_budget(self: Any) -> Any:
        answer = create(self)
        name = json.loads(self.body)["Budget"]["BudgetName"]
        tags[f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{name}"] = self._get_param("ResourceTags") or []
        return answer

    def subscribers(self: Any) -> str:
        budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
        wanted = self._get_param("Notification")
        keys = ("NotificationType", "Threshold", "ComparisonOperator")
        found = [
            subscriber
            for notification in budget.notifications
            if all(notification.details.get(key) == wanted.get(key) for key in keys)
            for subscriber in notification.subscribers
        ]
        return json.dumps({"Subscribers": found})

    def list_tags(self: Any) -> str:
        return json.dumps({"ResourceTags": tags.get(self._get_param("ResourceARN"), [])})

    yield BudgetsResponse, "create_budget", create_budget
    yield BudgetsResponse, "describe_subscribers_for_notification", subscribers
    yield BudgetsResponse, "list_tags_for_resource", list_tags
    yield BudgetsResponse, "tag_resource", lambda self: "{}"
    yield BudgetsResponse, "untag_resource", lambda self: "{}"


def _monitoring() -> Iterator[tuple[type, str, Callable[..., Any]]]:
    def switch(state: str) -> Callable[[Any], ActionResult]:
        def method(self: Any) -> ActionResult:
            ids = self._get_param("InstanceIds", [])
            for instance_id in ids:
                self.ec2_backend.get_instance(instance_id).monitoring_state = state
            return ActionResult(
                {"InstanceMonitorings": [{"InstanceId": one, "Monitoring": {"State": state}} for one in ids]}
            )

        return method

    yield Monitoring, "monitor_instances", switch("enabled")
    yield Monitoring, "unmonitor_instances", switch("disabled")
