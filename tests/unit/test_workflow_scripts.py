"""The scripts that the workflows call do what the workflows need of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / ".github" / "scripts"


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a workflow does."""
    return subprocess.run(
        ["sh", str(SCRIPTS / script), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_plan_lands_in_the_summary_and_stale_models_fail_nothing(tmp_path: Path) -> None:
    """The summary says what would be trained and against what; a ledger out of reach fails the step."""
    command = tmp_path / "aidrug"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m ai_drug_assets "$@"\n')
    command.chmod(0o755)
    summary = tmp_path / "summary.md"

    assert run("plan.sh", AIDRUG=str(command), GITHUB_STEP_SUMMARY=str(summary)).returncode == 0
    assert "empty installation" in summary.read_text()
    assert "models would be trained**" in summary.read_text()
    assert "`solubility_logs/rf` | new" in summary.read_text()

    done = run("plan.sh", AIDRUG_LEDGER="http://nowhere", AIDRUG=str(command), GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert "expected a folder or s3://bucket/prefix" in done.stderr


def test_changed_versions_land_in_the_summary(tmp_path: Path) -> None:
    """The summary is the difference of the lock file, package by package."""
    steps = yaml.safe_load((ROOT / ".github/workflows/dependencies.yml").read_text())["jobs"]["newest"]["steps"]
    (step,) = [step["run"] for step in steps if "GITHUB_STEP_SUMMARY" in step.get("run", "")]
    (tmp_path / "constraints.txt").write_text("boto3==1.43.1\nnumpy==2.4.0\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    summary = tmp_path / "summary.md"

    def note() -> None:
        environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(summary)}
        subprocess.run(["bash", "-e", "-c", step], cwd=tmp_path, env=environment, check=True)

    note()
    assert "nothing changed" in summary.read_text()
    (tmp_path / "constraints.txt").write_text("boto3==1.44.0\nnumpy==2.4.0\n")
    note()
    assert "-boto3==1.43.1\n+boto3==1.44.0" in summary.read_text()


def test_an_unknown_action_on_images_is_refused() -> None:
    """A typing error pushes nothing."""
    assert run("images.sh", "publish", "prefix").returncode == 2
