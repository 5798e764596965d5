"""`docs/operations/first-deployment.md`: every command of it, in order, against the stand-ins.

Then, on what it made: the commands of the other runbooks that need a host to deliver to, and the way out. Not run:
`aws ssm start-session` (a shell needs the real SSM) and `aidrug rollback ENDPOINT` (`test_runbooks.py` runs it).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_drug_assets.aws.cost import estimate
from tests.doubles.aws_server import ACCOUNT, REGION, StandIn, aws_stand_in
from tests.infra.terraform_stack import ROOT, copy_of_infra, opt_in, terraform_environment

PAGE = ROOT / "docs" / "operations" / "first-deployment.md"
PROGRAMS = Path(__file__).parents[1] / "doubles" / "laptop"


def blocks(language: str, page: Path = PAGE) -> list[str]:
    """List the code blocks of a page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_names_files_and_commands_that_exist() -> None:
    """Every path of the repository on the page is there, and so is every `aidrug` command."""
    from ai_drug_assets.cli import aidrug

    text = PAGE.read_text(encoding="utf-8")
    paths = {*re.findall(r"`(infra/[\w./]+)`", text), *re.findall(r"--input (\S+)", text)}
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    code = "\n".join([*blocks("sh"), *re.findall(r"`[^`]+`", text)])
    for first, second in re.findall(r"\baidrug (\w+)(?: (\w+))?", code):
        command = aidrug.commands[first]
        assert not hasattr(command, "commands") or second in command.commands


def test_whatever_is_typed_is_among_what_one_needs() -> None:
    """Each program that a line begins with, or that another one's output goes to, is named before the first line."""
    text = PAGE.read_text(encoding="utf-8")
    needs = text[: text.index("```sh")]
    typed = set(re.findall(r"(?:^|[|(] *|&& )([a-z][\w-]*) ", "\n".join(blocks("sh")), re.MULTILINE))
    of_the_shell_or_made_on_the_page = {"cp", "read", "set", "tee", "aidrug"}

    assert {"terraform", "gh"} < typed
    for program in typed - of_the_shell_or_made_on_the_page:
        assert f"`{program}`" in needs, program


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[StandIn]:
    """Yield an empty account."""
    with aws_stand_in(tmp_path / "hosts") as made:
        yield made


