"""The runbooks of docs/operations: their commands, run in the order of the page on a small installation.

`first-deployment.md` has a test of its own (`test_first_deployment.py`), which also runs what is listed in `ELSEWHERE`
with that reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from ai_drug_assets.settings import ROOT
from model_zoo.bundles.store import parse_pointer
from serving.storage.stores import open_store
from tests.command_factory import Installation, make_installation
from tests.doubles.aws_server import REGION, StandIn, aws_stand_in
from tests.infra.terraform_stack import opt_in

pytestmark = pytest.mark.timeout(1800)
DELIVERY = "run by test_first_deployment.py, which has a host to deliver to"
IMAGES = "run by tests/images (`make test-images`), which has an engine"
EARLIER = "run by test_pointer_stores.py, which has a store of an earlier version"
ELSEWHERE = {
    'cp "$AIDRUG_HOME/store/current.format1.json"': EARLIER,
    "aws s3 cp s3://my-bundles/store/current.format1.json": EARLIER,
    "aidrug host ": DELIVERY,
    "terraform ": DELIVERY,
    "SNAPSHOT=": DELIVERY,
    "set -a": DELIVERY,
    "make setup": DELIVERY,
    ". .venv": DELIVERY,
    "gh api": DELIVERY,
    "aidrug deploy": DELIVERY,
    "aws ssm put-parameter": DELIVERY,
    "read -rs TOKEN": DELIVERY,
    "aws ec2 terminate-instances": DELIVERY,
    "echo 'zone_letter": DELIVERY,
    "aws s3api ": "run by a test below, which has a bucket with versions",
    "docker build": IMAGES,
    "docker compose --env-file infra/compose.local.env": IMAGES,
    "curl -k https://localhost": IMAGES,
}
"""Beginnings of lines that are not run here, and why."""


def lines(page: str) -> list[str]:
    """List the command lines of a runbook that are run here, in order."""
    text = (ROOT / "docs" / "operations" / page).read_text(encoding="utf-8")
    found = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]
    return [line for line in found if not line.startswith(tuple(ELSEWHERE))]


@dataclass
class Operator:
    """Somebody who types the lines of a page on the host, with this deployment's names in place of the examples."""

    aws: StandIn
    host: Path
    installation: Installation
    names: dict[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """AIDRUG_HOME on the host."""
        return self.host / "var" / "home"

    @property
    def environment(self) -> dict[str, str]:
        """What the containers would get from compose.yaml."""
        mlflow = self.host / "var" / "mlflow" / "mlflow.db"
        return {
            **self.aws.environment,
            **self.installation.environment,
            "PATH": f"{self.host / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.host),
            "NOTES": str(self.host / "notes"),
            "AIDRUG_HOME": str(self.home),
            "AIDRUG_MLFLOW_DATABASE": str(mlflow),
            "MLFLOW_TRACKING_URI": f"sqlite:///{mlflow}",
            "AIDRUG_ARTIFACTS": str(self.host / "artifacts"),
            "AIDRUG_STORE": str(self.host / "bundles"),
            "AIDRUG_LEDGER": "s3://my-bundles/ledger",
            "AIDRUG_BACKUP": "s3://my-backups/aidrug",
        }

    def type(self, line: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run one line and return what it printed."""
        for example, name in {
            "/var/lib/aidrug": str(self.host / "var"),
            "/opt/aidrug": str(self.host),
            "/dev/shm": str(self.host / "shm"),  # noqa: S108  a place of the example
            **self.names,
        }.items():
            line = line.replace(example, name)
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{line}"],
            cwd=self.host,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.typed.append(line)
        assert done.returncode in codes, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def served(self) -> dict[str, str]:
        """Return which bundles serve."""
        pointer = parse_pointer(open_store(str(self.host / "bundles"), self.host / "cache").read_pointer_bytes())
        return {name: now.version for name, now in pointer.endpoints.items()}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Yield an operator of a host on which a first revision was trained."""
    folder = tmp_path_factory.mktemp("operator")
    host = folder / "host"
    for place in ("bin", "shm", "var/home", "var/mlflow"):
        (host / place).mkdir(parents=True)
    (host / ".env").write_text(f"IMAGE_REPO=ghcr.io/team/project\nIMAGE_TAG={'0' * 40}\nAWS_REGION={REGION}\n")
    (host / "compose.yaml").write_text("of the revision before\n")
    docker = host / "bin" / "docker"
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/doubles/operator_docker.py "$@"\n')
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    installation = make_installation(folder / "installation")
    with aws_stand_in(tmp_path_factory.mktemp("hosts")) as aws:
        for bucket in ("my-backups", "my-bundles"):
            aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        shutil.copy(ROOT / "tests" / "doubles" / "laptop" / "aws", host / "bin")
        aws.client("ssm").put_parameter(Name="/ghcr/ro-token", Value="t0ken", Type="SecureString", Overwrite=True)
        made = Operator(aws, host, installation, {"solubility_logs": "logp"})
        made.type("aidrug run")
        yield made


TYPED = ("backup-restore.md", "disaster-recovery.md", "key-rotation.md", "upgrade-rollback.md")
"""Pages whose other lines are typed by the tests below; `first-deployment.md` is typed as a whole elsewhere."""
INLINE = {
    "aidrug ": "a name; the commands are checked against the program's own",
    "make test": "runs tests; a test has no others inside",
    "make critical-path": "test_critical_path.py looks at what it prints",
    "python -m tests.game_day": "test_game_day.py compares the page with what it writes",
    "terraform ": "typed by test_first_deployment.py, or a name of such a line",
    "docker compose run --rm backup": "a name; the lines of backup-restore.md are typed by a test below",
    "docker compose run --rm train": "the same as `aidrug`, whose commands are checked and typed",
    "sudo -i": "a stand-in has no other user",
    "cd /opt/aidrug": "where the operator of the tests is",
    "read -rs": "a part of a line that test_first_deployment.py types",
    "touch /opt/aidrug/paused": "a line of upgrade-rollback.md, which a test below types",
    "aws ssm start-session": "a shell needs the real SSM",
    "docker buildx imagetools": "needs a public registry",
    "gh workflow run": "starts what test_delivery.py runs step by step",
    "gh variable set PYTHON_IMAGE": "a setting of GitHub's, beside others that test_first_deployment.py makes",
    "dagster instance migrate": "needs another database; one host does it by itself (test_schema_migration.py)",
    "mlflow db upgrade": "the same",
    "aws iam list-open-id-connect-providers": "only looks at an account of which the stand-in has no second one",
}
"""Beginnings of commands in a sentence or a table, and where they are run or why they are not."""


def _pages() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "operations").glob("*.md")}


