"""Anything may be sent to the service: it never fails, and answers as its own description says."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.standardisation.outcome import ErrorCode
from serving.app import create_app
from serving.job_settings import JobSettings
from serving.settings import Settings
from tests.bundle_factory import publish
from tests.server_process import running_service

EXAMPLES = int(os.environ.get("AIDRUG_TEST_EXAMPLES") or 10)
"""Requests made for each address; `make test-fuzz` makes many, and others each time."""
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDLESS = "/v1/jobs/{job_id}/events"
"""A stream that ends when its job does."""
CODES = {*get_args(ErrorCode), "prediction-failed", "timeout", "too-complex"}
NASTY = [
    "C" * 10_000, "[" * 600, "(" * 600, "C(" * 299 + "C", "C1" * 300, "%99" * 200, "." * 600, "*" * 150, "[*]",
    "[2H][2H]", "[H+]", "\x00", "CC\x00O", "C\nC", "C\tC", "\u202eCCO", "\N{TEST TUBE}", "C\N{TEST TUBE}", "é",
    "\ud7ff", "C" * 599 + "é", "CCO |$;;R1$|", "CCO |(0,0;1,0;2,0)|", "C* |$;R1$,Sg:n:0,1::ht|",
    "{[][<]CC[>][]}", "{-}", "[*:1]CC[*:2]", "*CC*", "CC.O.[Na+].[Cl-].c1ccccc1.C(=O)O", "C>>O", "C.C>O>CC",
    "[CH3:1][OH:2]>>[CH2:1]=[O:2]", "[#6]~[#7]", "[C;R]", "[$([OH])]", "InChI=1S/CH4/h1H4",
    "VNWKTOKETHGBQD-UHFFFAOYSA-N", "[Og]", "[Uue]", "[999C]", "[C+9]", "[C-99999999999]", "[C@TH9]", "C$C",
    "c1ccccc", "c1cccc1", "C1CC", "C#C#C", "F=F", "[nH]1cccc1", "c1ccccc1" * 70, "C12C3C4C1C5C2C3C45",
    "<script>alert(1)</script>", "'; DROP TABLE jobs; --", "../../etc/passwd", "${7*7}", "null", "NaN", "1e999",
    "-0", "[Fe+2]" * 90, "[Pt](Cl)(Cl)(N)N", "B(O)(O)c1ccccc1", "[Si](C)(C)(C)C", "[Na]", "[U]",
    "O=[N+]([O-])" + "c1ccccc1" * 15,
]  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """Run the service with a regression and a binary endpoint, and with jobs."""
    folder = tmp_path_factory.mktemp("fuzz")
    store = FolderStore(folder / "store")
    publish(store, folder / "logs", onnx_bias=0.0)
    publish(store, folder / "bbb", endpoint="bbb", value=0.75, binary=True)
    made = Settings(record=folder / "record", jobs=JobSettings(folder=folder / "jobs", max_waiting=100_000))
    with TestClient(create_app(made, store), raise_server_exceptions=False) as client:
        client.base_url = "http://127.0.0.1:8000"
        yield client


def test_every_answer_is_one_that_the_description_promises(client: TestClient[Any]) -> None:
    """For each address, requests made from its own description never get a 5xx, or an answer it does not describe."""
    schema = schemathesis.openapi.from_dict(client.get("/schema/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]

    assert len(operations) >= 20
    assert sum(fuzzed(client, operation) for operation in operations if operation.path != ENDLESS) > 100


def fuzzed(client: TestClient[Any], operation: Any) -> int:
    """Ask one address in many ways, and check every answer; give how often it was asked."""
    tried = 0
    described = operation.definition.raw["responses"]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=EXAMPLES == 10,
        database=None,
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal tried
        tried += 1
        call: Any = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1:8000")).prepare()
        answer = client.request(call.method, call.url, content=call.body, headers=dict(call.headers))
        # Not ready, no space, nothing to serve: states that a description may promise. 500 is none of them.
        is_state = answer.status_code in (503, 507) and str(answer.status_code) in described
        checks = CHECKS if is_state else [not_a_server_error, *CHECKS]
        case.validate_response(schemathesis.Response.from_any(answer), checks=checks)

    ask()
    return tried


def check(entries: list[dict[str, Any]], sent: list[str]) -> None:
    """Check that every molecule has one entry, a prediction or a known code, in its place."""
    assert [entry["smiles"] for entry in entries] == sent
    assert [entry["index"] for entry in entries] == list(range(len(sent)))
    for entry in entries:
        assert ("error" in entry) != ("endpoints" in entry)
        if "error" in entry:
            assert entry["error"]["code"] in CODES


def test_nasty_molecules_are_entries_in_their_place(client: TestClient[Any]) -> None:
    """Polymers, reactions, queries, giants, emoji: each answers at its own index, with a known code."""
    sent = [smiles for nasty in NASTY for smiles in (nasty, "CCO")]
    answer = client.post("/v1/predict", json={"smiles": sent})

    assert answer.status_code == 200, answer.text
    entries = answer.json()["predictions"]
    check(entries, sent)
    assert all("endpoints" in entry for entry in entries[1::2])


ALPHABET = st.sampled_from("CNOScnos()[]=#@+-123%.*/\\ \x00é\N{TEST TUBE}H:|$~>{}")


@settings(max_examples=60)
@given(st.lists(st.text(ALPHABET, max_size=40) | st.text(), min_size=1, max_size=8))
def test_any_text_is_an_entry_in_its_place(client: TestClient[Any], sent: list[str]) -> None:
    """Whatever is in the place of a molecule, the request succeeds, through either interface."""
    answer = client.post("/v1/predict", json={"smiles": sent})
    tensor = {"name": "smiles", "shape": [len(sent)], "datatype": "BYTES", "data": sent}
    protocol = client.post("/v2/models/bbb/infer", json={"inputs": [tensor]})

    assert answer.status_code == protocol.status_code == 200, answer.text + protocol.text
    entries = answer.json()["predictions"]
    check(entries, sent)
    values = protocol.json()["outputs"][0]["data"]
    assert [value is None for value in values] == ["error" in entry for entry in entries]


def test_lone_surrogates_are_refused_not_fatal(client: TestClient[Any]) -> None:
    """Escapes that are no character are refused, or are a molecule's error; the service continues."""
    answer = client.post(
        "/v1/predict", content=rb'{"smiles": ["\ud800", "CCO"]}', headers={"content-type": "application/json"}
    )

    assert answer.status_code in (200, 400, 422)
    assert client.post("/v1/predict", json={"smiles": ["CCO"]}).status_code == 200


def test_slow_clients_hold_nobody_up(tmp_path: Path) -> None:
    """Clients that never finish sending, or never read their answer, cost the others nothing."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", value=1.0)
    body = json.dumps({"smiles": ["CCO"] * 200}).encode()
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
        held = [socket.create_connection(place) for _ in range(60)]
        for number, connection in enumerate(held):
            connection.sendall((head % len(body)) + (body[:20] if number % 2 else body))
        with socket.create_connection(place, timeout=20) as one:
            one.sendall(head % 19 + b'{"smiles": ["CCO"]}')
            answer = one.recv(100_000)
        for connection in held:
            connection.close()

    assert b" 200 " in answer.split(b"\r\n")[0]
