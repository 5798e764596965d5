"""The Terraform files by themselves: format, validity, their own tests, and a scan for what is left open."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.terraform_stack import ROOT, copy_of_infra, opt_in, terraform_environment

FILES = [path for path in (ROOT / "infra").rglob("*.tf") if ".terraform" not in path.parts]
MODULES = sorted({path.parent for path in FILES})


@pytest.mark.parametrize("folder", MODULES, ids=lambda path: path.name)
def test_every_variable_and_output_is_explained(folder: Path) -> None:
    """A description for each, in a sentence; Terraform prints it when a value is missing."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf")))
    for kind, name in re.findall(r'^(variable|output) "(\w+)" \{', text, re.MULTILINE):
        body = text.split(f'{kind} "{name}" {{', 1)[1].split("\n}", 1)[0]
        assert re.search(r'^  description = ".+\."$', body, re.MULTILINE), f"{kind} {name}"


@pytest.mark.parametrize("folder", MODULES, ids=lambda path: path.name)
def test_every_variable_and_output_serves_somebody(folder: Path) -> None:
    """A variable is read by its module; an output by the module above, by a command of the guide, or by a test."""
    files = [*folder.glob("*.tf"), *folder.glob("*.tftpl")]
    own = "\n".join(path.read_text(encoding="utf-8") for path in files)
    readers = [*(ROOT / "docs" / "operations").glob("*.md"), ROOT / "infra" / "terraform" / "main.tf"]
    readers += [ROOT / "infra" / "terraform" / "outputs.tf", *(ROOT / "infra" / "terraform" / "tests").glob("*.hcl")]
    above = "\n".join(path.read_text(encoding="utf-8") for path in readers)

    for name in re.findall(r'^variable "(\w+)"', own, re.MULTILINE):
        assert re.search(rf"\bvar\.{name}\b", own), f"nothing reads the variable {name}"
    for name in re.findall(r'^output "(\w+)"', own, re.MULTILINE):
        read = re.search(rf"module\.\w+(\[0\])?\.{name}\b|output -raw {name}\b", above)
        assert read, f"nobody reads the output {name}"


def test_messages_name_outputs_that_exist() -> None:
    """What an operator has to look up is there."""
    outputs = ROOT / "infra" / "terraform" / "outputs.tf"
    known = set(re.findall(r'^output "(\w+)"', outputs.read_text(encoding="utf-8"), re.MULTILINE))
    files = [*(ROOT / "ai_drug_assets").rglob("*.py"), *(ROOT / "infra" / "host").glob("*.sh"), outputs]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    named = set(re.findall(r"terraform(?: -chdir=infra/terraform)? output (?:-raw )?(\w+)", text))

    assert named <= known
    assert {"settings", "workflow_settings", "next_steps"} <= named


def test_a_person_exports_nothing_that_a_training_writes_to() -> None:
    """Neither the ledger of production nor a role: only what a delivery asks for. The workflows get what they name."""
    text = (ROOT / "infra" / "terraform" / "outputs.tf").read_text(encoding="utf-8")
    person, workflow = (
        set(re.findall(r"^    ([A-Z_]+) += ", text.split(f"  {name} = ", 1)[1].split("\n  }", 1)[0], re.MULTILINE))
        for name in ("settings", "workflow_settings")
    )
    asked: set[str] = set()
    for module in ("aws/hosts.py", "aws/deploy.py", "cli/hosts.py"):
        asked |= set(re.findall(r"[A-Z]+_[A-Z_]+", (ROOT / "ai_drug_assets" / module).read_text(encoding="utf-8")))
    workflows = "".join(path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml"))

    assert person <= asked
    assert set(re.findall(r"vars\.(\w+)", workflows)) == person | workflow | {"PYTHON_IMAGE"}
    for line in re.findall(r".*output -raw (?:workflow_)?settings.*", text + "".join(_runbooks())):
        assert ("workflow_settings | gh variable set" in line) != ("eval" in line), line


def _runbooks() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "operations").glob("*.md"))]


def test_the_guide_lists_the_rights_of_an_operator() -> None:
    """Each one that the policy adds to the workflow's, and no other."""
    guide = (ROOT / "docs" / "operations" / "README.md").read_text(encoding="utf-8")
    section = guide.split("## Who may do it", 1)[1].split("\n## ", 1)[0]
    policy = (ROOT / "infra/terraform/modules/delivery/operator.tf").read_text(encoding="utf-8")
    lists = re.findall(r"actions += \[(.*?)\]", policy, re.DOTALL)

    assert set(re.findall(r"`(\w+:\w+)`", section)) == set(re.findall(r'"(\w+:\w+)"', "".join(lists)))


def test_every_skipped_check_says_why() -> None:
    """A scanner's finding is either repaired or answered with a reason beside the resource."""
    for path in FILES:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "checkov:skip" in line:
                assert re.search(r"checkov:skip=CKV2?_AWS_\d+:\S.+", line), f"{path}: {line}"


def test_the_example_sets_only_variables_that_exist() -> None:
    """A value that Terraform does not know would only be a warning."""
    folder = ROOT / "infra" / "terraform"
    known = set(re.findall(r'^variable "(\w+)"', (folder / "variables.tf").read_text(encoding="utf-8"), re.MULTILINE))
    example = (folder / "terraform.tfvars.example").read_text(encoding="utf-8")

    assert set(re.findall(r"^#? ?(\w+) += ", example, re.MULTILINE)) <= known


def test_every_container_s_log_is_sent() -> None:
    """Of several files under one pattern the agent sends the one that was written last, by default."""
    template = ROOT / "infra" / "terraform" / "modules" / "host" / "cloudwatch_agent.json.tftpl"
    collected = json.loads(template.read_text(encoding="utf-8"))["logs"]["logs_collected"]["files"]["collect_list"]
    several = [one for one in collected if "*" in one["file_path"]]

    assert several
    assert all(one["publish_multi_logs"] for one in several)


@opt_in
@pytest.mark.timeout(900)
def test_terraform_finds_the_files_sound(tmp_path: Path) -> None:
    """`fmt`, `validate`, and Terraform's own tests with a provider that makes nothing."""
    infra = copy_of_infra(tmp_path)
    environment = terraform_environment(tmp_path)
    sound = (["fmt", "-check", "-recursive"], ["init", "-backend=false"], ["validate"])
    for command in (*sound, ["test"]):
        done = subprocess.run(
            ["terraform", f"-chdir={infra / 'terraform'}", *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@opt_in
@pytest.mark.timeout(900)
def test_a_scan_finds_nothing_that_is_not_answered() -> None:
    """Checkov, in an environment of its own: it pins an old boto3."""
    uv = str(Path(sys.executable).parent / "uv")
    checkov = [uv, "tool", "run", "--quiet", "--from", "checkov==3.3.30", "checkov"]
    scan = ["--framework", "terraform", "--compact", "--quiet", "--skip-download"]
    done = subprocess.run(
        [*checkov, *scan, "--directory", str(ROOT / "infra")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
