"""The store in S3 keeps the promises of the store in a folder, against a mocked S3."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from litestar.testing import TestClient
from moto import mock_aws

from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore, Pointer, parse_pointer
from model_zoo.errors import BundleError, ConfigError, StoreError
from serving.app import create_app
from serving.settings import Settings
from serving.storage.s3_store import S3Store
from serving.storage.stores import open_store
from tests.bundle_factory import appoint_unseen, publish, write

BUCKET = "bundles"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a client of an S3 that lives in this process, with one bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        one_at_a_time = threading.Lock()

        def alone(call: Callable[..., Any]) -> Callable[..., Any]:
            def locked(**arguments: Any) -> Any:
                with one_at_a_time:
                    return call(**arguments)

            return locked

        # S3 looks at the condition and writes in one step, and a reader gets a whole object; moto lets another writer
        # between, and closes the object that is being read.
        for name in ("put_object", "get_object"):
            monkeypatch.setattr(s3, name, alone(getattr(s3, name)))
        yield s3


@pytest.fixture
def store(client: Any, tmp_path: Path) -> S3Store:
    """Return an empty store under a prefix."""
    return S3Store(BUCKET, "/team/a/", tmp_path / "cache", client)


def keys(client: Any) -> list[str]:
    """List the bucket's keys."""
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_an_unused_store_has_no_pointer(store: S3Store) -> None:
    """A prefix that nobody wrote to is empty, not broken."""
    assert store.read_pointer_bytes() is None
    with pytest.raises(StoreError, match="not in the store"):
        store.fetch_bundle("solubility_logs", "rf-0")


def test_a_published_bundle_loads_from_the_store(store: S3Store, client: Any, tmp_path: Path) -> None:
    """What was put can be fetched by another machine, and loads."""
    version = publish(store, tmp_path / "bundle", onnx_bias=-2.5)
    other = S3Store(BUCKET, "team/a", tmp_path / "other", client)
    bundle = load_bundle(other.fetch_bundle("solubility_logs", version))

    assert bundle.manifest.version == version
    assert parse_pointer(other.read_pointer_bytes()).endpoints["solubility_logs"].version == version
    assert all(key.startswith("team/a/") for key in keys(client))


def test_publishing_again_writes_nothing(store: S3Store, client: Any, tmp_path: Path) -> None:
    """A bundle whose manifest is there is complete: nothing is sent again."""
    publish(store, tmp_path / "bundle")
    before = {entry["Key"]: entry["LastModified"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]}
    publish(store, tmp_path / "again")

    assert {e["Key"]: e["LastModified"] for e in client.list_objects_v2(Bucket=BUCKET)["Contents"]} == before


def test_the_manifest_is_written_last(store: S3Store, client: Any, tmp_path: Path) -> None:
    """A writer that dies at any file leaves no bundle, and the next writer completes it."""
    bundle = write(tmp_path / "bundle")
    count = len(bundle.manifest.files)
    for survived in range(count + 1):
        puts = 0

        def die_later(survived: int = survived, **_: Any) -> None:
            nonlocal puts
            puts += 1
            if puts > survived:
                raise RuntimeError("killed")

        client.meta.events.register("before-call.s3.PutObject", die_later, unique_id="die")
        with pytest.raises(RuntimeError, match="killed"):
            store.put_bundle(tmp_path / "bundle")
        client.meta.events.unregister("before-call.s3.PutObject", unique_id="die")

        assert not [key for key in keys(client) if key.endswith("manifest.json")]
        with pytest.raises(StoreError, match="not in the store"):
            store.fetch_bundle("solubility_logs", bundle.manifest.version)
    store.put_bundle(tmp_path / "bundle")

    assert load_bundle(store.fetch_bundle("solubility_logs", bundle.manifest.version)).manifest == bundle.manifest


def test_an_update_on_an_old_pointer_is_made_again_on_the_new_one(store: S3Store) -> None:
    """A writer that another one overtakes starts again from what the other wrote."""
    seen: list[int] = []

    def change(pointer: Pointer) -> Pointer:
        seen.append(pointer.generation)
        if len(seen) == 1:
            store.update_pointer(lambda now: appoint_unseen(now, "overtaker"))
        return appoint_unseen(pointer, "slow")

    after = store.update_pointer(change)

    assert seen == [0, 1]
    assert set(after.endpoints) == {"overtaker", "slow"}
    assert parse_pointer(store.read_pointer_bytes()) == after


