"""The driver's commands and what they say when AWS or a host is not as expected."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from click.testing import CliRunner, Result

from ai_drug_assets.aws.cost import PRICES, estimate
from ai_drug_assets.aws.deploy import deploy
from ai_drug_assets.aws.faults import HostError, explained
from ai_drug_assets.aws.hosts import Host, Pace, Target
from ai_drug_assets.cli import aidrug
from model_zoo.errors import AidrugError, ConfigError
from tests.infra.conftest import FAST, Deployment, make_instance

SHA = "a" * 40


def _mute(line: str) -> None:
    """Say nothing."""


def run(*arguments: str) -> Result:
    """Run a command; a fault of the user's is its result's exception."""
    return CliRunner().invoke(aidrug, [*arguments])


def printed(result: Result) -> str:
    """Return what a command printed, or the fault it ended with."""
    assert result.exception is None or isinstance(result.exception, AidrugError | SystemExit), result.exc_info
    return f"{result.output}{result.exception or ''}"


def test_the_commands_of_a_day(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deploy, look, plan, read logs, deploy again, go back: as an operator types them."""
    monkeypatch.setattr(Pace, "__init__", lambda self: self.__dict__.update(poll=0.1, change=5.0))
    older = "b" * 40

    assert f"{older} is deployed" in printed(run("deploy", "--sha", older))
    assert f"{SHA} is deployed" in printed(run("deploy", "--sha", SHA))
    status = printed(run("host", "status"))
    assert f"revision {SHA}, before it {older}" in status
    assert "the service is ready" in status
    assert "AWS-StartPortForwardingSession" in status
    deployment.tell("plan", "echo 'stale  trained_model/x/rf'; exit 2")
    assert "stale  trained_model/x/rf" in printed(run("host", "plan"))
    assert f"{SHA} serves" in printed(run("host", "logs", "--group", "commands", "--since", "1h"))
    assert f"ROLLED BACK from {SHA} to {older}" in printed(run("host", "rollback"))
    assert deployment.read("running") == older
    assert f"to {SHA}, which serves" in printed(run("host", "rollback"))


def test_a_command_that_fails_is_named(deployment: Deployment) -> None:
    """What was asked of which host, and why it failed: here, because nothing is deployed."""
    host = deployment.target.instance_id
    run("host", "start")
    for command, named in (("rollback", "the rollback"), ("certificate", "reading the certificate")):
        assert f"{named} failed on {host}: {command} at " in printed(run("host", command))


def test_a_stopped_host_is_started_and_not_stopped_by_accident(deployment: Deployment) -> None:
    """A stopped instance is started and waited for; one that serves is stopped only when that is said."""
    instance_id = make_instance(deployment.aws, role="serve", shutdown="never")
    lines: list[str] = []
    host = Host(deployment.target, instance_id, lines.append, FAST)

    with pytest.raises(HostError, match="serves: stopping it takes the service down"):
        host.stop()
    host.stop(even_if_it_serves=True)
    assert host.state() == "stopped"
    assert host.start()
    assert not host.start()
    assert host.managed()
    assert f"starting {instance_id}" in lines


