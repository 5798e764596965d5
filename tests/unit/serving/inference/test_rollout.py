"""Challengers on trial and measured values, over HTTP in this process."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore, Pointer
from model_zoo.errors import StoreError
from model_zoo.monitoring.prediction_log import FILE, PredictionLog, PredictionRow
from model_zoo.monitoring.rollout import RolloutMode
from serving.app import create_app
from serving.inference.rollout import in_split
from serving.settings import Settings
from tests.bundle_factory import publish, write

Client = TestClient[Any]
SOLUBILITY = "solubility_logs"
SMILES = ["C" * n for n in range(1, 21)]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return an empty store."""
    return FolderStore(tmp_path / "store")


@contextmanager
def service(store: FolderStore, record: Path | None) -> Iterator[Client]:
    """Run the service on a store."""
    with TestClient(create_app(Settings(poll_seconds=0.02, record=record), store)) as client:
        yield client


def put_on_trial(store: FolderStore, folder: Path, mode: RolloutMode, share: float = 0.5, **options: Any) -> str:
    """Publish a challenger beside the champion; give its version."""
    write(folder, **options)
    version = store.put_bundle(folder)
    store.update_pointer(lambda pointer: pointer.put_on_trial({SOLUBILITY: (version, mode, share)}, by="test"))
    return version


def predict(client: Client, smiles: list[str]) -> list[dict[str, Any]]:
    """Predict, and return what is said of solubility per molecule."""
    response = client.post("/v1/predict", json={"smiles": smiles})
    assert response.status_code == 200, response.text
    return [entry["endpoints"][SOLUBILITY] for entry in response.json()["predictions"]]


def report(client: Client, *measurements: dict[str, Any]) -> dict[str, Any]:
    """Report measured values."""
    response = client.post("/v1/feedback", json={"measurements": list(measurements)})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def rows(folder: Path) -> list[PredictionRow]:
    """Read the record's predictions."""
    record = PredictionLog(folder)
    try:
        return list(record.predictions(SOLUBILITY))
    finally:
        record.close()


def wait(condition: Callable[[], bool]) -> None:
    """Wait for what happens behind the answer."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not happen within ten seconds"
        time.sleep(0.02)


def test_a_split_answers_for_its_share_and_always_for_the_same_molecules(store: FolderStore, tmp_path: Path) -> None:
    """Each molecule has its arm, the answer says which, and the record holds both versions of a challenger's."""
    champion = publish(store, tmp_path / "a", value=-1.0)
    challenger = put_on_trial(store, tmp_path / "b", "split", value=-3.0)
    with service(store, tmp_path / "live") as client:
        first = predict(client, SMILES)
        again = [predict(client, [smiles])[0] for smiles in reversed(SMILES)][::-1]
    assert [item["role"] for item in first] == [item["role"] for item in again]
    for smiles, item in zip(SMILES, first, strict=True):
        expected = ("challenger", challenger, -3.0) if in_split(smiles, challenger, 0.5) else ("champion", champion, -1)
        assert (item["role"], item["champion"], item["value"]) == expected
    assert {item["role"] for item in first} == {"champion", "challenger"}
    asked_twice = [row for row in rows(tmp_path / "live") if row.role == "challenger"]
    assert len(asked_twice) == 2 * sum(item["role"] == "challenger" for item in first)
    assert len(rows(tmp_path / "live")) - len(asked_twice) == 2 * len(SMILES)


@pytest.mark.parametrize(
    ("fields", "answers"), [({}, True), ({"display_unit": "mol/L"}, False), ({"unit": "%"}, False)]
)
def test_a_challenger_in_other_units_answers_for_nobody(
    store: FolderStore, tmp_path: Path, fields: dict[str, Any], answers: bool
) -> None:
    """A table's column has one unit: after a rollback over a change of units the champion answers alone."""
    publish(store, tmp_path / "a", value=-1.0)
    put_on_trial(store, tmp_path / "b", "split", value=-3.0, **fields)
    with service(store, None) as client:
        page = client.post("/", data={"smiles": "\n".join(SMILES)}, headers={"x-fragment": "part"}).text
        assert ({item["role"] for item in predict(client, SMILES)} == {"champion", "challenger"}) == answers
    assert ("answers for 50 % of the molecules" in page) == answers


def test_a_shadow_predicts_the_same_and_nobody_is_told(store: FolderStore, tmp_path: Path) -> None:
    """Answers are the champion's alone; the record holds the challenger's as not answered."""
    champion = publish(store, tmp_path / "a", value=-1.0)
    challenger = put_on_trial(store, tmp_path / "b", "shadow", value=-3.0)
    with service(store, tmp_path / "live") as client:
        assert {item["champion"] for item in predict(client, [*SMILES])} == {champion}
        wait(lambda: len(rows(tmp_path / "live")) == 2 * len(SMILES))
    hidden = [row for row in rows(tmp_path / "live") if row.version == challenger]
    assert {(row.role, row.answered, row.value) for row in hidden} == {("challenger", False, -3.0)}
    assert {row.molecule for row in hidden} == {row.molecule for row in rows(tmp_path / "live")}


