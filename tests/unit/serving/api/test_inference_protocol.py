"""The Open Inference Protocol: what its clients send and expect, over HTTP, in this process."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish
from tests.server_process import running_service

Client = TestClient[Any]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return an empty store."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> Iterator[Client]:
    """Run the service with a regression and a binary endpoint."""
    publish(store, tmp_path / "logs", value=-1.5)
    publish(store, tmp_path / "bbb", endpoint="bbb", value=0.75, binary=True)
    with TestClient(create_app(Settings(max_molecules=4), store)) as client:
        yield client


def tensor(*data: Any, **fields: Any) -> dict[str, Any]:
    """Return a request for molecules."""
    return {"inputs": [{"name": "smiles", "shape": [len(data)], "datatype": "BYTES", "data": list(data), **fields}]}


def test_a_server_tells_its_state_and_its_models(client: Client) -> None:
    """Live, ready, what the server is, what a model takes and gives, by name and by version."""
    version = client.get("/v1/champions/solubility_logs").json()["serving"]
    model = client.get("/v2/models/solubility_logs").json()

    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2").json()["name"] == "ai-drug-assets"
    assert client.get("/v2/models/bbb/ready").json() == {"name": "bbb", "ready": True}
    assert client.get(f"/v2/models/solubility_logs/versions/{version}/ready").status_code == 200
    other = client.get("/v2/models/solubility_logs/versions/other/ready")
    assert (other.status_code, other.json()["code"]) == (404, "unknown-version")
    assert client.get(f"/v2/models/solubility_logs/versions/{version}").json() == model
    assert (model["versions"], model["inputs"]) == ([version], [{"name": "smiles", "datatype": "BYTES", "shape": [-1]}])
    names = [output["name"] for output in model["outputs"]]
    assert names == ["value", "lower", "upper", "similarity", "usual_error", "error", "notes", "version", "reliability"]


def test_an_inference_gives_a_tensor_of_each_output_and_null_for_a_bad_molecule(client: Client) -> None:
    """Outputs have the input's length and order; a molecule that failed is null with a reason, the others are not."""
    version = client.get("/v1/champions/solubility_logs").json()["serving"]
    answer = client.post("/v2/models/solubility_logs/infer", json={**tensor("CCO", "bad(", "CCN"), "id": "42"}).json()
    outputs = {output["name"]: output for output in answer["outputs"]}

    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("solubility_logs", version, "42")
    assert outputs["value"] == {"name": "value", "shape": [3], "datatype": "FP64", "data": [-1.5, None, -1.5]}
    assert outputs["lower"]["data"] == [pytest.approx(-2.3), None, pytest.approx(-2.3)]
    assert outputs["similarity"]["data"] == [1.0, None, 1.0]
    assert outputs["error"]["data"][1].startswith("invalid-smiles: ")
    assert outputs["error"]["data"][::2] == [None, None]


