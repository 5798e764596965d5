"""A delivery from the driver to the last container, on stand-ins: the host script really runs."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ai_drug_assets.aws.deploy import deploy
from ai_drug_assets.aws.faults import HostError
from ai_drug_assets.aws.hosts import Host, Target
from tests.doubles.host_document import HOST_SCRIPT, SETTINGS, host_document
from tests.infra.conftest import FAST, Deployment, make_instance

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "1" * 40, "2" * 40
STEPS = ["ps", "login", "pull", "create", "config", "migrate", "mlflow", "data pull", "train", "up"]


@pytest.fixture
def lines() -> list[str]:
    """Collect the lines that the driver prints."""
    return []


@pytest.fixture
def bring(deployment: Deployment, lines: list[str]) -> Callable[[str], None]:
    """Deploy a revision."""
    return lambda sha: deploy(deployment.target, sha, lines.append, pace=FAST)


def _steps(calls: list[str]) -> list[str]:
    """Shorten docker's calls to the steps of a delivery, each where it first came."""
    ends = {
        "config --quiet": "config",
        "--wait mlflow": "mlflow",
        "train data pull": "data pull",
        "-T train": "train",
        "--remove-orphans": "up",
        "stop daemon code webserver mlflow": "stop",
        "backup migrate": "migrate",
    }
    words = [next((name for end, name in ends.items() if call.endswith(end)), call.split()[0]) for call in calls]
    return list(dict.fromkeys(words))


