"""What the service reports to its operator: metrics and log lines, and what it keeps to itself."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from serving.telemetry.logs import logging_to_stderr
from serving.telemetry.tracing import telemetry_plugins
from tests.bundle_factory import publish, write

SECRET = "CCSCCBr"  # noqa: S105  a structure


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with one champion."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", value=1.0)
    return store


@contextmanager
def service(store: FolderStore) -> Iterator[TestClient[Any]]:
    """Run the service."""
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        yield client


def counted(client: TestClient[Any]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample of `/metrics` by name and label values."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_count_requests_molecules_and_stages(store: FolderStore) -> None:
    """Requests by route template and status, molecules by cache and code, every stage of a prediction."""
    with service(store) as client:
        before = counted(client)
        for _ in range(2):
            client.post("/v1/predict", json={"smiles": ["CCOCCO", "bad("]})
        client.get("/v1/endpoints/solubility_logs")
        client.get("/v1/endpoints/nothing")
        client.get("/nowhere/CCO")
        client.request("BREW", "/v1/predict")
        after = counted(client)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0.0)

    assert grown("aidrug_requests_total", "POST", "/v1/predict", "200") == 2
    assert grown("aidrug_requests_total", "GET", "/v1/endpoints/{name}", "200") == 1
    assert grown("aidrug_requests_total", "GET", "/v1/endpoints/{name}", "404") == 1
    assert grown("aidrug_requests_total", "GET", "none", "404") == 1
    assert (grown("aidrug_cache_total", "miss"), grown("aidrug_cache_total", "hit")) == (2, 2)
    assert grown("aidrug_molecule_errors_total", "invalid-smiles", "solubility_logs") == 2
    assert grown("aidrug_batch_molecules_sum") == 2
    assert [grown("aidrug_stage_seconds_count", stage) for stage in ("queue", "parse", "featurize", "predict")] == [
        1
    ] * 4
    assert grown("aidrug_stage_seconds_count", "serialise") == 2
    assert not any("CCO" in "".join(labels) or "BREW" in labels for _, labels in after)


def test_metrics_tell_who_serves_what_was_refused_and_how_often_it_changed(store: FolderStore, tmp_path: Path) -> None:
    """A champion's version is a label for as long as it serves; swaps and refusals are counted."""
    with service(store) as client:
        before = counted(client)
        old = client.get("/v1/models").json()[0]["version"]
        new = publish(store, tmp_path / "new", value=2.0)
        while client.get("/v1/models").json()[0]["version"] != new:
            pass
        bad = store.put_bundle(write(tmp_path / "bad", value=3.0).folder)
        (store.bundle_folder("solubility_logs", bad) / "card.json").write_text("{}")
        store.update_pointer(lambda now: now.appoint({"solubility_logs": bad}, by="test"))
        while not client.get("/health/ready").json()["errors"]:
            pass
        after = counted(client)
    infos = [labels for name, labels in after if name == "aidrug_champion_info"]

    assert [new in labels for labels in infos] == [True]
    assert not any(old in labels for labels in infos)
    for name in ("aidrug_swaps_total", "aidrug_refused_bundles_total"):
        assert after[name, ("solubility_logs",)] - before.get((name, ("solubility_logs",)), 0) == 1
    assert after["aidrug_not_served", ()] == 1


def test_a_request_is_one_line_with_its_identity_and_nothing_it_carried(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Method, route, status, duration, caller and counts; never the body, the address's query or a structure."""
    with service(store) as client, caplog.at_level(logging.DEBUG):
        client.post("/v1/predict", json={"smiles": [SECRET, "CC"]}, headers={"x-request-id": "caller-12345"})
        client.get(f"/v1/endpoints/{SECRET}?smiles={SECRET}")
        client.get(f"/{SECRET}")
        client.get("/health/live")
    records = [record for record in caplog.records if record.name == "serving.requests"]
    first = vars(records[0])

    assert [record.levelname for record in records] == ["INFO", "INFO", "INFO", "DEBUG"]
    assert (first["request_id"], first["method"], first["route"], first["status"], first["molecules"]) == (
        "caller-12345", "POST", "/v1/predict", 200, 2,
    )  # fmt: skip
    assert first["duration_ms"] > 0
    ours = [record for record in caplog.records if not record.name.startswith("http")]  # the test's own client
    assert SECRET not in "".join(str(vars(record)) + record.getMessage() for record in ours)


@pytest.mark.parametrize(("form", "terminal"), [("json", True), ("auto", False)])
def test_json_lines_hold_every_field(monkeypatch: pytest.MonkeyPatch, form: Any, terminal: bool) -> None:
    """A machine reads a JSON object per line."""
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", written)
    with logging_to_stderr(form, "INFO", lambda: None):
        logging.getLogger("a.b").info("%d\nlines", 2, extra={"route": "/x"})
        logging.getLogger("a.b").debug("not written")
    (line,) = written.getvalue().splitlines()

    assert {**json.loads(line), "time": ""} == {
        "time": "", "level": "info", "logger": "a.b", "message": "2\nlines", "route": "/x",
    }  # fmt: skip


def test_people_read_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a line is words."""
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", written)
    with logging_to_stderr("auto", "INFO", lambda: None):
        logging.getLogger("a").warning("swapped")

    assert re.fullmatch(r"\S+ \S+ WARNING a: swapped\n", written.getvalue())


def test_a_full_disk_loses_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that cannot be written are counted; the logging code notices nothing."""
    dropped: list[int] = []
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        with logging_to_stderr("text", "INFO", lambda: dropped.append(1)):
            for _ in range(3):
                logging.getLogger("a").info("a line")
        monkeypatch.undo()
        with pytest.raises(OSError, match="space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # so that closing it works

    assert len(dropped) == 3


def test_traces_tell_of_requests_without_their_query(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting each request is a span; without it there is none, and no structure in either."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("serving.app.telemetry_plugins", lambda on: telemetry_plugins(on=on, provider=provider))
    for on in (False, True):
        with TestClient(create_app(Settings(telemetry=on), store)) as client:
            client.get(f"/v1/models?smiles={SECRET}")
            client.get("/health/live")
        assert len(exporter.get_finished_spans()) == on
    (span,) = exporter.get_finished_spans()

    assert "/v1/models" in span.name
    assert SECRET not in span.to_json()