def test_a_challenger_that_cannot_be_loaded_costs_nothing(store: FolderStore, tmp_path: Path) -> None:
    """The champion answers alone; the service is ready."""
    champion = publish(store, tmp_path / "a", value=-1.0)
    lost = put_on_trial(store, tmp_path / "b", "split", 0.9, value=-3.0)
    shutil.rmtree(store.bundle_folder(SOLUBILITY, lost))
    with service(store, tmp_path / "live") as client:
        assert {item["champion"] for item in predict(client, SMILES)} == {champion}
        assert client.get("/health/ready").status_code == 200


def test_promoting_swaps_and_holds_the_former_champion(store: FolderStore, tmp_path: Path) -> None:
    """The challenger serves, the former champion does not return by itself, and rolling back works."""
    champion = publish(store, tmp_path / "a", value=-1.0)
    challenger = put_on_trial(store, tmp_path / "b", "split", value=-3.0)
    with service(store, None) as client:
        store.update_pointer(lambda pointer: pointer.promote(SOLUBILITY, by="test"))
        wait(lambda: {item["champion"] for item in predict(client, SMILES)} == {challenger})
    pointer = store.update_pointer(lambda pointer: pointer.appoint({SOLUBILITY: champion}, by="inference_service"))
    now = pointer.endpoints[SOLUBILITY]
    assert (now.version, now.superseded_version, now.challenger) == (challenger, champion, None)
    assert pointer.roll_back(SOLUBILITY, by="test").endpoints[SOLUBILITY].version == champion


def test_promoting_without_a_trial_is_refused() -> None:
    """There is nothing to promote."""
    with pytest.raises(StoreError, match="no challenger on trial"):
        Pointer().appoint({SOLUBILITY: "a"}, by="test").promote(SOLUBILITY, by="test")


def test_a_trial_keeps_its_date_and_ends_when_told() -> None:
    """The same trial wanted again changes nothing; other terms begin again; a serving version is on no trial."""
    pointer = Pointer().appoint({SOLUBILITY: "a"}, by="test")
    begun = pointer.put_on_trial({SOLUBILITY: ("b", "split", 0.2)}, by="test")
    assert begun.put_on_trial({SOLUBILITY: ("b", "split", 0.2)}, by="another") is begun
    assert begun.put_on_trial({SOLUBILITY: ("b", "shadow", 0.2)}, by="test").generation == begun.generation + 1
    assert begun.put_on_trial({SOLUBILITY: None}, by="test").endpoints[SOLUBILITY].challenger is None
    assert pointer.put_on_trial({SOLUBILITY: ("a", "split", 0.2)}, by="test") is pointer
    assert b"challenger" not in pointer.as_bytes()
    assert b"null" not in begun.as_bytes()


def test_measured_values_are_stored_beside_a_prediction(store: FolderStore, tmp_path: Path) -> None:
    """Every sound measurement is stored and compared; every other says why at its own index."""
    version = publish(store, tmp_path / "a", value=-1.0)
    publish(store, tmp_path / "b", endpoint="bbb", value=0.8, binary=True)
    with service(store, tmp_path / "live") as client:
        answer = report(
            client,
            {"smiles": "OCC", "endpoint": SOLUBILITY, "value": -0.5, "unit": "log10 mol/L", "source": "assay 7"},
            {"smiles": "no molecule", "endpoint": SOLUBILITY, "value": 1.0},
            {"smiles": "CCO", "endpoint": SOLUBILITY, "value": 3.1, "unit": "mg/L"},
            {"smiles": "CCO", "endpoint": "unheard_of", "value": 1.0},
            {"smiles": "CCO", "endpoint": "bbb", "value": 0.5},
            {"smiles": "CCO", "endpoint": "bbb", "value": 1},
        )
    assert answer["stored"] == 2
    entries = answer["measurements"]
    assert [entry.get("error", {}).get("code") for entry in entries] == [
        None, "invalid-smiles", "wrong-unit", "unknown-endpoint", "invalid-value", None,
    ]  # fmt: skip
    compared = entries[0]["prediction"]
    assert (compared["value"], compared["champion"], compared["reliability"]) == (-1.0, version, None)
    assert compared["interval"] == pytest.approx([-1.8, -0.2])
    record = PredictionLog(tmp_path / "live")
    (stored,) = record.measurements(SOLUBILITY)
    (predicted,) = record.predictions(SOLUBILITY)
    assert (stored.value, stored.source, stored.smiles) == (-0.5, "assay 7", None)
    assert predicted.molecule == stored.molecule
    assert not predicted.answered


def test_feedback_says_when_no_record_is_kept_or_it_cannot_be_written(store: FolderStore, tmp_path: Path) -> None:
    """Nothing is accepted that cannot be stored, and predictions continue."""
    publish(store, tmp_path / "a", value=-1.0)
    body = {"measurements": [{"smiles": "CCO", "endpoint": SOLUBILITY, "value": 1.0}]}
    with service(store, None) as client:
        refused = client.post("/v1/feedback", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "record-off")
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / FILE).write_bytes(b"no database" * 500)
    with service(store, tmp_path / "live") as client:
        failed = client.post("/v1/feedback", json=body)
        assert (failed.status_code, failed.json()["code"]) == (503, "record-unavailable")
        assert failed.headers["retry-after"]
        assert predict(client, ["CCO"])[0]["value"] == -1.0