def test_a_host_that_is_stopping_is_waited_for(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """EC2 refuses to start an instance that is still stopping."""
    instance_id = make_instance(deployment.aws, role="serve")
    deployment.aws.client("ec2").stop_instances(InstanceIds=[instance_id])
    lines: list[str] = []
    host = Host(deployment.target, instance_id, lines.append, FAST)
    states = iter(["stopping", "stopping"])
    seen = host.state
    monkeypatch.setattr(host, "state", lambda: next(states, None) or seen())

    assert host.start()
    assert f"{instance_id} is stopping; waiting until it has stopped" in lines


def test_a_terminated_host_says_how_to_make_a_new_one(deployment: Deployment) -> None:
    """It will never come back: the message does not let anybody wait."""
    instance_id = make_instance(deployment.aws, role="serve")
    deployment.aws.client("ec2").terminate_instances(InstanceIds=[instance_id])

    with pytest.raises(HostError, match=r"is terminated: it will not start again\. Make a new host"):
        Host(deployment.target, instance_id, _mute, FAST).start()


def test_a_host_that_ssm_does_not_manage_is_named(deployment: Deployment) -> None:
    """Running is not enough; the message lists what to check."""
    instance_id = make_instance(deployment.aws, role="serve")
    deployment.aws.agent.unmanaged.add(instance_id)
    host = Host(deployment.target, instance_id, _mute, Pace(poll=0.02, change=0.3))

    with pytest.raises(HostError, match=r"SSM does not manage it\. Does the agent run, has the instance its profile"):
        host.start()
    with pytest.raises(HostError, match="SSM cannot reach"):
        host.run("status")


def test_the_wrong_region_is_suggested(deployment: Deployment) -> None:
    """An instance that is not there is most often looked for in the wrong region."""
    elsewhere = Target("us-east-1", deployment.target.instance_id, deployment.target.document)

    with pytest.raises(HostError, match=r"there is no instance i-\w+ in us-east-1. Is AWS_REGION right"):
        deploy(elsewhere, SHA, _mute, pace=FAST)


def test_an_unknown_document_is_named(deployment: Deployment) -> None:
    """So is a document of another deployment."""
    target = Target(deployment.target.region, deployment.target.instance_id, "other-host")
    host = Host(target, target.instance_id, _mute, FAST)
    host.start()

    with pytest.raises(HostError, match="there is no SSM document other-host in eu-north-1"):
        host.run("status")


def test_an_interrupted_driver_cancels_its_command(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the training on the host as well, and the host is put back in order."""
    deployment.tell("training", "exec sleep 60")
    host = Host(deployment.target, deployment.target.instance_id, _mute, FAST)
    host.start()

    def interrupt(line: str) -> None:
        if "training what is stale" in line:
            raise KeyboardInterrupt

    monkeypatch.setattr(host, "_say", interrupt)
    with pytest.raises(KeyboardInterrupt):
        host.run("deploy", sha=SHA)

    assert deployment.aws.agent.ended()[-1].status == "Cancelled"
    deployment.aws.agent.minute(deployment.target.instance_id)
    log = deployment.aws.agent.host(deployment.target.instance_id) / "log" / "host.log"
    assert "FAILED deploy at training: it was cut off" in log.read_text()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "AWS_REGION, AIDRUG_INSTANCE_ID, AIDRUG_DOCUMENT not set. `terraform"),
        (
            {"AWS_REGION": "eu-north-1", "AIDRUG_INSTANCE_ID": "web1", "AIDRUG_DOCUMENT": "d"},
            "expected an instance id such as i-",
        ),
    ],
)
def test_missing_and_malformed_settings_are_named(env: dict[str, str], message: str) -> None:
    """Before AWS is asked anything."""
    with pytest.raises(ConfigError, match=message):
        Target.from_env(env)


@pytest.mark.parametrize("sha", ["main", "a" * 39, "A" * 40, "$(reboot)" + "a" * 31])
def test_only_a_full_sha_is_deployed(deployment: Deployment, sha: str) -> None:
    """A branch or a short SHA could mean another image tomorrow."""
    with pytest.raises(ConfigError, match="expected a Git SHA of 40 hexadecimal digits"):
        deploy(deployment.target, sha, _mute, pace=FAST)


def _refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeInstances")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_refusal("ExpiredToken"), "the AWS credentials have expired. Log in again"),
        (_refusal("RequestExpired"), "the AWS credentials have expired"),
        (_refusal("UnrecognizedClientException"), "AWS does not know these credentials"),
        (_refusal("UnauthorizedOperation"), "may not call DescribeInstances: no. The delivery role"),
        (_refusal("InsufficientInstanceCapacity"), "no capacity for this instance type"),
        (_refusal("VcpuLimitExceeded"), "the account's limit of vCPUs is used up"),
        (_refusal("Surprise"), "AWS refused DescribeInstances: Surprise: no"),
        (NoCredentialsError(), "no AWS credentials found"),
        (EndpointConnectionError(endpoint_url="https://x"), "Is eu-nrth-1 a region, and is the network up"),
    ],
)
def test_what_aws_refuses_is_explained(fault: Exception, message: str) -> None:
    """Each refusal names the thing and the remedy."""
    with pytest.raises(HostError, match=message), explained(region="eu-nrth-1", instance="i-1"):
        raise fault


def test_the_driver_needs_neither_dagster_nor_a_model_library() -> None:
    """The delivery workflow installs two packages for it, and waits for nothing else."""
    import re
    import subprocess
    import sys
    from pathlib import Path

    workflow = Path(__file__).parents[2] / ".github" / "workflows" / "deliver.yml"
    installed = re.findall(r"pip install --constraint constraints.txt ([a-z0-9 ]+) #", workflow.read_text())[0].split()
    code = (
        "import sys; sys.modules['botocore.exceptions'] = None; import ai_drug_assets.cli, ai_drug_assets.aws.deploy; "
        "files = {name.split('.')[0]: getattr(module, '__file__', None) for name, module in sys.modules.items()}; "
        "print(*sorted(name for name, file in files.items() if 'site-packages' in str(file) and name[0] != '_'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})

    assert sorted([*done.stdout.split(), "boto3"]) == sorted(installed)


def _plan(instance_type: str = "t3.large", region: str = "eu-north-1") -> dict[str, object]:
    def instance(name: str, role: str, shutdown: str, kind: str) -> dict[str, object]:
        tags = {"Name": name, "role": role, "shutdown": shutdown}
        values = {"instance_type": kind, "root_block_device": [{"volume_size": 40}], "tags": tags}
        return {"mode": "managed", "type": "aws_instance", "values": values}

    disk = {"mode": "managed", "type": "aws_ebs_volume", "values": {"size": 50, "tags": {"Name": "aidrug-data"}}}
    trainer = instance("aidrug-train", "train", "after_training", "m5.2xlarge")
    root = {
        "resources": [disk],
        "child_modules": [{"resources": [instance("aidrug", "serve", "never", instance_type), trainer]}],
    }
    return {"variables": {"region": {"value": region}}, "planned_values": {"root_module": root}}


def test_the_cost_is_the_sum_of_what_is_planned() -> None:
    """A host that serves costs all month, one that only trains by the training; every line shows its arithmetic."""
    made = estimate(_plan(), training_hours=2)
    text = made.as_text()

    by_name = {line.what: line for line in made.month}
    assert by_name["t3.large, aidrug"].usd == pytest.approx(730 * 0.0864)
    assert by_name["disk, aidrug-data"].usd == pytest.approx(50 * 0.0836)
    assert by_name["S3, polling by the service"].amount == round(730 * 3600 * (2 + 1 / 15) / 1000)
    assert not any("m5.2xlarge" in name for name in by_name)
    assert sum(line.usd for line in made.training) == pytest.approx(2 * (0.408 + 0.005))
    assert f"{sum(line.usd for line in made.month):.2f}" in text
    assert "list prices of 2025-01" in text


def test_prices_of_two_months_are_dated_by_both(tmp_path: Path) -> None:
    """A region that was brought up to date does not make what costs the same everywhere newer."""
    table = json.loads(PRICES.read_bytes())
    table["regions"]["eu-north-1"]["as_of"] = "2026-11"
    newer = tmp_path / "prices.json"
    newer.write_text(json.dumps(table))

    assert "list prices of 2025-01 to 2026-11" in estimate(_plan(), prices=newer).as_text()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({}, "expected the output of `terraform show -json PLAN`"),
        (_plan(region="mars-1"), "no prices for the region 'mars-1'"),
        (_plan("x9.large"), "no price for x9.large in eu-north-1: add it to prices.json"),
    ],
)
def test_what_has_no_price_is_named(plan: dict[str, object], message: str) -> None:
    """An estimate that leaves something out silently would be worse than none."""
    with pytest.raises(ConfigError, match=message):
        estimate(plan)


def test_the_cost_of_a_file_is_printed() -> None:
    """The command reads the plan from a file or from its input."""
    result = CliRunner().invoke(aidrug, ["host", "cost", "-"], input=json.dumps(_plan()))

    assert "An idle month:" in printed(result)
    assert "expected the output of" in printed(CliRunner().invoke(aidrug, ["host", "cost", "-"], input="no plan"))


def test_spans_of_time_are_checked(deployment: Deployment) -> None:
    """A typing error is no empty log."""
    assert "expected minutes, hours or days" in printed(run("host", "logs", "--since", "yesterday"))


def test_a_burstable_host_pays_for_a_training() -> None:
    """Work above its baseline costs by the processor hour; a host of a fixed size trains for nothing."""

    def alone(instance_type: str) -> float:
        plan = _plan(instance_type)
        plan["planned_values"]["root_module"]["child_modules"][0]["resources"].pop()  # type: ignore[index]
        return sum(line.usd for line in estimate(plan, training_hours=3).training)

    assert alone("t3.large") == pytest.approx(3 * 2 * 0.05)
    assert alone("m5.large") == 0
