"""A delivery from the driver to the last container, on stand-ins: the host script really runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_drug_assets.aws_faults import HostError
from ai_drug_assets.deploy import deploy
from ai_drug_assets.hosts import Host, Target
from tests.infra.conftest import FAST, Deployment, make_instance

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "1" * 40, "2" * 40
STEPS = ["ps", "login", "pull", "create", "config", "mlflow", "data pull", "train", "up"]


@pytest.fixture
def said() -> list[str]:
    """Collect what the driver says."""
    return []


@pytest.fixture
def bring(deployment: Deployment, said: list[str]) -> Callable[[str], None]:
    """Deploy a revision."""
    return lambda sha: deploy(deployment.target, sha, said.append, pace=FAST)


def _steps(calls: list[str]) -> list[str]:
    """Shorten docker's calls to the steps of a delivery, each where it first came."""
    ends = {
        "config --quiet": "config",
        "--wait mlflow": "mlflow",
        "train data pull": "data pull",
        "-T train": "train",
        "--remove-orphans": "up",
        "stop daemon code": "stop",
    }
    words = [next((name for end, name in ends.items() if call.endswith(end)), call.split()[0]) for call in calls]
    return list(dict.fromkeys(words))


def test_a_push_ends_with_the_revision_serving(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """Login, pull, DVC, training, swap and health check happen in this order, and every line reaches the operator."""
    bring(FIRST)

    assert [step for step in _steps(deployment.calls()) if step in STEPS] == STEPS
    assert deployment.read("running") == FIRST
    assert any("made 3 assets" in line for line in said)
    assert said[-1].endswith("done: deploy")


def test_the_registry_token_touches_no_disk(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """The token goes to docker's standard input; the folder docker wrote it to is gone; no file or line holds it."""
    bring(FIRST)

    assert deployment.read("token") == "t0ken"
    assert not Path(deployment.read("docker_config")).exists()
    host = deployment.aws.agent.host(deployment.target.instance_id)
    holders = subprocess.run(["grep", "-rl", "t0ken", host], capture_output=True, text=True, check=False).stdout.split()
    assert holders == [str(host / "double" / "token")]
    assert not any("t0ken" in line for line in said)


def test_the_settings_of_the_containers_are_written(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The env file names images, region and buckets; secrets stand apart, for root only."""
    bring(FIRST)

    opt = deployment.aws.agent.host(deployment.target.instance_id) / "opt"
    env = dict(line.split("=", 1) for line in (opt / ".env").read_text().splitlines())
    assert env["IMAGE_TAG"] == FIRST
    assert env["AWS_REGION"] == "eu-north-1"
    assert env["BUNDLES_BUCKET"] == "aidrug-bundles-123456789012"
    assert (env["TRAIN_MEMORY"], env["CODE_MEMORY"]) == ("5g", "5g")  # of 8
    assert env["OMP_NUM_THREADS"] == str(len(os.sched_getaffinity(0)))
    assert (opt / "secrets.env").read_text() == "AIDRUG_ADMIN_TOKEN='adm1n'\n"
    assert (opt / "secrets.env").stat().st_mode & 0o077 == 0


def test_compose_accepts_what_the_host_writes(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The real Compose finds all that compose.yaml needs where the script put it, as an operator types it there."""
    compose = Path(sys.executable).parent / "docker-compose"
    if not compose.exists():
        pytest.skip("Compose is not installed: `make test-infra` installs it and runs this")
    bring(FIRST)

    opt = deployment.aws.agent.host(deployment.target.instance_id) / "opt"
    shutil.copy(ROOT / "infra" / "compose.yaml", opt)
    done = subprocess.run(
        [compose, "config", "--format", "json"],
        cwd=opt,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin"},
    )

    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert services["code"]["image"] == f"images.example.com/team/project/pipeline:{FIRST}"
    assert services["service"]["image"] == f"images.example.com/team/project/serving:{FIRST}"
    holders = {
        name: one["environment"].get("AIDRUG_ADMIN_TOKEN") for name, one in services.items() if "environment" in one
    }
    assert {name: token for name, token in holders.items() if token} == {"service": "adm1n"}


def test_the_same_push_again_does_nothing(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """A revision that is deployed and healthy is neither pulled nor trained again."""
    bring(FIRST)
    before = len(deployment.calls())

    bring(FIRST)

    assert len(deployment.calls()) == before
    assert any("nothing to do" in line for line in said)


def test_another_admin_token_reaches_the_service_of_the_same_revision(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """After the parameter was changed, a delivery of what is deployed starts the service anew, and trains nothing."""
    bring(FIRST)
    before = len(deployment.calls())
    deployment.aws.client("ssm").put_parameter(
        Name="/aidrug/admin-token", Value="another", Type="SecureString", Overwrite=True
    )

    bring(FIRST)

    assert any("the admin token is another one" in line for line in said)
    made = deployment.calls()[before:]
    assert [call for call in made if call.endswith("up --detach --remove-orphans")]
    assert not [call for call in made if "pull" in call or " train" in call]
    bring(FIRST)
    assert any("nothing to do" in line for line in said)


def test_two_deliveries_at_once_train_once(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """The second waits for the first, then finds nothing to do."""
    deployment.tell("training", 'sleep 0.5; echo x >>"$DOUBLE/trainings"')
    Host(deployment.target, deployment.target.instance_id, said.append, FAST).start()

    both = [threading.Thread(target=bring, args=(FIRST,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert deployment.read("trainings") == "x"
    assert any("waiting for its end" in line for line in said)
    assert any("nothing to do" in line for line in said)


def test_the_automation_is_quiet_while_a_revision_trains(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The daemon of the old revision would retrain what the new one changed: it stops, and starts with the new one."""
    bring(FIRST)
    deployment.tell("training", '[ ! -e "$DOUBLE/automation" ] && echo quiet')

    bring(SECOND)

    assert deployment.read("automation") == SECOND
    assert "stop" in _steps(deployment.calls())


def test_an_unhealthy_revision_is_rolled_back(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """The revision before serves again, the delivery fails and says so; a later good revision goes through."""
    bring(FIRST)
    deployment.tell("unhealthy", SECOND)

    with pytest.raises(HostError, match=f"ROLLED BACK to {FIRST}, which serves again"):
        bring(SECOND)

    assert deployment.read("running") == FIRST
    third = "3" * 40
    bring(third)
    assert deployment.read("running") == third


def test_without_an_earlier_revision_there_is_no_way_back(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The first revision of a host that is not healthy is said to be just that."""
    deployment.tell("unhealthy", FIRST)

    with pytest.raises(HostError, match="no earlier revision to go back to"):
        bring(FIRST)


def test_a_failed_training_leaves_what_serves_alone(
    deployment: Deployment, bring: Callable[[str], None], said: list[str]
) -> None:
    """The old revision serves on, its automation too; the message names the step; the next delivery is not held up."""
    bring(FIRST)
    deployment.tell("training", "echo FAILED trained_model/x/rf: no rows; exit 1")

    with pytest.raises(HostError, match="deploy at training: training ended with 1"):
        bring(SECOND)

    assert deployment.read("running") == deployment.read("automation") == FIRST
    assert any("FAILED trained_model/x/rf: no rows" in line for line in said)
    deployment.tell("training", "echo fine")
    bring(SECOND)
    assert deployment.read("running") == SECOND


def test_a_training_that_takes_too_long_is_ended(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """It is interrupted before SSM ends everything, so that the host is put back in order."""
    bring(FIRST)
    deployment.aws.agent.extra["AIDRUG_TRAINING_SECONDS"] = "0.5"
    deployment.tell("training", "exec sleep 20")

    with pytest.raises(HostError, match=r"training took longer than 0\.5 s and was ended"):
        bring(SECOND)

    assert deployment.read("automation") == FIRST


def test_a_command_that_ssm_ends_is_a_failure(deployment: Deployment, said: list[str]) -> None:
    """SSM's own limit kills the script; the driver says so, and what it left is removed by the next delivery."""
    deployment.tell("data_pull", "exec sleep 20")

    with pytest.raises(HostError, match="took longer than it may"):
        deploy(deployment.target, FIRST, said.append, timeout_seconds=1, pace=FAST)

    deployment.tell("leftovers", "0123abcd")
    deployment.tell("data_pull", ":")
    deploy(deployment.target, FIRST, said.append, pace=FAST)
    assert "rm --force 0123abcd" in deployment.calls()


@pytest.mark.parametrize(
    ("name", "told", "message"),
    [
        ("login_error", "denied: denied", "refused the token in /ghcr/ro-token: denied: denied. Has it expired"),
        ("pull_errors", "unauthorized: read", "Does the token in /ghcr/ro-token belong to somebody who may read it"),
        ("pull_errors", "manifest unknown", "is not in the registry. Did the build of this revision succeed"),
        ("pull_errors", "no matching manifest for linux/arm64", "was not built for this host's processor"),
        ("pull_errors", "no space left on device", "the system disk is full. Raise root_volume_gib"),
        ("pull_errors", "timeout\ntimeout\ntimeout", "could not be pulled, three times: timeout. Does the host reach"),
        ("architecture", "riscv64", "was built for riscv64, and this host's processor is"),
        ("free_gib", "0", "is nearly full: 0 GiB free, 1 needed .* Raise root_volume_gib"),
        ("no_role", "", "this host has no valid credentials of its own. Is its instance profile attached"),
        ("data_pull", "exit 255", "DVC could not bring the measurements.*was `dvc push` run"),
    ],
)
def test_what_goes_wrong_on_the_host_is_named_with_its_remedy(
    deployment: Deployment, bring: Callable[[str], None], name: str, told: str, message: str
) -> None:
    """The driver's one message says which thing is wrong and what to do."""
    deployment.tell(name, told)

    with pytest.raises(HostError, match=message):
        bring(FIRST)

    assert deployment.read("running") == ""


def test_a_pull_that_fails_once_is_tried_again(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """A registry that stumbles does not fail a delivery."""
    deployment.tell("pull_errors", "connection reset by peer")

    bring(FIRST)

    assert deployment.read("running") == FIRST


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("/ghcr/ro-token", "unset", "still holds Terraform's placeholder"),
        ("/ghcr/ro-token", "gone", "the parameter /ghcr/ro-token does not exist in eu-north-1"),
        ("/aidrug/admin-token", "unset", "without a token the service admits nobody. Put one: terraform output"),
        ("/aidrug/admin-token", "gone", "the parameter /aidrug/admin-token does not exist in eu-north-1"),
    ],
)
def test_a_token_that_was_never_put_is_named(
    deployment: Deployment, bring: Callable[[str], None], name: str, change: str, message: str
) -> None:
    """A fresh deployment without one of its tokens says which parameter to set, and trains nothing."""
    ssm = deployment.aws.client("ssm")
    if change == "gone":
        ssm.delete_parameter(Name=name)
    else:
        ssm.put_parameter(Name=name, Value="unset", Type="SecureString", Overwrite=True)

    with pytest.raises(HostError, match=message):
        bring(FIRST)

    assert not any(call.endswith(" train") for call in deployment.calls())


def test_a_training_host_trains_first_and_is_stopped(deployment: Deployment, said: list[str]) -> None:
    """It is started for the training and stopped after it, also when the training fails; the serving host follows."""
    aws, target = deployment.aws, deployment.target
    trainer = make_instance(aws, role="train", shutdown="after_training")
    aws.client("ec2").stop_instances(InstanceIds=[trainer])
    both = Target(target.region, target.instance_id, target.document, trainer)
    deployment.tell("training", "exit 1", trainer)

    with pytest.raises(HostError, match=f"the training failed on {trainer}: train at training"):
        deploy(both, FIRST, said.append, pace=FAST)

    look = Host(both, trainer, said.append, FAST)
    assert look.state() == "stopped"
    assert deployment.read("running") == ""
    deployment.tell("training", "echo trained", trainer)
    deploy(both, FIRST, said.append, pace=FAST)
    assert look.state() == "stopped"
    assert deployment.read("running") == FIRST
    trained = (deployment.double(trainer) / "calls").read_text()
    assert "-e MLFLOW_TRACKING_URI=http://10.20.0.10:5000 -e AIDRUG_TRAIN_ONLY=1 -e AIDRUG_LEDGER= " in trained
    assert "--remove-orphans" not in trained
