"""What a request may ask for beside the numbers: neighbours and alerts, found right and only when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.structural_alerts import find_alerts
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import TRAINING, publish


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Any]]:
    """Run the service on a regression and a binary endpoint."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0)
    publish(store, tmp_path / "b", endpoint="bbb", value=0.7, binary=True)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as running:
        yield running


def entries(client: TestClient[Any], *smiles: str, **fields: Any) -> list[dict[str, Any]]:
    """Predict, and expect it to work."""
    response = client.post("/v1/predict", json={"smiles": list(smiles), **fields})
    assert response.status_code == 200, response.text
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def test_nothing_is_added_unless_asked_for(client: TestClient[Any]) -> None:
    """What costs milliseconds or tells of training data is left out by default."""
    (entry,) = entries(client, "O=Cc1ccccc1")

    assert "alerts" not in entry
    assert "neighbours" not in entry["endpoints"]["logs"]


def test_neighbours_are_the_nearest_training_molecules(client: TestClient[Any]) -> None:
    """Three training molecules with similarity, measured value and unit, the most similar first."""
    salt, broken, known = entries(client, "CCCCO.[Na+]", "nonsense", "CCO", include=["neighbours"])
    near = salt["endpoints"]["logs"]["neighbours"]

    assert "error" in broken
    assert len(near) == 3
    assert (near[0]["smiles"], near[0]["similarity"], near[0]["unit"]) == ("CCCCO", 1.0, "log10 mol/L")
    assert [each["similarity"] for each in near] == sorted((each["similarity"] for each in near), reverse=True)
    assert near[0]["similarity"] == salt["endpoints"]["logs"]["similarity"]
    assert known["endpoints"]["logs"]["neighbours"][0]["value"] == -8.0
    classes = known["endpoints"]["bbb"]["neighbours"]
    assert {each["unit"] for each in classes} == {"class"}
    assert {each["value"] for each in classes} <= {0.0, 1.0}
    assert {each["smiles"] for each in classes} <= set(TRAINING)


def test_alerts_say_which_atoms(client: TestClient[Any]) -> None:
    """An alert has a name, a catalogue and the atoms in the standardised SMILES; none is an empty list."""
    bad, good, broken = entries(client, "[Na+].[O-]c1ccc(N=Nc2ccccc2)cc1", "CCCO", "nonsense", include=["alerts"])
    standardised = Chem.MolFromSmiles(bad["endpoints"]["logs"]["standardised"])
    azo = next(alert for alert in bad["alerts"] if alert["name"].startswith("azo"))

    assert good["alerts"] == []
    assert "alerts" not in broken
    assert {alert["catalogue"] for alert in bad["alerts"]} == {"PAINS", "Brenk"}
    assert sum(standardised.GetAtomWithIdx(atom).GetSymbol() == "N" for atom in azo["atoms"]) == 2


def test_the_same_place_is_one_alert() -> None:
    """Two aldehydes are two alerts, each once; order and atoms are the same in every call."""
    mol = Chem.MolFromSmiles("O=Cc1ccc(C=O)cc1")
    alerts = find_alerts(mol)

    assert [alert.name for alert in alerts].count("aldehyde") == 2
    assert len(set(alerts)) == len(alerts)
    assert alerts == find_alerts(mol)


@pytest.mark.parametrize(
    ("include", "says"),
    [
        (["neighbors"], "include: expected any of neighbours, explanation, alerts, got 'neighbors'"),
        (["alerts", ""], "got ''"),
        ("alerts", "Expected `array`, got `str`"),
        ([1], "Expected `str`, got `int`"),
    ],
)
def test_an_unknown_wish_is_a_clear_fault(client: TestClient[Any], include: Any, says: str) -> None:
    """A name that cannot be included is refused with the names that can."""
    response = client.post("/v1/predict", json={"smiles": ["CCO"], "include": include})

    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    assert says in response.json()["detail"]


def test_a_bound_is_shown_with_its_sign(tmp_path: Path) -> None:
    """`< 5.30` is no measurement of 5.30: API and page tell the sign, and the axis is not drawn from bounds."""
    store = FolderStore(tmp_path / "store")
    measured, signs = [5.3] * len(TRAINING), ["<" if text == "CCO" else "=" for text in TRAINING]
    measured[TRAINING.index("CCN")] = 7.0
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0, measured=measured, relations=signs)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as running:
        (one, other) = entries(running, "CCO", "CCN", include=["neighbours"])
        page = running.post("/page/why", data={"smiles": "CCO", "endpoint": "logs"})

    near = one["endpoints"]["logs"]["neighbours"][0]
    assert (near["smiles"], near["value"], near["relation"]) == ("CCO", 5.3, "<")
    assert other["endpoints"]["logs"]["neighbours"][0]["relation"] == "="
    assert "&lt; 5.30" in page.text


def test_neighbours_can_be_switched_off(tmp_path: Path) -> None:
    """A service that must not show training molecules refuses to, and says which setting decides."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a")
    settings = Settings.from_environment({"AIDRUG_SHOW_NEIGHBOURS": "0"})
    with TestClient(create_app(settings, store)) as client:
        refused = client.post("/v1/predict", json={"smiles": ["CCO"], "include": ["neighbours", "alerts"]})
        allowed = client.post("/v1/predict", json={"smiles": ["CCO"], "include": ["alerts"]})

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "AIDRUG_SHOW_NEIGHBOURS" in refused.json()["detail"]
    assert "smiles" not in json.dumps(allowed.json()["predictions"][0]["endpoints"])


def test_too_many_waiting_insights_are_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    """Past the bound a request is a 503 problem with Retry-After; one alone is answered however large it is."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0)
    app = create_app(Settings(poll_seconds=0.02, insight_molecules=1), store)
    body = {"smiles": ["CCO", "CCN"], "include": ["neighbours"]}
    with TestClient(app) as client:
        alone = client.post("/v1/predict", json=body)
        app.state.engine.insights_waiting = 1
        refused = client.post("/v1/predict", json=body)
        plain = client.post("/v1/predict", json={"smiles": body["smiles"]})

    assert (alone.status_code, plain.status_code) == (200, 200)
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert app.state.engine.insights_waiting == 1
