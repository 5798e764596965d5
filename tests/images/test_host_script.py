"""The host script on a real engine, with a registry and an S3 server that check who asks: `make test-images`.

REGISTRY_IMAGE and S3_IMAGE name local images where no registry can be reached (`engine.py` names the rest). What is
replaced is AWS alone: the command `aws`, and the keys that an instance's role would give, which are in the images.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import boto3
import pytest

from tests.command_factory import Installation, make_installation
from tests.doubles.host_document import SETTINGS
from tests.images.engine import ADMIN, PREFIX, SHA, build, opt_in, predict, run
from tests.server_process import ROOT, free_port

pytestmark = [pytest.mark.slow(sibling="test_delivery::test_a_push_ends_with_the_revision_serving"), *opt_in]
TOKEN = "t0ken"  # noqa: S105  of a registry on this machine
HTPASSWD = "aidrug:$2y$05$PckBpKao6sF1o2nG04iQxenUWdbQKqsmFvZzyzOQO/iGnyGlPUFZW\n"
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local-secret"}
FIRST, BROKEN, EDITED = (digit * 40 for digit in "abc")
AWS = f"""#!/bin/sh
case $* in
*"--name {SETTINGS["REGISTRY_TOKEN_PARAMETER"]} "*) echo {TOKEN} ;;
*"--name {SETTINGS["ADMIN_TOKEN_PARAMETER"]} "*) echo {ADMIN} ;;
*get-caller-identity*) echo arn:aws:sts::123456789012:assumed-role/aidrug-host/i-1 ;;
*assume-role*) printf 'ASIAX\tx\tx\t%s\n' "$(date -u -d "+1 hour" +%Y-%m-%dT%H:%M:%SZ)" ;;
*) exit 1 ;;
esac
"""


@dataclass(frozen=True)
class Host:
    """A host, which is this machine: where its files are, and what the document puts in front of the script."""

    folder: Path
    environment: dict[str, str]

    def start(self, action: str, tag: str = "none") -> subprocess.Popen[str]:
        """Start the script as SSM does."""
        given = {"ACTION": action, "IMAGE_TAG": tag, "TIMEOUT_SECONDS": "3000"}
        return subprocess.Popen(
            ["sh", ROOT / "infra" / "host" / "host.sh"],
            env={**os.environ, **self.environment, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def minute(self) -> str:
        """Let a minute pass, or a boot: the timer runs what the last delivery left."""
        return run("sh", self.folder / "opt" / "host.sh", environment={**self.environment, "AIDRUG_KEEP": "yes"})

    def types(self, line: str) -> str:
        """Type a line of a runbook in the folder that the script made."""
        places = {
            name: value for name, value in self.environment.items() if name in ("AWS_ENDPOINT_URL", "CADDY_IMAGE")
        }
        return run("sh", "-c", f"cd {self.folder / 'opt'} && {line}", environment=places)

    def does(self, action: str, tag: str = "none", code: int = 0) -> str:
        """Run the script, and return what it printed."""
        process = self.start(action, tag)
        printed, _ = process.communicate()
        print(printed)
        assert process.returncode == code, printed
        return printed

    def require(self, tag: str) -> None:
        """Require that a revision serves, whichever tests ran before: deliver it unless it does."""
        healthy = self.folder / "opt" / "healthy"
        if not healthy.exists() or healthy.read_text().strip() != tag:
            self.does("deploy", tag)


def publish(
    repository: str, tag: str, installation: Installation, login: dict[str, str], *, serves: bool = True
) -> None:
    """Push a revision: the images, with the configurations of a small installation and the keys of the S3 server."""
    keys = " ".join(f"{name}={value}" for name, value in KEYS.items())
    lines = {
        "pipeline": ["COPY . /installation", f"ENV AIDRUG_CONFIGS=/installation/configs AIDRUG_GIT_SHA={tag} {keys}"],
        "serving": [
            f"ENV AIDRUG_GIT_SHA={tag} {keys}",
            *([] if serves else ['CMD ["sh", "-c", "echo broken; exit 1"]']),
        ],
    }
    for image, more in lines.items():
        name = f"{repository}/{image}:{tag}"
        (installation.folder / "Dockerfile").write_text("\n".join([f"FROM {PREFIX}/{image}:{SHA}", *more, ""]))
        run("docker", "build", "--tag", name, str(installation.folder), environment={"DOCKER_BUILDKIT": "1"})
        run("docker", "push", "--quiet", name, environment=login)


def wait_for(address: str) -> None:
    """Wait until something answers, whatever it says."""
    for _ in range(120):
        with suppress(OSError):
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(1)
    raise AssertionError(f"{address} does not answer")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Yield a host to which nothing was delivered, and three revisions in a registry; all goes afterwards."""
    folder = tmp_path_factory.mktemp("host")
    login, empty = ({"DOCKER_CONFIG": str(folder / name)} for name in ("pusher", "nothing"))
    if subprocess.run(["docker", "compose", "version"], env={**os.environ, **empty}, check=False).returncode:
        pytest.skip("needs Docker's Compose plugin where every user finds it: /usr/local/lib/docker/cli-plugins")
    build()
    (folder / "bin").mkdir()
    (folder / "bin" / "aws").write_text(AWS)
    (folder / "bin" / "aws").chmod(0o755)
    (folder / "htpasswd").write_text(HTPASSWD)
    bridge = json.loads(run("docker", "network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]
    # Not every engine says which: then it is the network's first address.
    gateway = bridge.get("Gateway") or next(ip_network(bridge["Subnet"]).hosts())
    registry, s3 = f"127.0.0.1:{free_port()}", f"{gateway}:{free_port()}"
    repository = f"{registry}/team/project"
    checks = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "x",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
    }
    started = [
        run("docker", "run", "--detach", "--rm", *options, image, *command).strip()
        for image, options, command in (
            (
                os.environ.get("REGISTRY_IMAGE", "registry:2"),
                ("--publish", f"{registry}:5000", "--volume", f"{folder / 'htpasswd'}:/htpasswd:ro",
                 *(word for name, value in checks.items() for word in ("--env", f"{name}={value}"))),
                (),
            ),
            (
                os.environ.get("S3_IMAGE", "chrislusf/seaweedfs:4.48"),
                ("--publish", f"{s3}:8333", "--entrypoint", "weed", "--tmpfs", "/data",
                 *(word for name, value in KEYS.items() for word in ("--env", f"{name}={value}"))),
                ("server", "-dir=/data", "-filer", "-s3", "-s3.port=8333", "-volume.max=100",
                 "-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-iam=false", "-s3.iam=false",
                 "-s3.port.iceberg=0", "-s3.port.lance=0"),
            ),
        )
    ]  # fmt: skip
    environment = {
        **SETTINGS,
        **empty,  # the script logs in with a folder of its own
        "IMAGE_REPO": repository,
        "AWS_ENDPOINT_URL": f"http://{s3}",
        "AIDRUG_ROOT": str(folder / "opt"),
        "AIDRUG_STATE": str(folder / "state"),
        "AIDRUG_LOG": str(folder / "host.log"),
        "AIDRUG_HEALTH_SECONDS": "300",
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }
    made = Host(folder, environment)
    try:
        wait_for(f"http://{registry}/v2/")
        wait_for(f"http://{s3}")
        client = boto3.client(
            "s3", endpoint_url=f"http://{s3}", region_name=SETTINGS["AWS_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        for name in SETTINGS:
            if name.endswith("_BUCKET"):
                client.create_bucket(Bucket=SETTINGS[name])
        run("docker", "login", registry, "--username", "aidrug", "--password-stdin", given=TOKEN, environment=login)
        installation = make_installation(folder / "installation")
        endpoint = installation.folder / "configs" / "endpoints" / "logp.yaml"
        endpoint.write_text(endpoint.read_text().replace(str(installation.folder), "/installation"))
        publish(repository, FIRST, installation, login)
        publish(repository, BROKEN, installation, login, serves=False)
        installation.set_trees(7)
        publish(repository, EDITED, installation, login)
        if image := os.environ.get("CADDY_IMAGE"):
            run("docker", "tag", image, f"{registry}/caddy:1")
            run("docker", "push", "--quiet", f"{registry}/caddy:1", environment=login)
            environment["CADDY_IMAGE"] = f"{registry}/caddy:1"
        yield made
    finally:
        made.types("docker compose --profile once down --timeout 5 || true")
        run("docker", "stop", "--time", "5", *started)
        named = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        pushed = [name for name in named if name.startswith(f"{registry}/")]
        run("docker", "image", "rm", "--force", *pushed, codes=(0, 1))  # none yet, when something above failed


def test_a_first_delivery_trains_and_serves(host: Host) -> None:
    """Login, pull, training, swap and health check, by the script itself; the same delivery again does nothing."""
    printed = host.does("deploy", FIRST)

    assert "2 of them trained models" in printed
    assert f"{FIRST} serves" in printed
    assert TOKEN not in printed
    assert ADMIN not in printed
    assert predict()["predictions"][0]["endpoints"]["logp"]["value"]
    assert (host.folder / "opt" / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert f"{FIRST} is deployed and healthy: nothing to do" in host.does("deploy", FIRST)


@pytest.mark.game_day(fault="a revision whose service does not start")
def test_a_service_that_does_not_start_is_rolled_back(host: Host) -> None:
    """What served before serves again, and the delivery fails."""
    host.require(FIRST)
    patience = host.environment["AIDRUG_HEALTH_SECONDS"]
    host.environment["AIDRUG_HEALTH_SECONDS"] = "30"
    before = predict()["predictions"][0]["endpoints"]

    printed = host.does("deploy", BROKEN, code=1)

    host.environment["AIDRUG_HEALTH_SECONDS"] = patience
    assert "nothing is stale" in printed
    assert f"ROLLED BACK to {FIRST}, which serves again" in printed
    assert predict()["predictions"][0]["endpoints"] == before


@pytest.mark.game_day(fault="two pushes at once")
def test_two_deliveries_at_once_train_once(host: Host) -> None:
    """The edited model alone is trained, by the first; the second waits and finds nothing to do."""
    host.require(FIRST)
    deliveries = [host.start("deploy", EDITED) for _ in range(2)]
    printed = [process.communicate()[0] for process in deliveries]

    assert [process.returncode for process in deliveries] == [0, 0], "\n".join(printed)
    trained = [text for text in printed if "1 of them trained models" in text]
    waited = [text for text in printed if "another delivery is running" in text]
    assert len(trained) == len(waited) == 1, "\n".join(printed)
    assert trained != waited
    assert f"{EDITED} is deployed and healthy: nothing to do" in waited[0]


@pytest.mark.game_day(fault="a delivery is cancelled or killed, at any step from the check of the disk to the swap")
def test_a_delivery_that_is_killed_is_put_right_within_a_minute(host: Host) -> None:
    """As SSM does: SIGKILL for the group. The service answers on, the automation comes back, nothing is left."""
    host.require(EDITED)
    before = predict()["predictions"][0]["endpoints"]
    delivery = host.start("deploy", FIRST)
    assert delivery.stdout is not None
    for line in delivery.stdout:
        if "training what is stale" in line:
            break
    os.killpg(delivery.pid, signal.SIGKILL)
    delivery.wait()
    assert predict()["predictions"][0]["endpoints"] == before

    log = host.minute()

    assert "FAILED deploy at training: it was cut off" in log
    assert "brought up:" in log
    assert run("docker", "ps", "--all", "--quiet", "--filter", "label=aidrug.delivery") == ""
    assert not [*Path("/dev/shm").glob("aidrug-docker.*"), *(host.folder / "opt").glob("work.*")]  # noqa: S108 - memory
    assert "daemon" in host.types("docker compose ps --services --status running")
    assert predict()["predictions"][0]["endpoints"] == before
    assert f"{FIRST} serves" in host.does("deploy", FIRST)
    assert f"{EDITED} serves" in host.does("deploy", EDITED)


def test_what_the_runbooks_say_is_typed_beside_what_the_script_wrote(host: Host) -> None:
    """Compose finds settings and token there, so that what an operator starts is what the script started."""
    host.require(EDITED)
    host.types("docker compose stop daemon code")
    host.types("docker compose up --detach --wait")
    key = host.types("docker compose run --rm -T train keys create chemist --scope predict").split()[-1]
    time.sleep(3)

    assert predict()["predictions"] == predict(key)["predictions"]


def test_the_way_back_and_the_way_the_host_looks(host: Host) -> None:
    """The revision before serves again; plan and status run on what is deployed."""
    host.require(FIRST)
    host.require(EDITED)
    assert f"ROLLED BACK from {EDITED} to {FIRST}" in host.does("rollback")
    assert "the service is ready" in host.does("status")
    host.does("plan")
    assert predict()["predictions"]