@opt_in
@pytest.mark.timeout(3600)
def test_every_command_of_the_page_works(aws: StandIn, tmp_path: Path) -> None:
    """A stranger's path from an account with nothing in it to a revision that serves, and the cost the page states."""
    (tmp_path / "hosts").mkdir(exist_ok=True)
    work = tmp_path / "clone"
    (work / ".venv" / "bin").mkdir(parents=True)
    (work / ".venv" / "bin" / "activate").touch()
    copy_of_infra(work)
    somebody = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    for command in (["init", "-q"], [*somebody, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    programs = Path(shutil.copytree(PROGRAMS, tmp_path / "programs"))
    (programs / "aidrug").symlink_to(Path(sys.executable).parent / "aidrug")
    stand_in = "-no-color -backend-config=use_path_style=true -backend-config=skip_credentials_validation=true"
    environment = {
        **terraform_environment(tmp_path),
        **aws.environment,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TF_VAR_aws_stand_in": "true",
        "TF_CLI_ARGS_init": f"{stand_in} -backend-config=skip_requesting_account_id=true",
        "TF_CLI_ARGS_apply": "-no-color -auto-approve",
        "TF_CLI_ARGS_plan": "-no-color",
        "NOTES": str(tmp_path / "gh"),
    }

    def type_in(*typed: str) -> str:
        done = subprocess.run(
            ["bash", "-c", "\n".join(["set -eu", *typed])],
            cwd=work,
            env=environment,
            input="t0ken\n" * 9,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout

    printed = type_in(*blocks("sh"))

    assert "is deployed" in printed
    assert "the service is ready" in printed
    notes = Path(environment["NOTES"]).read_text(encoding="utf-8")
    for name, role in (("AWS_ROLE_ARN", "deliver"), ("AWS_READER_ROLE_ARN", "read")):
        assert f"{name}=arn:aws:iam::{ACCOUNT}:role/aidrug-{role}" in notes
    assert '{"predictions": []}' in printed
    stored = aws.client("ssm").get_parameter(Name="/ghcr/ro-token", WithDecryption=True)["Parameter"]["Value"]
    assert stored == "t0ken"
    stated = estimate(json.loads((work / "plan.json").read_bytes())).as_text()
    assert stated in blocks("text")[0], stated

    settings = type_in("terraform -chdir=infra/terraform output -raw settings").splitlines()
    environment |= dict(line.split("=", 1) for line in settings)
    deployed = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, check=True, capture_output=True, text=True).stdout
    environment["AIDRUG_GIT_SHA"] = deployed.strip()  # `aidrug` belongs to this checkout, and would take its revision
    operations = PAGE.parent
    _, token, registry = blocks("sh", operations / "key-rotation.md")
    assert "the admin token is another one" in type_in(token, registry)
    subprocess.run(["git", *somebody, "commit", "-q", "--allow-empty", "-m", "y"], cwd=work, check=True)
    back = next(block for block in blocks("sh", operations / "upgrade-rollback.md") if "aidrug host" in block)
    assert "ROLLED BACK from" in type_in('aidrug deploy --sha "$(git rev-parse HEAD)"', back)

    recover(aws, type_in)

    table = re.findall(r"`(terraform -chdir=infra/terraform [^`]+)`", PAGE.read_text(encoding="utf-8"))
    replace, destroy = table[0], table[-1]
    type_in(
        replace, "terraform -chdir=infra/terraform apply -var keep_data_on_destroy=false", f"{destroy} -auto-approve"
    )
    assert not [one for one in aws.client("s3").list_buckets()["Buckets"] if one["Name"].startswith("aidrug-bundles")]


def recover(aws: StandIn, type_in: Callable[..., str]) -> None:
    """Follow `disaster-recovery.md`.

    The disk is gone, and comes back empty, then from a snapshot. Then its zone is down, and host and disk come back in
    another one; what is left in the first one is deleted by hand.
    """
    volume = aws.data_disk()["VolumeId"]
    snapshot = aws.client("ec2").create_snapshot(
        VolumeId=volume,
        TagSpecifications=[
            {
                "ResourceType": "snapshot",
                # The second is the lifecycle manager's own: the last snapshot of a disk that is destroyed lacks it.
                "Tags": [{"Key": "snapshots", "Value": "aidrug"}, {"Key": "dlm:managed", "Value": "true"}],
            }
        ],
    )["SnapshotId"]
    _, empty, from_snapshot, zone, _ = blocks("sh", PAGE.with_name("disaster-recovery.md"))
    assert "restored; the service is ready" in type_in(empty)
    after = aws.data_disk()["VolumeId"]
    assert after != volume
    type_in(from_snapshot)
    disk = aws.data_disk()
    assert disk["VolumeId"] != after
    assert disk["SnapshotId"] == snapshot

    select = from_snapshot.splitlines()[0]
    now = 'set -a; eval "$(terraform -chdir=infra/terraform output -raw settings)"; set +a'
    assert "is deployed" in type_in(now, select, zone)
    ec2, lost = aws.client("ec2"), f"{REGION}a"
    for one in ec2.describe_volumes(Filters=[{"Name": "availability-zone", "Values": [lost]}])["Volumes"]:
        ec2.delete_volume(VolumeId=one["VolumeId"])
    disk = aws.data_disk()
    assert disk["AvailabilityZone"] == f"{REGION}b"
    assert disk["SnapshotId"] == snapshot
    own = [{"Name": "tag:Name", "Values": [f"aidrug-{lost}"]}]
    (subnet,) = ec2.describe_subnets(Filters=own)["Subnets"]
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
