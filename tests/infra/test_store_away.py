"""A service whose bundles are in S3, when S3 is away or its credentials have run out: it continues, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from model_zoo.errors import StoreError
from serving.storage.objects import S3Objects
from serving.storage.s3_store import S3Store
from tests.bundle_factory import write
from tests.unit.serving.test_service import predict, service, wait


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """Yield an S3 that can be switched off and on."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bundles")
    yield server
    server.stop()


@pytest.mark.game_day(fault="S3 is away", message="s3://...: ... cannot be read: ...")
def test_a_service_goes_on_while_s3_is_away(s3: ThreadedMotoServer, tmp_path: Path) -> None:
    """It answers with the champion that it has, says since when it follows nothing, and follows again by itself."""
    store: Any = S3Store("bundles", "store", tmp_path / "cache")
    version = store.put_bundle(write(tmp_path / "first", value=1.0).folder)
    store.update_pointer(lambda now: now.appoint({"solubility_logs": version}, by="test"))
    host, port = s3.get_host_and_port()
    with service(store) as client:
        before = predict(client, "CCO")
        s3.stop()
        wait(lambda: client.get("/health/ready").json()["store_error"] is not None)
        response = client.get("/health/ready")
        assert response.status_code == 200
        assert predict(client, "CCO") == before
        again = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
        again.start()
        try:
            wait(lambda: client.get("/health/ready").json()["store_error"] is None)
        finally:
            again.stop()
        assert predict(client, "CCO") == before


@pytest.mark.game_day(fault="the containers' credentials cannot be renewed")
def test_credentials_that_have_run_out_are_a_fault_of_the_store(
    s3: ThreadedMotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK raises an exception of no kind of its own, which would otherwise end the service's following for good."""
    written = {"Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "x", "SessionToken": "x"}
    (tmp_path / "credentials.json").write_text(json.dumps({**written, "Expiration": "2026-01-01T00:00:00+00:00"}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path / 'credentials.json'}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    with pytest.raises(StoreError, match=r"the session has expired: on a host, `aidrug host logs` says why"):
        S3Objects("bundles", "store").read("current.json")
