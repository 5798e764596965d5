"""`docs/operations/first-deployment.md`: every command of it, in order, against the stand-ins."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_drug_assets.host_cost import estimate
from tests.doubles.aws_server import ACCOUNT, StandIn, aws_stand_in
from tests.infra.terraform_stack import ROOT, copy_of_infra, opt_in, terraform_environment

PAGE = ROOT / "docs" / "operations" / "first-deployment.md"
PROGRAMS = Path(__file__).parents[1] / "doubles" / "laptop"


def blocks(language: str) -> list[str]:
    """List the code blocks of the page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_names_files_and_commands_that_exist() -> None:
    """Every path of the repository on the page is there, and so is every `aidrug` command."""
    from ai_drug_assets.cli import aidrug

    text = PAGE.read_text(encoding="utf-8")
    paths = set(re.findall(r"`(infra/[\w./]+)`", text))
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    code = "\n".join([*blocks("sh"), *re.findall(r"`[^`]+`", text)])
    for first, second in re.findall(r"\baidrug (\w+)(?: (\w+))?", code):
        command = aidrug.commands[first]
        assert not hasattr(command, "commands") or second in command.commands


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[StandIn]:
    """Give an empty account."""
    with aws_stand_in(tmp_path / "hosts") as made:
        yield made


@opt_in
@pytest.mark.timeout(1800)
def test_every_command_of_the_page_works(aws: StandIn, tmp_path: Path) -> None:
    """A stranger's path from an account with nothing in it to a revision that serves, and the cost the page states."""
    (tmp_path / "hosts").mkdir(exist_ok=True)
    work = tmp_path / "clone"
    work.mkdir()
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
        "TF_VAR_aws_max_retries": "2",
        "TF_CLI_ARGS_init": f"{stand_in} -backend-config=skip_requesting_account_id=true",
        "TF_CLI_ARGS_apply": "-no-color -auto-approve",
        "TF_CLI_ARGS_plan": "-no-color",
        "NOTES": str(tmp_path / "gh"),
    }

    script = "set -eu\n" + "\n".join(blocks("sh"))
    done = subprocess.run(
        ["bash", "-c", script], cwd=work, env=environment, input="t0ken\n", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    assert "is deployed" in done.stdout
    assert "the service is ready" in done.stdout
    assert f"gh variable set AWS_ROLE_ARN --body arn:aws:iam::{ACCOUNT}:role/aidrug-deliver" in Path(
        environment["NOTES"]
    ).read_text(encoding="utf-8")
    stored = aws.client("ssm").get_parameter(Name="/ghcr/ro-token", WithDecryption=True)["Parameter"]["Value"]
    assert stored == "t0ken"
    stated = estimate(json.loads((work / "plan.json").read_bytes())).as_text()
    assert stated in blocks("text")[0], stated
