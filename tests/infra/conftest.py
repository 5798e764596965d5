"""A deployment on the stand-in for AWS: one running host, its document, its secrets."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai_drug_assets.aws import hosts
from ai_drug_assets.aws.hosts import Pace, Target
from tests.doubles.aws_server import REGION, StandIn, aws_stand_in
from tests.doubles.host_document import host_document

FAST = Pace(poll=0.12, change=5.0, renew=0.5)  # each look takes 20 ms of a core
DOCUMENT = "aidrug-host"


@dataclass(frozen=True)
class Deployment:
    """What a test of the driver works on."""

    aws: StandIn
    target: Target

    def double(self, instance_id: str | None = None) -> Path:
        """Return the folder that instructs a host's fake programs, and holds what they did."""
        return self.aws.agent.host(instance_id or self.target.instance_id) / "double"

    def tell(self, name: str, text: str, instance_id: str | None = None) -> None:
        """Change what a host's fake programs answer."""
        (self.double(instance_id) / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        """Read what a host's fake programs noted; empty when they did not."""
        path = self.double() / name
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    def calls(self) -> list[str]:
        """List the calls of docker on the serving host."""
        return self.read("calls").splitlines()

    def require_well(self, sha: str, since: int = 0) -> None:
        """Require that a revision serves and its automation runs, that the service was not stopped since a call of
        docker, and that nothing is left over: no lock, no marker, no login, no container, no folder, no secret.
        """
        host = self.aws.agent.host(self.target.instance_id)
        assert self.read("running") == self.read("automation") == sha
        stopped = [call for call in self.calls()[since:] if call.endswith((" stop", " down", " stop service"))]
        assert not stopped
        assert not self.read("leftovers")
        left = [*(host / "shm").iterdir(), *host.glob("tmp.*"), *(host / "opt").glob("work.*")]
        assert [path for path in [*left, host / "opt" / "delivering"] if path.exists()] == []
        with (host / "state" / "delivery.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Yield the stand-in with one host that was never deployed to, made once: AWS calls are what takes time here."""
    with aws_stand_in(tmp_path_factory.mktemp("hosts")) as aws:
        aws.client("ssm").create_document(Name=DOCUMENT, Content=json.dumps(host_document()), DocumentType="Command")
        target = Target(REGION, make_instance(aws, role="serve", shutdown="never"), DOCUMENT)
        for group in target.log_groups.values():
            aws.client("logs").create_log_group(logGroupName=group)
        hosts.clients.cache_clear()  # theirs know the address of an earlier stand-in
        yield Deployment(aws, target)
        hosts.clients.cache_clear()


def make_instance(aws: StandIn, **tags: str) -> str:
    """Start an instance with a role's tags."""
    ec2 = aws.client("ec2")
    made: dict[str, Any] = ec2.run_instances(
        ImageId="ami-03cf127a",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


@pytest.fixture
def deployment(account: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Yield a deployment with one running host, its secrets, and nothing deployed."""
    aws, target = account.aws, account.target
    for name, value in (("/ghcr/ro-token", "t0ken"), ("/aidrug/admin-token", "adm1n")):
        aws.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    for name, value in {
        **aws.environment,
        "AIDRUG_INSTANCE_ID": target.instance_id,
        "AIDRUG_DOCUMENT": target.document,
        "AIDRUG_TRAINING_INSTANCE_ID": "none",
    }.items():
        monkeypatch.setenv(name, value)
    yield account
    aws.agent.reset()