def test_a_push_ends_with_the_revision_serving(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """Login, pull, DVC, training, swap and health check happen in this order, and every line reaches the operator."""
    bring(FIRST)

    assert [step for step in _steps(deployment.calls()) if step in STEPS] == STEPS
    assert deployment.read("running") == FIRST
    settings = deployment.aws.agent.host(deployment.target.instance_id) / "opt" / ".env"
    assert f"CADDY_IMAGE={SETTINGS['CADDY_IMAGE']}\n" in settings.read_text(encoding="utf-8")  # kept for a rollback
    assert any("made 3 assets" in line for line in lines)
    assert lines[-1].endswith("done: deploy")


def test_a_revision_with_another_host_script_is_noticed(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """The script comes from Terraform and the revision from a merge; the delivery names a difference, and ends."""
    said = f"the host script that runs here is not that of {SECOND}. If {SECOND} is the newer one, apply Terraform"
    script = HOST_SCRIPT.read_text(encoding="utf-8").rstrip("\n")

    deployment.tell("host_script", script)
    bring(FIRST)
    assert not [line for line in lines if "the host script" in line]
    deployment.tell("host_script", script.replace("set -eu", "set -eux"))
    bring(SECOND)
    assert any(said in line for line in lines)
    assert deployment.read("running") == SECOND


def test_the_registry_token_touches_no_disk(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """The token goes to docker's standard input; the folder docker wrote it to is gone; no file or line holds it."""
    bring(FIRST)

    assert deployment.read("token") == "t0ken"
    assert not Path(deployment.read("docker_config")).exists()
    host = deployment.aws.agent.host(deployment.target.instance_id)
    holders = subprocess.run(["grep", "-rl", "t0ken", host], capture_output=True, text=True, check=False).stdout.split()
    assert holders == [str(host / "double" / "token")]
    assert not any("t0ken" in line for line in lines)


def test_the_settings_of_the_containers_are_written(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The env file names images, region and buckets; secrets are apart, for root only."""
    bring(FIRST)

    opt = deployment.aws.agent.host(deployment.target.instance_id) / "opt"
    env = dict(line.split("=", 1) for line in (opt / ".env").read_text().splitlines())
    assert env["IMAGE_TAG"] == FIRST
    assert env["AWS_REGION"] == "eu-north-1"
    assert env["BUNDLES_BUCKET"] == "aidrug-bundles-123456789012"
    assert (env["TRAIN_MEMORY"], env["CODE_MEMORY"]) == ("5g", "5g")  # of 8
    assert env["TRAIN_WORKERS"] == "1"  # 3 GB each
    assert (env["SERVICE_WORKERS"], env["SERVICE_MEMORY"], env["RATE_PER_MINUTE"]) == ("1", "1500m", "600")
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
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """A revision that is deployed and healthy is neither pulled nor trained again."""
    bring(FIRST)
    before = len(deployment.calls())

    bring(FIRST)

    assert set(deployment.calls()[before:]) == {"info"}
    assert any("nothing to do" in line for line in lines)


def test_another_admin_token_reaches_the_service_of_the_same_revision(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """After the parameter was changed, a delivery of what is deployed starts the service again, and trains nothing."""
    bring(FIRST)
    before = len(deployment.calls())
    deployment.aws.client("ssm").put_parameter(
        Name="/aidrug/admin-token", Value="another", Type="SecureString", Overwrite=True
    )

    bring(FIRST)

    assert any("the admin token is another one" in line for line in lines)
    made = deployment.calls()[before:]
    assert [call for call in made if call.endswith("up --detach --remove-orphans")]
    assert not [call for call in made if "pull" in call or " train" in call]
    bring(FIRST)
    assert any("nothing to do" in line for line in lines)


def test_other_settings_reach_the_containers_of_the_same_revision(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """After `terraform apply`, a delivery of what is deployed writes them and starts what they concern; nothing trains.

    What the service may take above its default is not left for a training.
    """
    bring(FIRST)
    opt = deployment.aws.agent.host(deployment.target.instance_id) / "opt"
    before, calls = (opt / ".env").read_text(), len(deployment.calls())
    larger = {"SERVICE_WORKERS": "2", "SERVICE_MEMORY": "1900m", "RATE_PER_MINUTE": "0"}
    with applied(deployment, larger):
        bring(FIRST)
        bring(FIRST)
    after = dict(line.split("=", 1) for line in (opt / ".env").read_text().splitlines())

    assert {name: after[name] for name in larger} == larger
    assert (after["TRAIN_MEMORY"], after["CODE_MEMORY"]) == ("4g", "4g")  # of 8
    assert dict(line.split("=", 1) for line in before.splitlines()).keys() == after.keys()
    assert any("deployed; its settings changed" in line for line in lines)
    assert any("nothing to do" in line for line in lines)
    made = deployment.calls()[calls:]
    assert [call for call in made if call.endswith("up --detach --remove-orphans")]
    assert not [call for call in made if "pull" in call or " train" in call]


@contextmanager
def applied(deployment: Deployment, changes: dict[str, str]) -> Iterator[None]:
    """Let the document have other settings, as after `terraform apply`."""
    ssm = deployment.aws.client("ssm")
    name = deployment.target.document

    content = json.dumps(host_document(SETTINGS | changes))
    made = ssm.update_document(Name=name, Content=content, DocumentVersion="$LATEST")["DocumentDescription"]
    ssm.update_document_default_version(Name=name, DocumentVersion=made["DocumentVersion"])
    try:
        yield
    finally:
        ssm.update_document_default_version(Name=name, DocumentVersion="1")


@pytest.mark.game_day(fault="two pushes at once", message="another delivery is running; waiting for it to finish")
def test_two_deliveries_at_once_train_once(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """The second waits for the first, then finds nothing to do."""
    deployment.tell("training", 'sleep 0.5; echo x >>"$DOUBLE/trainings"')
    Host(deployment.target, deployment.target.instance_id, lines.append, FAST).start()

    both = [threading.Thread(target=bring, args=(FIRST,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert deployment.read("trainings") == "x"
    assert any("waiting for it to finish" in line for line in lines)
    assert any("nothing to do" in line for line in lines)


def test_the_automation_is_quiet_while_a_revision_trains(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The daemon of the old revision would retrain what the new one changed: it stops, and starts with the new one."""
    bring(FIRST)
    deployment.tell("training", '[ ! -e "$DOUBLE/automation" ] && echo quiet')

    bring(SECOND)

    assert deployment.read("automation") == SECOND
    assert "stop" in _steps(deployment.calls())


@pytest.mark.game_day(
    fault="a revision whose service does not start",
    message="ROLLED BACK to ..., which serves again: ... did not become healthy",
)
def test_an_unhealthy_revision_is_rolled_back(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
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


@pytest.mark.game_day(
    fault="a first revision whose service does not start",
    message="the service is not healthy, and there is no earlier revision to go back to",
)
def test_without_an_earlier_revision_there_is_no_way_back(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """The first revision of a host that is not healthy is said to be just that."""
    deployment.tell("unhealthy", FIRST)

    with pytest.raises(HostError, match="no earlier revision to go back to"):
        bring(FIRST)


@pytest.mark.game_day(
    fault="a training that fails", message="the models named above failed. What served before still serves."
)
def test_a_failed_training_leaves_what_serves_alone(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """The old revision serves on, its automation too; the message names the step; the next delivery is not held up."""
    bring(FIRST)
    deployment.tell("training", "echo FAILED trained_model/x/rf: no rows; exit 1")

    with pytest.raises(HostError, match="deploy at training: training ended with 1"):
        bring(SECOND)

    deployment.require_well(FIRST)
    assert any("FAILED trained_model/x/rf: no rows" in line for line in lines)
    deployment.tell("training", "echo fine")
    bring(SECOND)
    assert deployment.read("running") == SECOND


@pytest.mark.game_day(fault="a training that does not end", message="training took longer than")
def test_a_training_that_takes_too_long_is_ended(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """It is interrupted before SSM ends everything, so that the host is put back in order."""
    bring(FIRST)
    deployment.aws.agent.extra["AIDRUG_TRAINING_SECONDS"] = "0.2"
    deployment.tell("training", "exec sleep 2")  # the script's output is read until this ends, too

    with pytest.raises(HostError, match=r"training took longer than 0\.2 s and was ended"):
        bring(SECOND)

    assert deployment.read("automation") == FIRST


@pytest.mark.game_day(fault="a training that does not end")
def test_a_training_gets_what_the_delivery_has_left(deployment: Deployment, lines: list[str]) -> None:
    """SSM's limit begins with the script: after a slow remote, too, a training ends before SSM ends everything."""
    deployment.tell("data_pull", "sleep 2")
    deployment.tell("training", "exit 124")  # as `timeout` ends

    with pytest.raises(HostError, match="since the whole command may take 1000 s") as refusal:
        deploy(deployment.target, FIRST, lines.append, timeout_seconds=1000, pace=FAST)

    limit = re.search(r"took longer than (\d+) s", str(refusal.value))
    assert limit is not None
    assert 500 < int(limit[1]) <= 1000 - 300 - 2


@pytest.mark.game_day(fault="a training that is killed", message="training was killed after")
def test_a_training_that_is_killed_did_not_take_too_long(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """Docker's code for a process that was killed, mostly for its memory, is the one of a limit that passed."""
    bring(FIRST)
    deployment.tell("training", "exit 137")

    with pytest.raises(HostError, match=r"training was killed after \d s: it needed more .* TRAIN_MEMORY, 5g, or"):
        bring(SECOND)

    deployment.require_well(FIRST)


def test_a_delivery_that_waits_too_long_says_for_what(deployment: Deployment, lines: list[str]) -> None:
    """It gives up before SSM ends it, which nobody could distinguish from a training that takes too long."""
    Host(deployment.target, deployment.target.instance_id, lines.append, FAST).start()
    with (deployment.aws.agent.host(deployment.target.instance_id) / "state" / "delivery.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HostError, match=r"deploy at lock: the other delivery did not finish within \d s"):
            deploy(deployment.target, FIRST, lines.append, timeout_seconds=8, pace=FAST)


@pytest.mark.game_day(fault="SSM ends the command", message="took longer than it may")
def test_a_command_that_ssm_ends_is_a_failure(deployment: Deployment, lines: list[str]) -> None:
    """SSM's own limit kills the script; the driver says so, and what it left is removed by the next delivery."""
    deployment.tell("data_pull", "exec sleep 20")

    with pytest.raises(HostError, match="took longer than it may"):
        deploy(deployment.target, FIRST, lines.append, timeout_seconds=1, pace=FAST)

    deployment.tell("leftovers", "0123abcd")
    deployment.tell("data_pull", ":")
    assert deployment.read("running") == ""
    deploy(deployment.target, FIRST, lines.append, pace=FAST)
    assert "rm --force 0123abcd" in deployment.calls()


@pytest.mark.game_day(
    fault="the registry is dead", message="could not be pulled, three times: ... Does the host reach the registry?"
)
@pytest.mark.game_day(
    fault="the registry's token has expired",
    message="refused the token in ... Has it expired? GHCR wants the scope read:packages.",
)
@pytest.mark.game_day(
    fault="the data disk is full", message="Raise data_volume_gib in terraform.tfvars, apply, and restart the host."
)
@pytest.mark.game_day(
    fault="the system disk is full",
    message="the system disk is full. Raise root_volume_gib in terraform.tfvars, apply, and restart the host.",
)
@pytest.mark.game_day(fault="an image for another processor", message="and this host's processor is")
@pytest.mark.game_day(
    fault="the host has lost its role",
    message="this host has no valid credentials of its own. Is its instance profile attached?",
)
@pytest.mark.game_day(fault="MLflow is down while this host trains", message="MLflow did not become healthy, see above")
@pytest.mark.game_day(fault="DVC's remote is away", message="DVC could not bring the measurements, see above.")
@pytest.mark.game_day(fault="the host's clock is wrong", message="the clock of this host is wrong, it says")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("login_error", "denied: denied", "refused the token in /ghcr/ro-token: denied: denied. Has it expired"),
        ("data_pull", "exit 255", "DVC could not bring the measurements.*was `dvc push` run"),
        *(
            pytest.param(
                *words, marks=pytest.mark.slow(sibling="test_what_goes_wrong_on_the_host_is_named_with_its_remedy")
            )
            for words in (
                (
                    "pull_errors",
                    "unauthorized: read",
                    "Does the token in /ghcr/ro-token belong to somebody who may read",
                ),
                ("pull_errors", "manifest unknown", "is not in the registry. Did the build of this revision succeed"),
                ("pull_errors", "no matching manifest for linux/arm64", "was not built for this host's processor"),
                (
                    "pull_errors",
                    "no space left on device",
                    "Raise root_volume_gib in terraform.tfvars, apply, and restart",
                ),
                (
                    "pull_errors",
                    "timeout\ntimeout\ntimeout",
                    "could not be pulled, three times: timeout. Does the host reach",
                ),
                ("architecture", "riscv64", "was built for riscv64, and this host's processor is"),
                ("free_gib", "0", "is nearly full: 0 GiB free, 1 needed .* apply, and restart the host"),
                ("free_data_gib", "0", "the data disk .* is nearly full: 0 GiB free, 1 needed. Raise data_volume_gib"),
                ("no_role", "", "this host has no valid credentials of its own. Is its instance profile attached"),
                ("ssm_error", "InvalidSignatureException", "the clock of this host is wrong, it says"),
                ("mlflow_fails", "", "MLflow did not become healthy, see above: aidrug host logs --group containers"),
            )
        ),
    ],
)
def test_what_goes_wrong_on_the_host_is_named_with_its_remedy(
    deployment: Deployment, bring: Callable[[str], None], name: str, content: str, message: str
) -> None:
    """One message says which thing is wrong and what to do; what served serves on, and the next delivery heals it."""
    bring(FIRST)
    before = len(deployment.calls())
    deployment.tell(name, content)

    with pytest.raises(HostError, match=message):
        bring(SECOND)

    deployment.aws.agent.minute(deployment.target.instance_id)
    deployment.require_well(FIRST, before)
    (deployment.double() / name).unlink()
    bring(SECOND)
    deployment.require_well(SECOND, before)


@pytest.mark.game_day(fault="the registry is dead")
def test_a_pull_that_fails_once_is_tried_again(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """A registry that stumbles does not fail a delivery."""
    deployment.tell("pull_errors", "connection reset by peer")

    bring(FIRST)

    assert deployment.read("running") == FIRST


@pytest.mark.game_day(
    fault="a secret is not in the parameter store", message="Apply Terraform there, then put the value"
)
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("/ghcr/ro-token", "unset", "still holds Terraform's placeholder"),
        ("/ghcr/ro-token", "gone", "the parameter /ghcr/ro-token does not exist in eu-north-1"),
        ("/aidrug/admin-token", "unset", "still holds Terraform.s placeholder. Put the value: terraform output"),
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


def test_a_training_host_trains_first_and_is_stopped(deployment: Deployment, lines: list[str]) -> None:
    """It is started for the training and stopped after it, also when the training fails; the serving host follows."""
    aws, target = deployment.aws, deployment.target
    trainer = make_instance(aws, role="train", shutdown="after_training")
    aws.client("ec2").stop_instances(InstanceIds=[trainer])
    both = Target(target.region, target.instance_id, target.document, trainer)
    deployment.tell("training", "exit 1", trainer)
    deployment.tell("mlflow_answers", "", trainer)

    with pytest.raises(HostError, match=f"the training failed on {trainer}: train at training"):
        deploy(both, FIRST, lines.append, pace=FAST)

    look = Host(both, trainer, lines.append, FAST)
    assert look.state() == "stopped"
    assert deployment.read("running") == ""
    deployment.tell("training", "echo trained", trainer)
    deploy(both, FIRST, lines.append, pace=FAST)
    assert look.state() == "stopped"
    assert deployment.read("running") == FIRST
    trained = (deployment.double(trainer) / "calls").read_text()
    assert "-e MLFLOW_TRACKING_URI=http://10.20.0.10:5000 -e AIDRUG_TRAIN_ONLY=1 -e AIDRUG_LEDGER= " in trained
    assert " -e AIDRUG_BACKUP= " in trained  # its role may not write to production's backups
    assert "--remove-orphans" not in trained


@pytest.mark.game_day(
    fault="MLflow is down while another host trains", message="MLflow on the host that serves ... does not answer."
)
def test_the_first_delivery_brings_mlflow_up_before_the_training_host_needs_it(
    deployment: Deployment, lines: list[str]
) -> None:
    """On a serving host that runs nothing yet; a training host that cannot reach it says what it waits for."""
    aws, target = deployment.aws, deployment.target
    trainer = make_instance(aws, role="train", shutdown="never")
    both = Target(target.region, target.instance_id, target.document, trainer)
    deployment.tell("training", f'cp {deployment.double()}/mlflow "$DOUBLE/found"', trainer)

    with pytest.raises(HostError, match=r"MLflow on the host that serves \(10\.20\.0\.10:5000\) does not answer"):
        deploy(both, FIRST, lines.append, pace=FAST)
    deployment.tell("mlflow_answers", "", trainer)
    deploy(both, FIRST, lines.append, pace=FAST)

    assert (deployment.double(trainer) / "found").read_text().strip() == FIRST
    assert deployment.read("running") == FIRST
    look = Host(both, trainer, lines.append, FAST)
    look.run("status")
    assert any("this host only trains" in line for line in lines)


def cut_off(deployment: Deployment, where: str, sha: str = SECOND) -> None:
    """Begin a delivery and let SSM cancel it at a step, as its agent does: SIGKILL, and nobody has a last word."""
    marker = deployment.aws.agent.host(deployment.target.instance_id) / "opt" / "delivering"
    hold, held = (deployment.double() / name for name in ("hold", "held"))
    host = Host(deployment.target, deployment.target.instance_id, lambda line: None, FAST)
    thread = threading.Thread(target=host.run, args=("deploy",), kwargs={"sha": sha})
    thread.start()
    deadline = time.monotonic() + 30
    while not (marker.exists() and where in marker.read_text() and hold.exists() == held.exists()):
        assert time.monotonic() < deadline, f"never came to {where}"
        time.sleep(0.02)
    ssm, invocations = deployment.aws.client("ssm"), deployment.aws.agent
    ssm.cancel_command(CommandId=list(invocations._invocations.values())[-1].command_id)
    thread.join()


@pytest.mark.game_day(
    fault="a delivery is cancelled or killed, at any step from the check of the disk to the swap",
    message="it was cut off: cancelled, killed or rebooted. What served before is brought up again;",
)
@pytest.mark.parametrize(
    ("where", "call"),
    [
        ("training", "compose * -T train"),
        *(
            pytest.param(
                *words, marks=pytest.mark.slow(sibling="test_a_delivery_that_is_cut_off_is_put_right_within_a_minute")
            )
            for words in (
                ("disk", "info --format *"),
                ("registry", "login *"),
                ("pull", "pull *"),
                ("unpack", "cp *"),
                ("migrate", "compose * migrate"),
                ("mlflow", "compose * --wait mlflow"),
                ("data", "compose * data pull"),
                ("swap", "compose * --remove-orphans"),
            )
        ),
    ],
)
def test_a_delivery_that_is_cut_off_is_put_right_within_a_minute(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str], where: str, call: str
) -> None:
    """Automation, login, training, lock and marker; the log says what happened; the next delivery finds nothing odd."""
    bring(FIRST)
    host = deployment.aws.agent.host(deployment.target.instance_id)
    deployment.tell("hold", call)

    cut_off(deployment, where)
    deployment.tell("leftovers", "0123abcd")
    deployment.aws.agent.minute(deployment.target.instance_id)

    # What was trained and swapped in comes up, whether it ever ran or not; until then the revision before.
    deployment.require_well(SECOND if where == "swap" else FIRST)
    assert "rm --force 0123abcd" in deployment.calls()
    log = (host / "log" / "host.log").read_text()
    assert f"FAILED deploy at {where}: it was cut off" in log
    (deployment.double() / "hold").unlink()
    lines.clear()
    bring(SECOND)
    deployment.require_well(SECOND)
    assert not any("waiting for it to finish" in line for line in lines)


@pytest.mark.game_day(fault="the host is rebooted", message="brought up:")
def test_a_host_that_booted_runs_what_is_deployed(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """Nothing while a delivery is at work, nothing that an operator paused; else all of it, and once."""
    bring(FIRST)
    host, double = deployment.aws.agent.host(deployment.target.instance_id), deployment.double()
    for name in ("automation", "running"):
        (double / name).unlink()
    (host / "opt" / "paused").touch()
    deployment.aws.agent.minute(deployment.target.instance_id)
    assert deployment.read("running") == ""
    (host / "opt" / "paused").unlink()
    with (host / "state" / "delivery.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        deployment.aws.agent.minute(deployment.target.instance_id)
    assert deployment.read("running") == ""

    deployment.aws.agent.minute(deployment.target.instance_id)

    deployment.require_well(FIRST)
    before = len(deployment.calls())
    deployment.aws.agent.minute(deployment.target.instance_id)
    assert not [call for call in deployment.calls()[before:] if "up --detach" in call]


@pytest.mark.game_day(
    fault="the power goes in the middle of the swap", message="it was cut off: cancelled, killed or rebooted."
)
def test_half_a_swap_is_finished(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """Settings of one revision never meet the compose file of another."""
    bring(FIRST)
    opt = deployment.aws.agent.host(deployment.target.instance_id) / "opt"
    (opt / ".env").write_text((opt / ".env").read_text().replace(FIRST, SECOND))  # moved, and then the power went
    (opt / "compose.next.yaml").write_text(f"services: {{}} # of {SECOND}\n")
    (opt / "delivering").write_text("deploy at swap")

    deployment.aws.agent.minute(deployment.target.instance_id)

    assert SECOND in (opt / "compose.yaml").read_text()
    assert not (opt / "compose.next.yaml").exists()


@pytest.mark.game_day(
    fault="Docker does not start, or the data disk is missing",
    message="Docker does not run, since the host did not come up:",
)
def test_docker_is_waited_for(deployment: Deployment, bring: Callable[[str], None], lines: list[str]) -> None:
    """SSM is online minutes before Docker; a host whose boot failed says so at once, with boot's own reason."""
    deployment.tell("docker_starts", "x\n" * 3)
    bring(FIRST)
    assert any("waiting for Docker" in line for line in lines)

    log = deployment.aws.agent.host(deployment.target.instance_id) / "log" / "boot.log"
    log.write_text("2026-11-01T00:00:00Z boot: FAILED boot: the data disk vol-1 did not appear within 300 s.\n")
    deployment.tell("docker_starts", "x\n" * 99)
    with pytest.raises(HostError, match="the host did not come up: boot: the data disk vol-1 did not appear"):
        bring(SECOND)
    log.unlink()
    deployment.aws.agent.extra["AIDRUG_DOCKER_SECONDS"] = "2"
    with pytest.raises(HostError, match="Docker did not start within"):
        bring(SECOND)


@pytest.mark.game_day(
    fault="databases older than the revision, and an upgrade that fails",
    message="What was there before is there still, or was put back.",
)
def test_databases_that_cannot_be_upgraded_stop_a_delivery_and_nothing_else(
    deployment: Deployment, bring: Callable[[str], None]
) -> None:
    """What served before serves, its automation too, and nothing was trained."""
    bring(FIRST)
    deployment.tell("migrate", "echo the disk is full; exit 1")
    before = len(deployment.calls())

    with pytest.raises(HostError, match=f"the databases do not fit {SECOND}"):
        bring(SECOND)

    deployment.require_well(FIRST)
    assert not [call for call in deployment.calls()[before:] if call.endswith(" train")]


@pytest.mark.game_day(
    fault="databases newer than the revision of a rollback", message="ROLLED BACK from ... to ..., which serves"
)
def test_going_back_puts_the_databases_back_first(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """By the revision that upgraded them, with everything that writes to them stopped; by itself and when asked."""
    bring(FIRST)
    bring(SECOND)
    undo = '[ ! -e "$DOUBLE/automation" ] && cp "$DOUBLE/running" "$DOUBLE/undone_while"'
    deployment.tell("undo", undo)
    Host(deployment.target, deployment.target.instance_id, lambda line: None, FAST).run("rollback")
    assert deployment.read("undone_while") == SECOND
    assert deployment.read("running") == FIRST

    (deployment.double() / "undone_while").unlink()
    third = "3" * 40
    deployment.tell("unhealthy", third)
    with pytest.raises(HostError, match="ROLLED BACK"):
        bring(third)
    assert deployment.read("undone_while") == third


@pytest.mark.game_day(fault="the data disk is lost", message="restored; the service is ready")
def test_a_lost_disk_is_restored_by_one_command(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """On a host that runs a revision, and on a new one that is given one; a failed one leaves all as it was."""
    lines: list[str] = []
    host = Host(deployment.target, deployment.target.instance_id, lines.append, FAST)
    host.start()
    assert host.run("restore").status == "Failed"
    assert "which revision?" in lines[-1]
    assert host.run("restore", sha=FIRST).status == "Success"
    deployment.require_well(FIRST, len(deployment.calls()))
    deployment.tell("restore", "echo damaged; exit 1")
    assert host.run("restore").status == "Failed"
    deployment.require_well(FIRST, len(deployment.calls()))


def test_the_reason_is_told_however_much_was_printed_before_it(
    deployment: Deployment, bring: Callable[[str], None]
) -> None:
    """SSM keeps the first 24,000 characters of what a command prints, and a reason comes last."""
    deployment.tell("training", "seq 1 9000; exit 1")

    with pytest.raises(HostError, match="deploy at training: training ended with 1"):
        bring(FIRST)


def test_no_failure_of_a_command_restarts_the_host(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """SSM's agent restarts a host whose command ends with 194, and runs the command again: no code is passed on."""
    deployment.tell("create_code", "194")

    with pytest.raises(HostError, match="deploy at unpack: a command ended with 194, see above"):
        bring(FIRST)

    assert not deployment.aws.agent.rebooted


@pytest.mark.game_day(fault="the SSM agent hangs", message="took no command for five minutes")
def test_a_host_that_takes_no_command_is_named(deployment: Deployment, bring: Callable[[str], None]) -> None:
    """Its agent hangs: nothing took too long, and a larger host would not help."""
    deployment.aws.agent.silent.add(deployment.target.instance_id)

    with pytest.raises(HostError, match="took no command for five minutes"):
        bring(FIRST)


UPGRADES = (
    f"""mkdir -p "$AIDRUG_STATE/home"; echo '{{"git_sha":"{SECOND}"}}' >"$AIDRUG_STATE/home/schema_upgrade.json\""""
)
UNDONE = 'rm "$AIDRUG_STATE/home/schema_upgrade.json"; [ ! -e "$DOUBLE/automation" ] && echo before >"$DOUBLE/undone"'


@pytest.mark.game_day(
    fault="databases upgraded for a revision that is not deployed after all",
    message="the databases go back to the backup before",
)
@pytest.mark.parametrize(
    "ends",
    [
        "fails",
        pytest.param(
            "is cut off", marks=pytest.mark.slow(sibling="test_databases_that_were_upgraded_for_nothing_go_back")
        ),
    ],
)
def test_databases_that_were_upgraded_for_nothing_go_back(
    deployment: Deployment, bring: Callable[[str], None], ends: str
) -> None:
    """The new revision's training did not end well, and the old MLflow could not read what the new one upgraded."""
    bring(FIRST)
    deployment.tell("migrate", UPGRADES)
    deployment.tell("undo", UNDONE)
    if ends == "fails":
        deployment.tell("training", "exit 1")
        with pytest.raises(HostError, match="deploy at training"):
            bring(SECOND)
    else:
        deployment.tell("training", "exec sleep 20")
        cut_off(deployment, "training")
        deployment.aws.agent.minute(deployment.target.instance_id)

    assert deployment.read("undone") == "before"
    deployment.require_well(FIRST)


def test_the_serving_host_waits_for_the_training_host_and_no_longer(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """MLflow of the new revision stays up for the training elsewhere, as long as the driver says that it continues.

    When the training fails, what is deployed continues.
    """
    bring(FIRST)
    aws, target = deployment.aws, deployment.target
    trainer = make_instance(aws, role="train", shutdown="never")
    both = Target(target.region, target.instance_id, target.document, trainer)
    deployment.tell("mlflow_answers", "", trainer)
    deployment.tell("migrate", UPGRADES)
    deployment.tell("undo", UNDONE)
    minute = aws.agent.minute
    seen = deployment.double() / "automation"
    now, over = (deployment.double() / name for name in ("now", "over"))
    deployment.tell("training", f"touch {now}; while [ ! -e {over} ]; do sleep 0.05; done; exit 1", trainer)
    looked, renewed = list[bool](), list[int]()
    awaits = aws.agent.host(target.instance_id) / "opt" / "awaits"

    def look() -> None:
        while not now.exists():
            time.sleep(0.05)
        try:
            first, deadline = int(awaits.read_text()), time.monotonic() + 30
            while int(awaits.read_text()) == first and time.monotonic() < deadline:
                time.sleep(0.05)
            renewed.append(int(awaits.read_text()) - first)
            minute(target.instance_id)
            looked.append(seen.exists())
        finally:
            over.touch()

    watcher = threading.Thread(target=look)
    watcher.start()
    with pytest.raises(HostError, match="the training failed"):
        deploy(both, SECOND, lines.append, pace=FAST)
    watcher.join()

    assert looked == [False]
    assert renewed[0] > 0
    assert deployment.read("undone") == "before"
    deployment.require_well(FIRST)


@pytest.mark.game_day(
    fault="a workflow that is lost while another host trains", message="the databases go back to the backup before"
)
def test_a_serving_host_whose_driver_is_lost_does_not_wait_for_hours(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """Nobody reminds it, and nobody abandons: its automation is back half an hour after the last reminder."""
    bring(FIRST)
    deployment.tell("migrate", UPGRADES)
    deployment.tell("undo", UNDONE)
    deployment.aws.agent.extra["AIDRUG_AWAIT_SECONDS"] = "60"
    host = Host(deployment.target, deployment.target.instance_id, lines.append, FAST)
    host.run("mlflow", sha=SECOND)
    deployment.aws.agent.minute(host.instance_id)
    assert deployment.read("automation") == ""
    awaits = deployment.aws.agent.host(host.instance_id) / "opt" / "awaits"
    awaits.write_text(f"{int(awaits.read_text()) - 62}\n")

    deployment.aws.agent.minute(host.instance_id)

    assert deployment.read("undone") == "before"
    deployment.require_well(FIRST)
    host.run("await")
    assert not awaits.exists()


@pytest.mark.game_day(
    fault="a push while an operator works on the host by hand",
    message="... is there since ..., so somebody works here by hand",
)
def test_a_push_does_not_overtake_an_operator(
    deployment: Deployment, bring: Callable[[str], None], lines: list[str]
) -> None:
    """While `paused` is there, nothing is pulled, trained or started; the status says so; without it all continues."""
    bring(FIRST)
    paused = deployment.aws.agent.host(deployment.target.instance_id) / "opt" / "paused"
    paused.touch()
    before = len(deployment.calls())
    host = Host(deployment.target, deployment.target.instance_id, lines.append, FAST)

    for action in ("deploy", "mlflow"):
        ended = host.run(action, sha=SECOND)
        assert f"FAILED {action} at paused: " in ended.output
        assert "works here by hand. Deliver again when that is done." in ended.output
    host.run("abandon")
    host.run("status")

    assert not [call for call in deployment.calls()[before:] if call.startswith(("pull", "login")) or " up " in call]
    assert any("PAUSED" in line and "Nothing is delivered or repaired until: rm " in line for line in lines)
    paused.unlink()
    bring(SECOND)
    deployment.require_well(SECOND)