def test_a_caller_chooses_outputs_a_version_and_a_column(client: Client) -> None:
    """Only the outputs asked for come; a column of shape [n, 1] is read like a row."""
    version = client.get("/v1/champions/bbb").json()["serving"]
    body = {**tensor(["CCO"], ["CC"], shape=[2, 1]), "outputs": [{"name": "value"}]}
    answer = client.post(f"/v2/models/bbb/versions/{version}/infer", json=body).json()

    assert [(output["name"], output["data"]) for output in answer["outputs"]] == [("value", [0.75, 0.75])]
    assert "id" not in answer


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("nothing", tensor("CCO"), 404, "bbb, solubility_logs, got 'nothing'"),
        ("bbb/versions/old", tensor("CCO"), 404, "which serves, got 'old'"),
        ("bbb", {"inputs": []}, 422, "one tensor named 'smiles', got none"),
        ("bbb", tensor("CCO", name="text"), 422, "got 'text'"),
        ("bbb", tensor("CCO", datatype="FP32"), 422, "expected 'BYTES', got 'FP32'"),
        ("bbb", tensor("CCO", shape=[2]), 422, "expected [1], got [2]"),
        ("bbb", tensor("CCO", 3), 422, "data[1]: expected a string, got int"),
        ("bbb", tensor(), 422, "expected 1 to 4 molecules, got 0"),
        ("bbb", tensor(*"CCCCC"), 422, "expected 1 to 4 molecules, got 5"),
        (
            "bbb",
            {**tensor("C"), "outputs": [{"name": "lower"}]},
            422,
            "value, similarity, usual_error, error, notes, version, reliability, got 'lower'",
        ),
    ],
)
def test_a_faulty_inference_says_what_was_expected(
    client: Client, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    """Faults of the whole request are problem details."""
    answer = client.post(f"/v2/models/{path}/infer", json=body)

    assert answer.status_code == status
    assert says in answer.json()["detail"]


def test_a_server_without_a_champion_is_live_and_not_ready(store: FolderStore) -> None:
    """An empty store is no fault of the process."""
    with TestClient(create_app(Settings(), store)) as client:
        assert client.get("/v2/health/live").status_code == 200
        assert client.get("/v2/health/ready").status_code == 503
        assert client.get("/v2/models/bbb/ready").status_code == 404


def test_a_fault_is_told_where_the_protocol_looks_for_it(client: Client) -> None:
    """Every fault has an `error`, which is the detail of the problem; elsewhere nothing is said twice."""
    bad = client.post("/v2/models/solubility_logs/infer", json={"inputs": []})
    absent = client.get("/v2/models/nothing")

    for answer in (bad, absent):
        assert answer.json()["error"] == answer.json()["detail"]
    assert "error" not in client.get("/v1/endpoints/nothing").json()


def binary(*texts: bytes, size: int | None = None, header: str | None = None) -> dict[str, Any]:
    """Return content and headers of a request whose molecules are behind the JSON."""
    data = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    parameters = {"binary_data_size": len(data) if size is None else size}
    body = {"inputs": [{"name": "smiles", "shape": [len(texts)], "datatype": "BYTES", "parameters": parameters}]}
    head = json.dumps(body).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": header or str(len(head)),
    }
    return {"content": head + data, "headers": headers}


def test_molecules_may_come_as_bytes(client: Client) -> None:
    """The binary extension returns what JSON returns; bytes that are not what they say are refused."""
    path = "/v2/models/solubility_logs/infer"
    as_json = client.post(path, json=tensor("CCO", "é", ""))
    as_bytes = client.post(path, **binary(b"CCO", "é".encode(), b""))
    broken = [
        client.post(path, **binary(b"CCO", size=3)),
        client.post(path, **binary(b"CCO", size=100)),
        client.post(path, **binary(b"CCO", size=-1)),
        client.post(path, **binary(b"CC\xff")),
        client.post(path, **binary(b"CCO", header="99999")),
        client.post(path, **binary(b"CCO", header="-1")),
        client.post(path, **binary(b"CCO", header="9" * 30)),
    ]

    assert as_bytes.json() == as_json.json()
    assert [answer.status_code for answer in broken] == [400] * len(broken)


def test_the_reference_client_finds_what_it_expects(tmp_path: Path) -> None:
    """Triton's own client asks every question that it knows, over a real socket."""
    reason = "the reference client is not installed: pip install 'tritonclient[http]' (CI does)"
    triton = pytest.importorskip("tritonclient.http", reason=reason)
    faults = pytest.importorskip("tritonclient.utils", reason=reason)
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "logs", value=-1.5)
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        client = triton.InferenceServerClient(address.removeprefix("http://"))
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("solubility_logs")
        assert not client.is_model_ready("nothing")
        assert not client.is_model_ready("solubility_logs", "9")
        assert client.get_server_metadata()["name"] == "ai-drug-assets"
        assert client.get_model_metadata("solubility_logs")["inputs"][0]["name"] == "smiles"
        found = []
        for as_bytes in (True, False):
            smiles = triton.InferInput("smiles", [2], "BYTES")
            smiles.set_data_from_numpy(np.array([b"CCO", b"bad("], dtype=object), binary_data=as_bytes)
            asked = [triton.InferRequestedOutput("value"), triton.InferRequestedOutput("error", binary_data=False)]
            for outputs in (None, asked):
                result = client.infer("solubility_logs", [smiles], outputs=outputs)
                found.append((result.as_numpy("value").tolist()[0], result.as_numpy("error").tolist()[1]))
        with pytest.raises(faults.InferenceServerException, match="expected one of solubility_logs"):
            client.infer("nothing", [smiles])

    assert [value for value, _ in found] == [-1.5] * 4
    assert all("invalid-smiles" in str(error) for _, error in found)
