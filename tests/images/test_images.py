"""The whole host on this machine: images built, all containers of infra/compose.yaml, an S3 server: `make test-images`.

Needs a Docker engine. Where no registry can be reached, PYTHON_IMAGE, CADDY_IMAGE and S3_IMAGE name local images, and
TORCH_INDEX_URL and BUILD_OPTIONS go to the build.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.command_factory import make_installation
from tests.images.engine import ADMIN, INSECURE, PREFIX, SHA, build, opt_in, predict, run

pytestmark = [pytest.mark.slow(sibling="test_infra::test_the_compose_files_keep_to_the_specification"), *opt_in]


@dataclass
class Host:
    """A host of one small endpoint."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def compose(self, *arguments: str) -> str:
        """Run Compose with the files of the host, of a laptop, and of this test."""
        program = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or "docker-compose"
        files = ("infra/compose.yaml", "infra/compose.local.yaml", str(self.folder / "test.yaml"))
        return run(
            program,
            *("--env-file", "infra/compose.local.env", *(word for file in files for word in ("--file", file))),
            *arguments,
            environment=self.environment,
        )

    def once(self, *arguments: str) -> str:
        """Run a command of `aidrug` in a container that goes afterwards."""
        return self.compose("run", "--rm", "-T", "train", *arguments)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Build the images and give a host that is not up yet; everything is removed afterwards."""
    folder = tmp_path_factory.mktemp("host")
    build()
    made = make_installation(folder / "installation")
    (folder / "installation" / "configs" / "endpoints" / "logp.yaml").write_text(
        (folder / "installation" / "configs" / "endpoints" / "logp.yaml")
        .read_text()
        .replace(str(made.folder), "/installation")
    )
    for path in (folder, *folder.rglob("*")):  # the containers are somebody else
        path.chmod(0o755 if path.is_dir() else 0o644)
    small = {"environment": {"AIDRUG_CONFIGS": "/installation/configs"}, "volumes": [f"{made.folder}:/installation:ro"]}
    closed = {"environment": {"AIDRUG_ADMIN_TOKEN": ADMIN}}
    services = {"code": small, "train": small, "service": closed}
    (folder / "test.yaml").write_text(yaml.safe_dump({"services": services}))
    state = folder / "state"
    state.mkdir()
    images = {"IMAGE_REPO": PREFIX, "IMAGE_TAG": SHA}
    asked_without_pause = {"OPEN_ACCESS": "off", "RATE_PER_MINUTE": "100000"}
    host = Host(folder, {**images, **asked_without_pause, "AIDRUG_DATA": str(state)})
    try:
        yield host
    finally:
        host.compose("--profile", "once", "down", "--timeout", "5")


def test_one_push_trains_once_and_serves_behind_tls(host: Host) -> None:
    """As a delivery does: MLflow, one training, everything else. Neither the automation nor a second one repeats it."""
    host.compose("config", "--quiet")
    host.compose("up", "--detach", "--wait", "mlflow")
    assert "2 of them trained models" in host.once()
    host.compose("up", "--detach", "--wait")

    first, second = predict()["predictions"]
    assert isinstance(first["endpoints"]["logp"]["value"], float)
    assert second["error"]["code"] == "invalid-smiles"
    assert "nothing is stale" in host.once("run")
    time.sleep(60)  # three looks of the automation
    listed = host.once("plan", "--json", "--ledger", "s3://bundles/ledger")
    assert json.loads(listed[listed.index("{") :])["stale"] == []
    assert "Launching run" not in host.compose("logs", "daemon")


def test_only_the_proxy_and_the_loopback_answer(host: Host) -> None:
    """Plain HTTP is sent on to TLS, counters are not shown to the world, MLflow refuses other names."""
    with urllib.request.urlopen("http://localhost/health/live", timeout=30, context=INSECURE) as answer:
        assert answer.url.startswith("https://")
    for address, headers, code in (
        ("https://localhost/metrics", {}, 404),
        ("http://localhost:5000/api/2.0/mlflow/experiments/search", {"Host": "evil.example"}, 403),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30, context=INSECURE)
        assert caught.value.code == code


def test_only_who_has_a_key_is_answered(host: Host) -> None:
    """A key made as docs/operations/key-rotation.md says opens the service that runs; another one does not."""
    made = host.once("keys", "create", "screening-2027", "--scope", "predict", "--days", "365")
    key = made.split()[-1]
    time.sleep(3)

    assert predict(key)["predictions"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        predict("another")
    assert caught.value.code == 401


def test_the_probe_reads_the_counters_of_the_service(host: Host) -> None:
    """With the admin token, as root on the host: what the alarms on errors and on slow predictions look at."""
    (host.folder / "secrets.env").write_text(f"AIDRUG_ADMIN_TOKEN='{ADMIN}'\n")
    places = {"LOG": "probe.log", "MEMORY": "probe.memory"}
    given = {f"AIDRUG_PROBE_{name}": str(host.folder / place) for name, place in places.items()}
    given |= {"AIDRUG_ROOT": str(host.folder), "AIDRUG_STATE": str(host.folder)}
    (host.folder / ".env").touch()
    predict()

    for secrets in ("secrets.env", "nothing"):
        run("sh", "infra/host/probe.sh", environment={**given, "AIDRUG_SECRETS": str(host.folder / secrets)})

    with_token, without = ((host.folder / "probe.log").read_text()).splitlines()
    noted = json.loads(with_token)
    assert (noted["up"], noted["errors"]) == (1, 0)
    assert noted["predict_ms"] > 0
    assert noted["automation"] == 1
    assert json.loads(without)["errors"] is None


def test_a_new_service_container_drops_no_request(host: Host) -> None:
    """While the service is replaced, requests wait at the proxy; every one is answered."""
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append("ok" if predict()["predictions"] else "empty")
            except Exception as error:  # noqa: BLE001  every failure counts
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        host.compose("up", "--detach", "--wait", "--no-deps", "--force-recreate", "service")
        time.sleep(3)
    finally:
        stop.set()
        asking.join()

    assert set(answers) == {"ok"}, [answer for answer in answers if answer != "ok"][:5]


def test_the_state_dies_and_comes_back(host: Host) -> None:
    """After a backup, the disk is lost: the state from S3 makes the same predictions, and nothing is trained again."""
    before = predict()["predictions"][0]["endpoints"]
    host.compose("run", "--rm", "-T", "backup")
    kept = ("s3", "buckets")
    services = host.compose("config", "--services").split()
    host.compose("rm", "--stop", "--force", *(name for name in services if name not in kept))
    run("docker", "run", "--rm", "--user", "0", "--volume", f"{host.folder / 'state'}:/state", "--entrypoint", "sh",
        f"{PREFIX}/serving:{SHA}", "-c", "rm -rf /state/home /state/mlflow")  # fmt: skip

    host.compose("run", "--rm", "-T", "backup", "restore")
    host.compose("up", "--detach", "--wait")

    assert predict()["predictions"][0]["endpoints"] == before
    assert "nothing is stale" in host.once("run")
