"""The Open Inference Protocol: what its clients send and expect, over HTTP, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

Client = TestClient[Any]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Give an empty store."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> Iterator[Client]:
    """Run the service with a regression and a binary endpoint."""
    publish(store, tmp_path / "logs", value=-1.5)
    publish(store, tmp_path / "bbb", endpoint="bbb", value=0.75, binary=True)
    with TestClient(create_app(Settings(max_molecules=4), store)) as client:
        yield client


def tensor(*data: Any, **fields: Any) -> dict[str, Any]:
    """Give a request for molecules."""
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
    assert client.get("/v2/models/solubility_logs/versions/other/ready").status_code == 503
    assert client.get(f"/v2/models/solubility_logs/versions/{version}").json() == model
    assert (model["versions"], model["inputs"]) == ([version], [{"name": "smiles", "datatype": "BYTES", "shape": [-1]}])
    names = [output["name"] for output in model["outputs"]]
    assert names == ["value", "lower", "upper", "similarity", "error", "notes", "version"]


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
            "value, similarity, error, notes, version, got 'lower'",
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
