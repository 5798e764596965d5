"""What the containers know of AWS: a role each, renewed by the host, and no way to another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from ai_drug_assets.aws.deploy import deploy
from ai_drug_assets.aws.faults import HostError
from tests.doubles.ssm_agent import Agent
from tests.infra.conftest import FAST, Deployment
from tests.infra.test_delivery import FIRST, SECOND

ROOT = Path(__file__).parents[2]
HOST = "i-1"
SERVICE = "arn:aws:iam::123456789012:role/aidrug-service"


class Containers:
    """A host whose containers take roles."""

    def __init__(self, folder: Path) -> None:
        self.agent = Agent(folder)
        self.host = self.agent.host(HOST)
        self.aws = self.host / "state" / "aws"
        for who in ("service", "pipeline"):
            (self.aws / who).mkdir(parents=True)

    def tell(self, name: str, text: str) -> None:
        """Change what the stand-in for AWS answers."""
        (self.host / "double" / name).write_text(text, encoding="utf-8")

    def renew(self, *, code: int = 0) -> str:
        """Run the script as the minute does, and return what it printed."""
        environment = {**self.agent.environment(HOST), "AWS_REGION": "eu-north-1", "AIDRUG_KEEP": "credentials"}
        command = ["sh", str(ROOT / "infra" / "host" / "host.sh")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, umask=0o022)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def key(self, who: str = "service") -> str:
        """Return the key that is written for a container."""
        return str(json.loads((self.aws / who / "credentials.json").read_bytes())["AccessKeyId"])

    def age(self, minutes_left: float, who: str = "service") -> None:
        """Let what is written for a container end so many minutes from now."""
        path = self.aws / who / "credentials.json"
        ends = (datetime.now(UTC) + timedelta(minutes=minutes_left)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        written = json.loads(path.read_bytes())
        path.write_text(json.dumps({**written, "Expiration": ends}) + "\n", encoding="utf-8")


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    """Return a host on which something was delivered, and nothing renewed yet."""
    return Containers(tmp_path)


def test_each_container_gets_the_role_of_its_own(containers: Containers) -> None:
    """Readable for those who run it and nobody else; renewed once a quarter of an hour has passed, not before."""
    assert containers.renew() == ""

    noted = dict(line.split() for line in (containers.host / "double" / "assumed").read_text().splitlines())
    assert noted == {
        SERVICE: containers.key("service"),
        SERVICE.replace("service", "pipeline"): containers.key("pipeline"),
    }
    for path in (containers.aws / "service").iterdir():
        assert path.stat().st_mode & 0o777 == 0o640, path
    before = containers.key()
    containers.age(50)
    containers.renew()
    assert containers.key() == before
    containers.age(44)
    containers.renew()
    assert containers.key() != before
    assert sorted(path.name for path in (containers.aws / "service").iterdir()) == ["config", "credentials.json"]


@pytest.mark.game_day(
    fault="the containers' credentials cannot be renewed",
    message="FAILED credentials of ..., which last ... minutes more:",
)
@pytest.mark.game_day(fault="the host's clock is wrong")
@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("An error occurred (Throttling) when calling the AssumeRole operation: Rate exceeded", "Rate exceeded"),
        ("Unable to locate credentials. You can configure credentials by running aws login", "Is its instance profile"),
        ("An error occurred (ExpiredToken) when calling the AssumeRole operation: expired", "Is its instance profile"),
        ("An error occurred (AccessDenied) when calling the AssumeRole operation: no", "apply Terraform"),
        ("An error occurred (SignatureDoesNotMatch): Signature not yet current", "the clock of this host is wrong"),
        ("early", "the clock of this host is wrong"),
        ("late", "the clock of this host is wrong"),
        ("cut", "AWS's answer was cut short"),
        ("Could not connect to the endpoint URL: sts", "Could not connect to the endpoint URL: sts"),
    ],
)
def test_what_was_there_lasts_until_it_runs_out(containers: Containers, says: str, message: str) -> None:
    """At once reported as a failure (which raises the alarm) half an hour before the end; then it heals by itself."""
    containers.renew()
    before = {who: containers.key(who) for who in ("service", "pipeline")}
    containers.tell("sts", says)
    for minutes, words in (
        (40, "tried again in a minute"),
        (20, "FAILED credentials of service, which last "),
    ):
        containers.age(minutes)
        output = containers.renew()
        assert words in output
        assert message in output
        assert {who: containers.key(who) for who in before} == before
    containers.age(-1)
    assert "which last 0 minutes more" in containers.renew(code=1)
    assert containers.key() == before["service"]

    (containers.host / "double" / "sts").unlink()
    assert containers.renew() == ""
    assert containers.key() != before["service"]


@pytest.mark.parametrize("content", ["", '{"Version": 1, "AccessKeyId": "ASIA', '{"Expiration": "soon"}\n', "\0" * 40])
def test_half_a_file_is_written_anew(containers: Containers, content: str) -> None:
    """A host that lost its power in the middle. Nor is one believed that ends in years: a clock was set back."""
    containers.renew()
    (containers.aws / "service" / "credentials.json").write_text(content)
    containers.renew()
    before = containers.key()
    containers.age(60 * 24 * 365)
    containers.renew()

    assert containers.key().startswith("ASIA")
    assert containers.key() != before


def test_another_deployment_takes_its_own_roles_and_a_training_host_only_one(containers: Containers) -> None:
    """The roles' names follow from the host's own; a folder that is not there asks for nothing."""
    containers.tell("name", "lab-train")
    (containers.aws / "service").rmdir()

    containers.renew()

    noted = (containers.host / "double" / "assumed").read_text().split()
    assert noted == ["arn:aws:iam::123456789012:role/lab-train-pipeline", containers.key("pipeline")]


def test_a_disk_that_takes_nothing_is_said(containers: Containers) -> None:
    """What was there stays whole."""
    containers.renew()
    before = containers.key()
    containers.age(10)
    (containers.aws / "service" / "credentials.new").mkdir()  # root may write where others may not

    assert "could not be written" in containers.renew()
    assert containers.key() == before


CLIENT = """
import boto3, sys
session = boto3.Session()
for _ in sys.stdin:
    found = session.get_credentials()
    print(found and found.get_frozen_credentials().access_key, flush=True)