def _blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_every_line_of_every_page_is_run_somewhere_or_says_why_not() -> None:
    """A line is typed here, or somewhere that is named; no exception is left over."""
    pages = _pages()
    blocks = "\n".join(block for text in pages.values() for block in _blocks(text))
    for beginning in ELSEWHERE:
        assert re.search(rf"^{re.escape(beginning)}", blocks, re.MULTILINE), beginning
    for page, text in pages.items():
        if page in TYPED or page == "first-deployment.md":
            continue
        for line in "\n".join(_blocks(text)).splitlines():
            assert line.startswith(tuple(ELSEWHERE)), f"{page}: nothing runs {line!r}"


def test_every_command_in_a_sentence_is_run_somewhere_or_says_why_not() -> None:
    """The same for what is between backticks; and every `aidrug` command is one of the program's."""
    prose = "\n".join(re.sub(r"```.*?```", "", text, flags=re.DOTALL) for text in _pages().values())
    programs = "aidrug|terraform|aws|docker|gh|make|touch|sudo|cd|curl|mlflow|dagster|sh|python|read|set|rm"
    commands = set(re.findall(rf"`((?:{programs}) [^`\n]+)`", prose))
    for command in commands:
        assert command.startswith(tuple(INLINE)), f"nothing runs {command!r}"
    for beginning in INLINE:
        assert any(command.startswith(beginning) for command in commands), f"no page says {beginning!r} any more"

    from ai_drug_assets.cli import aidrug

    for first, second in re.findall(r"^\W*aidrug (\w+)(?: (\w+))?", "\n".join(commands), re.MULTILINE):
        group = aidrug.commands[first]
        assert not hasattr(group, "commands") or second in group.commands, (first, second)


def test_whoever_types_docker_on_the_host_was_told_to_be_root() -> None:
    """The user of a session may not ask Docker; the page says so before its first such line."""
    for page, text in _pages().items():
        first = re.search(r"^docker compose (?!--env-file infra)", text, re.MULTILINE)
        assert first is None or "sudo -i" in text[: first.start()], page


def test_what_brings_mlflows_database_back_does_not_wait_for_mlflow() -> None:
    """Compose starts what a service depends on first: `train restore` would need the database that is damaged."""
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert "mlflow" in services["train"]["depends_on"]
    assert set(services["backup"]["depends_on"]) == {"prepare"}
    for page, text in _pages().items():
        found = re.search(r"run --rm train (backup|restore|migrate)\b", text)
        assert found is None, f"{page}: {found}"
    assert (
        "for `aidrug backup`, `restore` and\n`migrate`, type `docker compose run --rm backup`" in _pages()["README.md"]
    )


