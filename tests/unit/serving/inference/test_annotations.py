"""What a request may ask for beside the numbers: neighbours and alerts, found right and only when asked for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.structural_alerts import find_alerts
from model_zoo.explanation.explainer import Explainer, Explanation
from serving.app import create_app
from serving.http.leaving import unless_left
from serving.http.problems import ProblemError
from serving.inference.annotations import MOST_EXPLAINED_ATOMS
from serving.settings import Settings
from tests.bundle_factory import TRAINING, publish, training_molecules


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
    """What costs milliseconds or reveals training data is left out by default."""
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
    assert {each["smiles"] for each in classes} <= {each.smiles for each in training_molecules()}


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
    """`< 5.30` is not a measurement of 5.30: API and page show the sign, and the axis is not drawn from bounds."""
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


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each explanation take a tenth of a second, and list which were begun."""
    begun: list[str] = []
    explain = Explainer.explain

    def slowly(self: Explainer, molecule: Molecule, structures: object = None) -> Explanation:
        begun.append(molecule.smiles)
        time.sleep(0.1)
        return explain(self, molecule)

    monkeypatch.setattr(Explainer, "explain", slowly)
    return begun


LOADS = [f"{'C' * length}O" for length in range(1, 31)]


def test_explanations_end_with_the_time_of_a_request(tmp_path: Path, slow: list[str]) -> None:
    """A request that would take longer is answered with how far it came, and its work stops; the next comes further."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0, explained=True)
    with TestClient(create_app(Settings(poll_seconds=0.02, request_seconds=0.5), store)) as client:
        client.post("/v1/predict", json={"smiles": LOADS})
        body = {"smiles": LOADS, "include": ["explanation"]}
        answers = [client.post("/v1/predict", json=body)]
        seen = len(slow)
        time.sleep(0.3)
        assert len(slow) == seen
        answers += [client.post("/v1/predict", json=body) for _ in range(12) if answers[-1].status_code == 503]

    assert (answers[0].status_code, answers[0].json()["code"]) == (503, "overdue")
    assert f"of {len(LOADS)} molecules" in answers[0].json()["detail"]
    assert answers[-1].status_code == 200
    assert sorted(slow) == sorted(set(slow)), "no explanation is made twice"


def test_a_molecule_too_large_to_be_explained_is_predicted(tmp_path: Path, slow: list[str]) -> None:
    """Beyond the bound an explanation is null, at no cost, and everything else of the answer is there."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0, explained=True)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        small, large = entries(
            client, "C" * MOST_EXPLAINED_ATOMS, "C" * (MOST_EXPLAINED_ATOMS + 1), include=["explanation"]
        )

    assert len(small["endpoints"]["logs"]["explanation"]["atoms"]) == MOST_EXPLAINED_ATOMS
    assert large["endpoints"]["logs"]["explanation"] is None
    assert slow == ["C" * MOST_EXPLAINED_ATOMS]


def test_explanations_keep_nobody_waiting(tmp_path: Path, slow: list[str]) -> None:
    """While requests for explanations fill their threads, predictions and the page are answered at once."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0, explained=True)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client, ThreadPoolExecutor(4) as pool:
        body = {"smiles": LOADS[:20], "include": ["explanation"]}
        attack = [pool.submit(client.post, "/v1/predict", json={**body, "smiles": LOADS[k : k + 20]}) for k in range(4)]
        time.sleep(0.1)
        begun = time.monotonic()
        assert client.post("/v1/predict", json={"smiles": ["CCS"], "include": ["neighbours"]}).status_code == 200
        assert client.post("/", data={"smiles": "CCS"}).status_code == 200
        taken = time.monotonic() - begun
        explained = len(slow)
        assert [each.result().status_code for each in attack] == [200] * 4

    assert explained < 30, "they were still at it"
    assert taken < 1.0


def test_work_is_cancelled_when_its_client_leaves() -> None:
    """Nobody is waited for who is gone; who stays gets the answer."""

    class Visitor:
        def __init__(self, *, stays: float) -> None:
            self._stays = stays

        async def receive(self) -> dict[str, str]:
            await asyncio.sleep(self._stays)
            return {"type": "http.disconnect"}

    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "answer"

    async def test() -> None:
        stays: Any = Visitor(stays=5)
        leaves: Any = Visitor(stays=0)
        assert await unless_left(stays, work()) == "answer"
        with pytest.raises(ProblemError) as fault:
            await unless_left(leaves, work())
        await asyncio.sleep(0)
        assert fault.value.code == "client-left"

    asyncio.run(test())
    assert ended == ["cancelled"]


def test_a_measured_pair_is_shown_only_where_neighbours_are(tmp_path: Path) -> None:
    """With both asked for, groups and a pair are beside the atoms; a service that hides neighbours shows no pair."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0, explained=True)
    asked = "CCOC(=O)c1ccccc1O"
    for shown in (True, False):
        with TestClient(create_app(Settings(poll_seconds=0.02, show_neighbours=shown), store)) as client:
            include = ["explanation", "neighbours"] if shown else ["explanation"]
            why = entries(client, asked, include=include)[0]["endpoints"]["logs"]["explanation"]
            page = client.post("/page/why", data={"smiles": asked, "endpoint": "logs"}).text

        assert sorted(atom for each in why["fragments"] for atom in each["atoms"]) == list(range(len(why["atoms"])))
        assert ("Nearest measured pair" in page) == shown
        assert "Its groups" in page
        if not shown:
            assert "pair" not in why
            continue
        assert why["pair"]["group"] != why["pair"]["instead"]
        known = {each.smiles for each in training_molecules()}
        assert {why["pair"][each]["smiles"] for each in ("having", "other")} <= known