def test_writers_side_by_side_lose_no_update(store: S3Store) -> None:
    """Every update is made on top of the one before, by any writer."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: store.update_pointer(lambda now: appoint_unseen(now, f"e{n}")), range(16)))
    pointer = parse_pointer(store.read_pointer_bytes())

    assert (pointer.generation, len(pointer.endpoints)) == (16, 16)


def test_a_change_of_nothing_writes_nothing(store: S3Store) -> None:
    """An update that changes nothing does not even touch the pointer."""
    assert store.update_pointer(lambda pointer: pointer) == Pointer()
    assert store.read_pointer_bytes() is None


def test_a_damaged_copy_in_the_cache_is_fetched_anew(store: S3Store, tmp_path: Path) -> None:
    """The cache cannot keep a good bundle from loading."""
    version = publish(store, tmp_path / "bundle")
    copy = store.fetch_bundle("solubility_logs", version)
    (copy / "domain.npy").write_bytes(b"damaged")

    assert load_bundle(store.fetch_bundle("solubility_logs", version)).manifest.version == version
    assert [path.name for path in copy.parent.iterdir()] == [version]


def test_a_copy_in_the_cache_needs_no_network(store: S3Store, tmp_path: Path, client: Any) -> None:
    """A bundle that was fetched once is there even when the store is not."""
    version = publish(store, tmp_path / "bundle")
    store.fetch_bundle("solubility_logs", version)
    lost = S3Store("no-such-bucket", "", store.cache_folder, client)

    assert load_bundle(lost.fetch_bundle("solubility_logs", version)).manifest.version == version


def test_a_manifest_cannot_write_outside_its_folder(store: S3Store, client: Any, tmp_path: Path) -> None:
    """A hostile manifest that names a file elsewhere is refused before anything is written."""
    client.put_object(
        Bucket=BUCKET, Key="team/a/bundles/e/v/manifest.json", Body=json.dumps({"files": {"../../../x": ""}})
    )

    with pytest.raises(BundleError, match="outside itself"):
        store.fetch_bundle("e", "v")
    assert not (tmp_path / "x").exists()


def test_a_store_out_of_reach_is_a_store_error(client: Any, tmp_path: Path) -> None:
    """Every fault of S3 comes as a StoreError that names the store."""
    store = S3Store("no-such-bucket", "", tmp_path / "cache", client)
    write(tmp_path / "bundle")

    for attempt in (
        store.read_pointer_bytes,
        lambda: store.update_pointer(lambda now: now.appoint({"e": "v"}, by="test")),
        lambda: store.put_bundle(tmp_path / "bundle"),
        lambda: store.fetch_bundle("e", "v"),
    ):
        with pytest.raises(StoreError, match="no-such-bucket"):
            attempt()


def test_the_service_follows_a_store_in_s3(store: S3Store, tmp_path: Path) -> None:
    """Champions published to S3 are fetched, served and swapped like those in a folder."""
    settings = Settings(poll_seconds=0.02, cache_folder=store.cache_folder)
    with TestClient(create_app(settings, store)) as client:
        for value in (1.0, 2.0):
            version = publish(store, tmp_path / str(value), value=value)
            until = time.monotonic() + 10
            while version not in (ready := client.get("/health/ready").text):
                assert time.monotonic() < until, ready
                time.sleep(0.02)
            answer = client.post("/v1/predict", json={"smiles": ["CCO"]}).json()["predictions"][0]

            assert answer["endpoints"]["solubility_logs"]["value"] == value


@pytest.mark.parametrize("text", ["s3://", "gs://bucket/x", "http://host/x"])
def test_a_store_of_an_unknown_kind_is_refused(text: str, tmp_path: Path) -> None:
    """A URL that names no store says what was expected."""
    with pytest.raises(ConfigError, match="expected a folder or s3://bucket/prefix"):
        open_store(text, tmp_path)


@pytest.mark.usefixtures("client")
def test_the_name_of_a_store_decides_its_kind(tmp_path: Path) -> None:
    """A path is a folder, an s3 address is S3."""
    folder, s3 = open_store(tmp_path, tmp_path), open_store("s3://bundles/team/a", tmp_path)

    assert isinstance(folder, FolderStore)
    assert isinstance(s3, S3Store)
    assert (s3.bucket, s3.prefix) == ("bundles", "team/a")


def test_the_stores_need_no_web_framework() -> None:
    """The pipeline publishes through these modules, and must not load the service with them."""
    code = "import sys, serving.storage.stores, serving.storage.s3_store\n"
    code += "print([m for m in ('litestar', 'granian') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