"""


def container_environment(name: str, root: Path, folder: Path) -> dict[str, str]:
    """Return what a container of compose.yaml has of AWS, with the folder that is mounted there."""
    service = yaml.safe_load((root / "infra" / "compose.yaml").read_text(encoding="utf-8"))["services"][name]
    given = {key: value for key, value in service["environment"].items() if key.startswith("AWS_")}
    return {**given, "AWS_CONFIG_FILE": str(folder / "config"), "AWS_REGION": "x", "AWS_ENDPOINT_URL": ""}


def test_a_client_that_runs_on_follows_the_file(containers: Containers) -> None:
    """The service's own SDK asks again when a quarter of an hour is left, and takes what the host wrote meanwhile."""
    containers.renew()
    folder = containers.aws / "service"
    config = folder / "config"
    config.write_text(config.read_text().replace("/run/aws", str(folder)))
    containers.age(14)
    environment = {**container_environment("service", ROOT, folder), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None

        def ask() -> str:
            client.stdin.write("\n")  # type: ignore[union-attr]
            client.stdin.flush()  # type: ignore[union-attr]
            return client.stdout.readline().strip()  # type: ignore[union-attr]

        first = containers.key()
        assert ask() == first
        containers.renew()
        assert ask() == containers.key() != first


def test_no_container_has_another_way_to_aws() -> None:
    """One folder each, read only; no key in the environment; the instance's metadata off, and a hop too far away."""
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for name, service in services.items():
        mounted = [one for one in service.get("volumes", []) if ":/run/aws" in one]
        if "AWS_REGION" not in service.get("environment", {}):
            assert (name, mounted) in (("prepare", []), ("proxy", []))
            continue
        assert mounted == [
            f"${{AIDRUG_DATA:-/var/lib/aidrug}}/aws/{'service' if name == 'service' else 'pipeline'}:/run/aws:ro"
        ]
        assert service["environment"]["AWS_CONFIG_FILE"] == "/run/aws/config"
        assert service["environment"]["AWS_EC2_METADATA_DISABLED"] == "true"
        assert not [key for key in service["environment"] if "KEY" in key or "SECRET" in key or "TOKEN" in key]
        assert "network_mode" not in service
        assert "pid" not in service
        assert not [one for one in service["volumes"] if "docker.sock" in one or one.split(":")[0].endswith("aidrug}")]
    assert services["service"]["networks"] == ["front"]
    assert {name for name, one in services.items() if "front" in one.get("networks", [])} == {"service", "proxy"}
    instance = (ROOT / "infra/terraform/modules/host/main.tf").read_text(encoding="utf-8")
    assert "http_put_response_hop_limit = 1 " in instance


def test_a_host_that_boots_renews_before_docker_starts_what_ran() -> None:
    """Nor does a Docker that hangs hold the minute, which renews, for longer than credentials last."""
    boot = (ROOT / "infra" / "host" / "boot.sh").read_text(encoding="utf-8")
    steps = boot.split("\nmain() {", 1)[1]

    assert steps.index("mount_data") < steps.index("/opt/aidrug/host.sh") < steps.index("start_docker")
    assert int(boot.split("TimeoutStartSec=", 1)[1].split()[0]) <= 900


@pytest.fixture
def bring(deployment: Deployment) -> Callable[[str], None]:
    """Deploy a revision."""
    return lambda sha: deploy(deployment.target, sha, lambda line: None, pace=FAST)


def test_a_delivery_begins_with_credentials_and_each_minute_renews_them(
    deployment: Deployment, bring: Callable[[str], None]
) -> None:
    """Before the first container asks for them; also while a delivery holds the lock, and without Docker."""
    deployment.tell("migrate", 'cat "$AIDRUG_STATE/aws/pipeline/credentials.json" >"$DOUBLE/first"')
    bring(FIRST)

    aws = deployment.aws.agent.host(deployment.target.instance_id) / "state" / "aws"
    first = json.loads(deployment.read("first"))["AccessKeyId"]
    (aws / "service" / "credentials.json").unlink()
    deployment.tell("docker_starts", "x\n" * 9)
    deployment.aws.agent.minute(deployment.target.instance_id)
    assert json.loads((aws / "service" / "credentials.json").read_bytes())["SessionToken"]
    assert json.loads((aws / "pipeline" / "credentials.json").read_bytes())["AccessKeyId"] == first
    (deployment.double() / "docker_starts").unlink()

    (aws / "pipeline" / "credentials.json").unlink()
    deployment.tell("sts", "An error occurred (AccessDenied) when calling the AssumeRole operation: no")
    with pytest.raises(
        HostError, match=r"the containers have no credentials of AWS: this host may not assume the role"
    ):
        bring(SECOND)
    assert deployment.read("running") == FIRST
