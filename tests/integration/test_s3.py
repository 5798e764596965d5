"""Everything that is in S3, against a real server that checks credentials: `make test-s3`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from ai_drug_assets.operations.backup import back_up, restore
from ai_drug_assets.planning.ledger_copy import LedgerCopy
from ai_drug_assets.settings import Settings
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import parse_pointer
from model_zoo.errors import StoreError
from serving.storage.objects import open_objects
from serving.storage.stores import open_store
from tests.bundle_factory import appoint_unseen, publish
from tests.checkout_copy import ENDPOINT, MEASUREMENTS, CheckoutCopy
from tests.s3_server import KEY, SECRET, client, credentials, cuttable_wire, running_s3, weed
from tests.server_process import ROOT, free_port

pytestmark = [
    pytest.mark.slow(sibling="test_s3_store::test_the_service_follows_a_store_in_s3"),
    pytest.mark.skipif(
        os.environ.get("AIDRUG_TEST_S3") != "1", reason="starts an S3 server and takes minutes: run `make test-s3`"
    ),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the S3 server."""
    assert weed() is not None, "no S3 server: run `make test-s3`, which installs it"
    with running_s3(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def bucket(address: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an empty bucket, with the right credentials in the environment."""
    for name, value in credentials(address).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials of an earlier test
    name = f"bucket-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    client(address).create_bucket(Bucket=name)
    return name


def silent(line: str) -> None:
    """Take what is said, and drop it."""


def some_state(tmp_path: Path, files: int = 40) -> Settings:
    """Return an installation with files to back up."""
    settings = Settings(tmp_path, tmp_path, tmp_path, tmp_path / "home", str(tmp_path / "home" / "store"), "", "")
    for number in range(files):
        (settings.folder("dataset", "logp") / f"{number}.bin").write_bytes(os.urandom(100_000))
    return settings


def test_bundles_are_published_and_no_writer_loses_its_update(bucket: str, tmp_path: Path) -> None:
    """The pointer's conditional put holds on a real server: of 24 updates side by side, none is lost."""
    place = f"s3://{bucket}/store"
    version = publish(open_store(place, tmp_path / "cache"), tmp_path / "bundle", onnx_bias=-2.5)
    load_bundle(open_store(place, tmp_path / "other").fetch_bundle("solubility_logs", version))

    def appoint(number: int) -> None:
        open_store(place, tmp_path / "cache").update_pointer(lambda before: appoint_unseen(before, f"e{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(appoint, range(24)))

    pointer = parse_pointer(open_store(place, tmp_path / "cache").read_pointer_bytes())
    assert {f"e{number}" for number in range(24)} < set(pointer.endpoints)
    assert pointer.generation == 25


@pytest.mark.parametrize(
    ("key", "secret", "bucket_name", "words"),
    [
        (KEY, "not-the-secret", None, "check AWS_SECRET_ACCESS_KEY"),
        ("nobody", SECRET, None, "check AWS_ACCESS_KEY_ID"),
        (KEY, SECRET, "no-such-bucket", "make the bucket, or correct the name"),
    ],
)
def test_what_is_wrong_with_a_place_is_said_with_the_remedy(
    bucket: str,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    key: str,
    secret: str,
    bucket_name: str | None,
    words: str,
) -> None:
    """Wrong secret, unknown key, missing bucket: one error that names the place and what to do, for each use."""
    for name, value in credentials(address, key, secret).items():
        monkeypatch.setenv(name, value)
    place = f"s3://{bucket_name or bucket}/prefix"
    settings = some_state(tmp_path, files=2)

    with pytest.raises(StoreError, match=words) as caught:
        back_up(settings, place, silent)
    assert place in str(caught.value)
    if (
        bucket_name is None
    ):  # this server, unlike AWS, answers "no such key" about a missing bucket, and makes it on a put
        with pytest.raises(StoreError, match=words):
            LedgerCopy(place).entries()
        with pytest.raises(StoreError, match=bucket):
            publish(open_store(place, tmp_path / "cache"), tmp_path / "bundle")
    assert list((settings.home / "dataset" / "logp").iterdir())


def test_a_backup_cut_in_the_middle_goes_on_where_it_stopped(
    bucket: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wire is cut after 2 of 4 MB: one clear error, no snapshot; the next sends the rest, and all comes back."""
    settings, place = some_state(tmp_path), f"s3://{bucket}/backups"
    with cuttable_wire(address, 2_000_000) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL", wire.address)
        with pytest.raises(StoreError, match=f"s3://{bucket}/backups: contents/.* cannot be written"):
            back_up(settings, place, silent)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    there = open_objects(place, "AIDRUG_BACKUP").names()
    assert 5 < len(there) < 40
    assert not [name for name in there if name.startswith("snapshots/")]

    messages = list[str]()
    back_up(settings, place, messages.append)

    assert "40 files, 4.0 MB" in messages[0]
    assert float(messages[0].rpartition(", ")[2].split()[0]) < 3.5
    before = {path.name: path.read_bytes() for path in (settings.home / "dataset" / "logp").iterdir()}
    (settings.home / "dataset").rename(tmp_path / "lost")
    restore(settings, place, silent)
    assert {path.name: path.read_bytes() for path in (settings.home / "dataset" / "logp").iterdir()} == before


def test_a_bundle_cut_in_the_middle_is_not_there_until_it_is_whole(
    bucket: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication that breaks off leaves nothing that is read, and is simply made again."""
    place = f"s3://{bucket}/store"
    with cuttable_wire(address, 4_000) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL", wire.address)
        with pytest.raises(StoreError, match="cannot be"):
            publish(open_store(place, tmp_path / "cache"), tmp_path / "bundle", onnx_bias=-2.5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    assert open_store(place, tmp_path / "cache").read_pointer_bytes() is None

    version = publish(open_store(place, tmp_path / "cache"), tmp_path / "again", onnx_bias=-2.5)

    load_bundle(open_store(place, tmp_path / "cache").fetch_bundle("solubility_logs", version))


def test_tracked_data_goes_to_s3_and_comes_back_verified(bucket: str, tmp_path: Path) -> None:
    """`aidrug data` pushes to S3 and pulls from it; an object that was corrupted there is refused, not used."""
    copy = CheckoutCopy(tmp_path / "checkout")
    copy.commit()
    copy.aidrug("data", "remote", f"s3://{bucket}/dvc")
    copy.write(
        "configs/endpoints/toy.yaml", ENDPOINT.replace("kind: csv, files: [toy.csv]", "kind: dvc, files: [data/a.csv]")
    )
    copy.write("data/a.csv", MEASUREMENTS)
    copy.aidrug("data", "add", "data/a.csv")

    def lose() -> None:
        (copy.folder / "data" / "a.csv").unlink(missing_ok=True)
        (copy.folder / ".dvc" / "cache").rename(tmp_path / f"lost{time.monotonic_ns()}")

    lose()
    copy.aidrug("data", "pull")
    assert (copy.folder / "data" / "a.csv").read_text() == MEASUREMENTS

    s3 = client(os.environ["AWS_ENDPOINT_URL"])
    key = s3.list_objects_v2(Bucket=bucket, Prefix="dvc/")["Contents"][0]["Key"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"smiles,value\nCCO,999\n")
    lose()
    message = copy.aidrug("data", "pull", code=1)
    assert "dvc pull data/a.csv.dvc failed" in message
    assert not (copy.folder / "data" / "a.csv").exists()


@contextmanager
def mlflow_server(tmp_path: Path, artifacts: str) -> Iterator[str]:
    """Run MLflow's server as a container does, and give its address."""
    port = free_port()
    code = (
        "import sys; from ai_drug_assets import start; from ai_drug_assets.settings import Settings; "
        "arguments = start.PROCESSES['mlflow'](Settings.from_env()); "
        f"arguments[arguments.index('5000')] = '{port}'; "
        "import os; os.execv(sys.executable, [sys.executable, '-m', *arguments])"
    )
    environment = {"PYTHONPATH": str(ROOT), "AIDRUG_HOME": str(tmp_path / "home"), "AIDRUG_ARTIFACTS": artifacts}
    log = tmp_path / "mlflow.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 240
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < until, log.read_text(errors="replace")
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(30)
        assert "database is locked" not in log.read_text(errors="replace")


def test_mlflow_keeps_artefacts_in_s3_and_takes_200_writes_at_once(bucket: str, tmp_path: Path) -> None:
    """Artefacts pass through the server into S3, without keys at the client; 200 writers at once are all recorded."""
    from mlflow.tracking import MlflowClient

    with mlflow_server(tmp_path, f"s3://{bucket}/mlflow") as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            os.environ.pop(name)
        mlflow = MlflowClient(server)
        experiment = mlflow.create_experiment("writers")
        run = mlflow.create_run(experiment).info.run_id
        mlflow.log_dict(run, {"a": 1}, "record.json")
        runs = [mlflow.create_run(experiment).info.run_id for _ in range(8)]
        failures: list[Exception] = []
        gate = threading.Barrier(40)

        def write(number: int) -> None:
            gate.wait(60)
            for step in range(5):
                try:
                    mlflow.log_metric(runs[number % 8], f"writer_{number}", float(step), step=step)
                except Exception as error:  # noqa: BLE001  every failure counts
                    failures.append(error)

        with ThreadPoolExecutor(40) as pool:
            list(pool.map(write, range(40)))
        assert failures == []
        recorded: Any = [mlflow.get_metric_history(runs[number % 8], f"writer_{number}") for number in range(40)]
        assert [len(history) for history in recorded] == [5] * 40
        path = mlflow.download_artifacts(run, "record.json", str(tmp_path))
        assert Path(path).read_text().replace(" ", "").replace("\n", "") == '{"a":1}'
    for name, value in (("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)):
        os.environ[name] = value
    keys = [entry["Key"] for entry in client(os.environ["AWS_ENDPOINT_URL"]).list_objects_v2(Bucket=bucket)["Contents"]]
    assert any(key.startswith("mlflow/") and key.endswith("record.json") for key in keys)