def test_a_damaged_pointer_gets_its_version_back(tmp_path: Path) -> None:
    """By the two lines of the page: one lists the versions, the newest first, and one puts the chosen one back."""
    page = (ROOT / "docs" / "operations" / "disaster-recovery.md").read_text(encoding="utf-8")
    listed, copied = re.findall(r"^aws s3api .*$", page, re.MULTILINE)
    bucket = {"Bucket": "my-bundles"}
    pointer = {**bucket, "Key": "store/current.json"}
    with aws_stand_in(tmp_path / "hosts") as aws:
        s3 = aws.client("s3")
        s3.create_bucket(**bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": "Enabled"})
        for content in (b"earlier", b"intact", b"damaged"):
            s3.put_object(**pointer, Body=content)

        def type_in(line: str) -> str:
            path = f"{ROOT / 'tests' / 'doubles' / 'laptop'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
            environment = {**aws.environment, "PATH": path}
            done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=True)
            return done.stdout

        _, intact, _ = (line.split()[0] for line in type_in(listed).splitlines())
        type_in(copied.replace("VERSION", intact))

        assert s3.get_object(**pointer)["Body"].read() == b"intact"


@opt_in
def test_upgrade_and_rollback(operator: Operator) -> None:
    """A revision with another model: said by the plan, trained once, serving; and back to the champion before."""
    before = operator.served()
    operator.installation.set_trees(7)
    outputs: dict[str, str] = {}
    for line in lines("upgrade-rollback.md"):
        if "docker compose pull" in line:
            assert "t0ken" in (operator.host / "shm" / "docker" / "config.json").read_text()
        planned = line.endswith(" plan") and "docker compose run --rm train" not in outputs
        outputs[line] = operator.type(line, codes=(2,) if planned else (0,))

    assert "trained_model/logp/rf" in outputs["docker compose run --rm train plan"]
    assert "0 stale" in outputs["aidrug plan --ledger s3://my-bundles/ledger"]
    assert operator.served() == before
    host = operator.host
    assert subprocess.run(["grep", "-rl", "t0ken", host], capture_output=True, check=False).stdout == b""
    assert (host / "compose.yaml").read_bytes() == (ROOT / "infra" / "compose.yaml").read_bytes()
    assert (host / "compose.yaml.previous").read_text() == "of the revision before\n"
    assert "IMAGE_TAG=0123456789abcdef" in (host / ".env").read_text()
    assert "docker compose up --detach --wait" in (operator.host / "notes").read_text(encoding="utf-8")


@opt_in
def test_keys(operator: Operator) -> None:
    """Made, listed, revoked."""
    create, listed, revoke = lines("key-rotation.md")
    operator.type(create)
    operator.names["3f2a91c0de"] = re.findall(r"^(\S+) +valid", operator.type(listed), re.MULTILINE)[0]
    operator.type(revoke)

    assert "revoked" in operator.type(listed)


@opt_in
def test_backup_and_restore(operator: Operator) -> None:
    """The state is lost and brought back: nothing stale, the same bundles serve; an older snapshot.

    A damaged ledger and a damaged database of MLflow, on which MLflow would not start, are repaired.
    """
    before = operator.served()
    for line in lines("backup-restore.md"):
        if "--snapshot" in line:
            listed = operator.aws.client("s3").list_objects_v2(Bucket="my-backups", Prefix="aidrug/snapshots/")
            names = sorted(Path(one["Key"]).stem for one in listed["Contents"])
            operator.names[shlex.split(line)[-1]] = names[0]
            operator.type("rm -rf /var/lib/aidrug/home /var/lib/aidrug/mlflow")
        if "--replace" in line:
            ledger = next((operator.home / "ledger").rglob("*.json"))
            ledger.write_text("damaged")
            database = operator.host / "var" / "mlflow" / "mlflow.db"
            database.write_bytes(b"SQLite format 3\0 and nothing sound")
        printed = operator.type(line)
        if line.endswith("train plan"):
            assert "0 stale" in printed
        if "--replace" in line:
            assert ledger.read_text() != "damaged"

    assert operator.served() == before


@opt_in
def test_disaster_recovery(operator: Operator) -> None:
    """A new disk with nothing but S3, by the command that the host's script runs: restored, nothing is stale."""
    operator.type("rm -rf /var/lib/aidrug/home /var/lib/aidrug/mlflow")
    operator.type("docker compose run --rm backup restore --replace")
    for line in lines("disaster-recovery.md"):
        operator.type(line)

    assert "0 stale" in operator.type("docker compose run --rm train plan")
