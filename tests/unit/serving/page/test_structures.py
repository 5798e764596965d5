"""Structure search: what it finds, and that no pattern holds the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry import structure_search
from serving.app import create_app
from serving.inference import structure_search as behind
from serving.settings import Settings
from tests.bundle_factory import TRAINING, publish

Client = TestClient[Any]
LINES = [*TRAINING, "nonsense", "CCCCCCCC"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Run a service with one endpoint."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", onnx_bias=-1.0)
    with TestClient(create_app(Settings(poll_seconds=0.02, folder=tmp_path), store)) as client:
        yield client


def search(client: Client, query: str, **fields: str) -> Any:
    """Search in the lines."""
    return client.post("/page/structures", data={"query": query, "smiles": "\n".join(LINES), **fields})


def test_a_table_is_searched(client: Client) -> None:
    """By SMILES (drawn in either way), by SMARTS, by likeness; an oracle that asks RDKit line by line agrees."""
    pyridine, kekule, smarts = (search(client, text) for text in ("c1ccncc1", "C1=CC=NC=C1", "[#7;R]"))
    alike = search(client, "CCCCCCCC", kind="similarity").json()["found"]
    pattern = Chem.MolFromSmarts("[#7;R]")
    mols = [Chem.MolFromSmiles(line) for line in LINES]
    expected = [at for at, mol in enumerate(mols) if mol is not None and mol.HasSubstructMatch(pattern)]

    assert pyridine.json()["found"] == kekule.json()["found"] == [[LINES.index("c1ccncc1"), 1.0]]
    assert pyridine.json()["said"] == f"1 of {len(LINES)} contain it."
    assert sorted(at for at, _ in smarts.json()["found"]) == expected
    assert alike[0] == [LINES.index("CCCCCCCC"), 1.0]
    assert [each[1] for each in alike] == sorted((each[1] for each in alike), reverse=True)


def test_what_is_no_query_is_refused(client: Client) -> None:
    """In words."""
    answer = search(client, "C1CC")

    assert answer.status_code == 422
    assert "expected SMARTS or SMILES, got a text that RDKit cannot read" in answer.json()["detail"]


def test_a_pattern_that_never_ends_is_stopped(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says how far it came, and predictions continue."""
    monkeypatch.setattr(behind, "WALL_SECONDS", 3.0)
    lines = [*("CCO",) * structure_search.PART, *(f"{'C(C)(C)' * 60}C",) * 5]
    answer = client.post("/page/structures", data={"query": "C(C)(C)" * 26 + "N", "smiles": "\n".join(lines)})

    assert answer.json()["found"] == []
    assert answer.json()["said"].endswith("The search was stopped: 5 were not looked at. Try a simpler query.")
    assert client.post("/v1/predict", json={"smiles": ["CCO"]}).status_code == 200


def test_training_data_is_searched_only_where_it_may_be_shown(client: Client, tmp_path: Path) -> None:
    """With what was measured; a service that hides neighbours says no."""
    fields = {"query": "c1ccncc1", "endpoint": "solubility_logs"}
    shown = client.post("/page/training", data=fields)
    page = client.get("/models/solubility_logs").text
    unknown = client.post("/page/training", data={**fields, "endpoint": "nothing"})
    settings = Settings(poll_seconds=0.02, folder=tmp_path, show_neighbours=False)
    with TestClient(create_app(settings, FolderStore(tmp_path / "store"))) as hidden:
        refused = hidden.post("/page/training", data=fields)
        silent = hidden.get("/models/solubility_logs").text

    assert f"1 of {len(TRAINING)} contain it." in shown.text
    assert "<svg" in shown.text
    assert (unknown.status_code, refused.status_code) == (404, 403)
    assert "Search what it learnt from" in page
    assert "Search what it learnt from" not in silent
