"""The files that run the project elsewhere: image, compose, workflows. Read here, run by `make test-images`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ai_drug_assets.execution.instance import prepare_instance
from ai_drug_assets.settings import TIMEOUT_MINUTES, Settings

VARIABLES, DELIVERY = (f"infra/terraform/{name}" for name in ("variables.tf", "modules/delivery/main.tf"))
COMPOSE, EXAMPLE = "infra/compose.yaml", "infra/compose.env.example"
BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path) -> str:
    """Run a checker of the development environment; return what it printed, and require that it was content."""
    done = subprocess.run(
        [str(BIN / command[0]), *map(str, command[1:])], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dockerfile_has_no_known_fault(root: Path) -> None:
    """The linter for Dockerfiles finds nothing."""
    run("hadolint", "Dockerfile", cwd=root)


def test_the_compose_files_keep_to_the_specification(root: Path) -> None:
    """Every compose file is valid under the specification's own schema."""
    files = sorted((root / "infra").glob("compose*.yaml"))

    assert len(files) == 2
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files, cwd=root)


def test_containers_have_no_more_rights_than_they_need(root: Path) -> None:
    """None runs as root but the one that makes folders, none gains rights, each has bounds on memory and logs."""
    services = yaml.safe_load((root / "infra" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    writable = {name for name, service in services.items() if not service.get("read_only")}

    # Training pulls data into the checkout's folder; Compose puts the proxy's settings into its container.
    assert writable == {"code", "train", "proxy"}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name == "prepare":
            continue
        assert service["user"] == "10001:10001", name
        assert "mem_limit" in service, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file", "labels"}, name


def test_only_the_proxy_is_published_by_default(root: Path) -> None:
    """The UIs listen on this machine alone unless a setting says otherwise; the service always does."""
    services = yaml.safe_load((root / "infra" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published.keys() == {"mlflow", "webserver", "service", "proxy"}
    assert all(port.startswith("127.0.0.1:") for port in published["service"])
    for name in ("mlflow", "webserver"):
        assert all(port.startswith("${UI_BIND:-127.0.0.1}:") for port in published[name])


def test_the_example_settings_are_the_ones_that_compose_asks_for(root: Path) -> None:
    """Each variable that must be set is in the example, and the example names no other."""
    text = (root / "infra" / "compose.yaml").read_text(encoding="utf-8")
    example = (root / "infra" / "compose.env.example").read_text(encoding="utf-8")
    given = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))

    assert set(re.findall(r"\$\{([A-Z_]+):\?", text)) <= given
    assert given <= set(re.findall(r"\$\{([A-Z_]+)[:}]", text))


def test_settings_of_the_service_have_the_same_defaults_everywhere(root: Path) -> None:
    """In Terraform, in Compose, and in its example."""
    text = {name: (root / name).read_text(encoding="utf-8") for name in (VARIABLES, COMPOSE, EXAMPLE)}
    for variable, name, unit in (
        ("service_workers", "SERVICE_WORKERS", ""),
        ("service_memory_mib", "SERVICE_MEMORY", "m"),
        ("rate_per_minute", "RATE_PER_MINUTE", ""),
    ):
        block = text[VARIABLES].split(f'variable "{variable}" {{', 1)[1].split("\n}", 1)[0]
        (default,) = re.findall(r"default += (\d+)", block)

        assert f"${{{name}:-{default}{unit}}}" in text[COMPOSE]
        assert f"\n{name}={default}{unit}\n" in text[EXAMPLE]


def test_the_proxy_s_image_is_the_same_everywhere(root: Path) -> None:
    """In Terraform, in Compose, in its example, and where continuous integration scans it."""
    block = (root / VARIABLES).read_text(encoding="utf-8").split('variable "proxy_image" {', 1)[1].split("\n}", 1)[0]
    (image,) = re.findall(r'default += "(.+)"', block)
    jobs = yaml.safe_load((root / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    scanned = [step["with"]["image"] for step in jobs["proxy"]["steps"]]

    assert f"image: ${{CADDY_IMAGE:-{image}}}" in (root / COMPOSE).read_text(encoding="utf-8")
    assert f"\nCADDY_IMAGE={image}\n" in (root / EXAMPLE).read_text(encoding="utf-8")
    assert scanned == [f"${{{{ vars.CADDY_IMAGE || '{image}' }}}}"]


def test_the_main_branch_waits_for_every_check_of_a_pull_request(root: Path) -> None:
    """The rule names each job that a pull request starts, as GitHub shows it, and no other; nobody passes it by."""
    rule = json.loads((root / ".github/branch-protection.json").read_text(encoding="utf-8"))
    page = (root / "docs/operations/first-deployment.md").read_text(encoding="utf-8")
    jobs = yaml.safe_load((root / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    names: list[str] = []
    for job in jobs.values():
        if "schedule" not in job.get("if", ""):
            runs = job.get("strategy", {}).get("matrix", {}).get("run")
            names += runs if job["name"] == "${{ matrix.run }}" else [job["name"]]

    assert rule["required_status_checks"]["contexts"] == names
    assert rule["enforce_admins"]
    assert not rule["allow_force_pushes"]
    assert not rule["allow_deletions"]
    assert '/branches/main/protection" --input .github/branch-protection.json' in page


def test_half_of_the_budget_is_more_than_an_idle_month(root: Path) -> None:
    """The first alert means that there is more. AWS adds up to a quarter of tax to the estimate of the page."""
    page = (root / "docs/operations/first-deployment.md").read_text(encoding="utf-8")
    month = float(re.findall(r"together +(\d+\.\d+)$", page, re.MULTILINE)[0])
    block = (
        (root / VARIABLES).read_text(encoding="utf-8").split('variable "monthly_budget_usd" {', 1)[1].split("\n}", 1)[0]
    )
    (default,) = re.findall(r"default += (\d+)", block)

    assert int(default) / 2 > month * 1.25
    assert f"\nmonthly_budget_usd = {default}\n" in (root / "infra/terraform/terraform.tfvars.example").read_text()


def workflows(root: Path) -> list[Path]:
    """List the workflows."""
    return sorted((root / ".github" / "workflows").glob("*.yml"))


def test_the_workflows_keep_to_the_schema_and_the_rules_of_safety(root: Path) -> None:
    """Every workflow is valid; the security linter finds each action pinned, no credentials kept, no injection."""
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows(root), cwd=root)
    run("zizmor", "--offline", "--quiet", *workflows(root), cwd=root)


def test_a_workflow_starts_without_rights(root: Path) -> None:
    """Every workflow begins with no permission at all; each job says which it needs."""
    for path in workflows(root):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {}, path.name


def test_one_number_ends_what_takes_too_long(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same default everywhere, one setting for all of it, and a job and a role that last longer than any of it."""
    text = {name: (root / name).read_text(encoding="utf-8") for name in (VARIABLES, COMPOSE, DELIVERY, EXAMPLE)}
    block = text[VARIABLES].split('variable "training_timeout_minutes" {', 1)[1].split("\n}", 1)[0]
    (default,), (most,) = re.findall(r"default += (\d+)", block), re.findall(r"<= (\d+)$", block, re.MULTILINE)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    written = {}
    for minutes in (default, "77"):
        prepare_instance(Settings.from_env({"AIDRUG_HOME": str(tmp_path), "AIDRUG_TIMEOUT_MINUTES": minutes}))
        config = yaml.safe_load((tmp_path / "dagster" / "dagster.yaml").read_text(encoding="utf-8"))
        written[minutes] = config["run_monitoring"]["max_runtime_seconds"]
    deploy = yaml.safe_load((root / ".github/workflows/deliver.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]
    (seconds,) = [
        step["with"]["role-duration-seconds"] for step in deploy["steps"] if "role-to-assume" in step.get("with", {})
    ]

    assert int(default) == TIMEOUT_MINUTES
    assert f"AIDRUG_TIMEOUT_MINUTES:-{default}}}" in text[COMPOSE]
    assert f"AIDRUG_TIMEOUT_MINUTES={default}\n" in text[EXAMPLE]
    assert written == {default: int(default) * 60, "77": 77 * 60}
    assert (
        yaml.safe_load((root / "dagster.yaml").read_text())["run_monitoring"]["max_runtime_seconds"]
        == int(default) * 60
    )
    assert deploy["env"]["AIDRUG_TIMEOUT_MINUTES"] == "${{ vars.AIDRUG_TIMEOUT_MINUTES }}"
    assert deploy["timeout-minutes"] == 360 >= int(most) + 30
    assert seconds == 360 * 60
    assert f"max_session_duration = {seconds} " in text[DELIVERY]
