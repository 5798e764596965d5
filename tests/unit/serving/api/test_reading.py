"""Asking for headers alone, asking whether something changed, packed answers, and when to come back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.job_settings import JobSettings
from serving.settings import Settings
from tests.bundle_factory import publish


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """Return a store with one champion."""
    folder = tmp_path_factory.mktemp("reading")
    store = FolderStore(folder / "store")
    publish(store, folder / "bundle", value=1.0)
    return store


@pytest.fixture(scope="module")
def client(store: FolderStore) -> Iterator[TestClient[Any]]:
    """Run the service."""
    made = Settings(poll_seconds=0.02, jobs=JobSettings(folder=store.root.parent / "jobs"))
    with TestClient(create_app(made, store)) as client:
        yield client


def finished(client: TestClient[Any], smiles: list[str]) -> str:
    """Run a job to its end; give its address."""
    path = str(client.post("/v1/jobs", json={"smiles": smiles}).headers["location"])
    until = time.monotonic() + 30
    while client.get(path).json()["status"] != "done":
        assert time.monotonic() < until
        time.sleep(0.02)
    return path


def test_headers_can_be_had_without_the_answer(client: TestClient[Any]) -> None:
    """`HEAD` answers as `GET` does, without a body: pages, lists, files, streams, and what is not there."""
    job = finished(client, ["CCO"])
    paths = ("/", "/v1/endpoints", "/health/ready", "/static/page.css", "/v1/jobs", f"{job}/result", f"{job}/events",
             "/v2/models/solubility_logs", "/schema/openapi.json", "/nothing")  # fmt: skip
    for path in paths:
        head, whole = client.head(path), client.get(path)
        assert head.content == b"", path
        assert head.status_code == whole.status_code, path
        assert head.headers.get("content-type") == whole.headers.get("content-type"), path
    assert client.head("/v1/predict").status_code == 405


def test_what_has_not_changed_is_not_sent_again(client: TestClient[Any], store: FolderStore) -> None:
    """A tag stays as long as the answer, and another champion is another tag."""
    paths = ("/v1/endpoints", "/v1/models", "/v1/champions/solubility_logs", "/schema/openapi.json")
    first = {path: client.get(path) for path in paths}
    for path, answer in first.items():
        tag = answer.headers["etag"]
        again = client.get(path, headers={"if-none-match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get(path, headers={"if-none-match": '"other"'}).content == answer.content
    publish(store, store.root.parent / "next", value=2.0)
    until = time.monotonic() + 10
    while client.get("/v1/models").content == first["/v1/models"].content:
        assert time.monotonic() < until
        time.sleep(0.02)
    changed = client.get("/v1/models", headers={"if-none-match": first["/v1/models"].headers["etag"]})
    assert (changed.status_code, changed.headers["etag"] != first["/v1/models"].headers["etag"]) == (200, True)
    assert "etag" not in client.get("/health/ready").headers
    assert client.get("/v1/champions/nothing").status_code == 404


def test_large_answers_come_packed(client: TestClient[Any]) -> None:
    """The result of a job is packed for clients that accept it, and means the same."""
    job = finished(client, ["C" * (1 + index % 30) + "O" for index in range(200)])
    packed = client.get(f"{job}/result")
    plain = client.get(f"{job}/result", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text


def test_results_are_described_as_what_they_are(client: TestClient[Any]) -> None:
    """The document names the formats of a result and of events, and JSON is none of them."""
    paths = client.get("/schema/openapi.json").json()["paths"]
    result = paths["/v1/jobs/{job_id}/result"]["get"]["responses"]["200"]["content"]
    events = paths["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]

    assert set(result) == {
        "text/csv",
        "application/x-ndjson",
        "application/vnd.apache.parquet",
        "chemical/x-mdl-sdfile",
    }
    assert set(events) == {"text/event-stream"}
    assert {each["schema"]["type"] for each in (*result.values(), *events.values())} == {"string"}


def test_a_refusal_that_passes_says_when_to_come_back(tmp_path: Path) -> None:
    """Busy, nothing served, unavailable: each says so many seconds."""
    with TestClient(create_app(Settings(), FolderStore(tmp_path / "empty"))) as client:
        answers = [client.post("/v1/predict", json={"smiles": ["CCO"]}), client.post("/v2/models/a/infer", json={})]

    assert answers[0].status_code == 503
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 503)
