"""Measured values that come back move the intervals that are given: at once, everywhere, and until taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.monitoring.molecule_hasher import KEY_FILE
from model_zoo.monitoring.prediction_log import PredictionLog, PredictionRow
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

ENDPOINT = "solubility_logs"
MOLECULES = [f"{'C' * length}{end}" for length in range(6, 16) for end in ("Br", "I", "N", "S", "C=C", "C#N")]


@contextmanager
def service(store: FolderStore, record: Path) -> Iterator[TestClient[Any]]:
    """Run the service on a store and a live record."""
    with TestClient(create_app(Settings(poll_seconds=0.02, record=record), store)) as client:
        client.base_url = "http://127.0.0.1:8000"
        yield client


def report(client: TestClient[Any], error: float) -> list[dict[str, Any]]:
    """Report a value for each molecule that is so far above what is predicted."""
    # Numbers that are all the same are no measurements.
    sent: list[dict[str, Any]] = [
        {"smiles": each, "endpoint": ENDPOINT, "value": -1.0 + error + place / 1e4, "name": each}
        for place, each in enumerate(MOLECULES)
    ]
    answer = client.post("/v1/feedback", json={"measurements": sent})
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == len(MOLECULES)
    results: list[dict[str, Any]] = answer.json()["measurements"]
    return results


def predicted(client: TestClient[Any]) -> dict[str, Any]:
    """Return the prediction of one molecule."""
    entry: dict[str, Any] = client.post("/v1/predict", json={"smiles": ["CCO"]}).json()["predictions"][0]
    found: dict[str, Any] = entry["endpoints"][ENDPOINT]
    return found


def wait(condition: Callable[[], bool]) -> None:
    """Wait until the service has looked at its record."""
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until, "it did not happen within fifteen seconds"
        time.sleep(0.05)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store whose champion says -1 of everything, plus or minus 0.8."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", endpoint=ENDPOINT, value=-1.0)
    return store


def test_intervals_widen_where_values_lie_outside_and_the_answer_says_so(store: FolderStore, tmp_path: Path) -> None:
    """What is remembered changes too; another worker and a restart come to the same; a decision takes it back."""
    with service(store, tmp_path / "record") as client, service(store, tmp_path / "record") as other:
        assert predicted(client)["interval"] == [-1.8, pytest.approx(-0.2)]
        assert (predicted(client)["interval_factor"], predicted(client)["calibration"]) == (1.0, "bundle")
        first = report(client, error=1.5)
        assert first[0]["prediction"]["interval"] == [-1.8, pytest.approx(-0.2)]
        wait(lambda: predicted(client)["interval_factor"] > 1.5 and predicted(other) == predicted(client))
        wide = predicted(client)
        half = 0.8 * wide["interval_factor"]
        assert wide["interval"] == [pytest.approx(-1 - half), pytest.approx(-1 + half)]
        assert wide["calibration"].startswith(f"returned-{len(MOLECULES)}-")

        shown = client.get(f"/v1/calibrations/{ENDPOINT}").json()
        assert (shown["factor"], shown["values"], shown["callers"]) == (wide["interval_factor"], 60, {"": 60})
        assert shown["own_coverage"] == shown["recent_coverage"] == 0.0
        assert [number for _, number, _ in shown["history"]] == [10, 20, 30, 40, 50, 60]
        text = client.get("/metrics").text
        assert f'aidrug_interval_factor{{endpoint="{ENDPOINT}"}} {wide["interval_factor"]}' in text
        assert f'aidrug_returned_values{{endpoint="{ENDPOINT}"}} 60.0' in text
        assert f"{len(MOLECULES)} measured" in client.get(f"/models/{ENDPOINT}").text

        off = client.post(f"/v1/calibrations/{ENDPOINT}", json={"active": False})
        assert (off.status_code, off.json()["factor"]) == (200, 1.0)
        assert predicted(client)["interval"] == [-1.8, pytest.approx(-0.2)]
        wait(lambda: predicted(other)["calibration"] == "bundle")
        assert client.post(f"/v1/calibrations/{ENDPOINT}", json={}).json()["factor"] == wide["interval_factor"]
    with service(store, tmp_path / "record") as again:
        assert predicted(again) == wide


def test_values_that_are_taken_back_leave_no_trace(store: FolderStore, tmp_path: Path) -> None:
    """Withdrawn by name, they no longer count; names without a value are reported."""
    with service(store, tmp_path / "record") as client:
        report(client, error=1.5)
        wait(lambda: predicted(client)["interval_factor"] > 1.5)
        gone = client.post("/v1/feedback/withdraw", json={"endpoint": ENDPOINT, "names": [*MOLECULES[:40], "never"]})
        assert gone.json() == {"withdrawn": MOLECULES[:40], "unknown": ["never"]}
        wait(lambda: predicted(client)["calibration"] == "bundle")
        assert client.get(f"/v1/calibrations/{ENDPOINT}").json()["values"] == 20


def test_another_champion_begins_with_its_own_intervals(store: FolderStore, tmp_path: Path) -> None:
    """What was measured of one version says nothing of the next one's intervals."""
    with service(store, tmp_path / "record") as client:
        report(client, error=1.5)
        wait(lambda: predicted(client)["interval_factor"] > 1.5)
        version = publish(store, tmp_path / "next", endpoint=ENDPOINT, value=0.5)
        wait(lambda: predicted(client)["champion"] == version)
        assert predicted(client)["calibration"] == "bundle"
        assert predicted(client)["interval"] == [pytest.approx(-0.3), 1.3]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/calibrations/nothing", {}, 404),
        (f"/v1/calibrations/{ENDPOINT}", {"factor": 2.0}, 400),
        (f"/v1/calibrations/{ENDPOINT}", {"since": -1}, 400),
        ("/v1/feedback/withdraw", {"endpoint": ENDPOINT, "names": []}, 400),
    ],
)
def test_a_bad_decision_is_refused(
    store: FolderStore, tmp_path: Path, path: str, body: dict[str, Any], status: int
) -> None:
    """Nobody sets a factor by hand; unknown endpoints and empty lists are refused."""
    with service(store, tmp_path / "record") as client:
        answer = client.post(path, json=body)
        assert answer.status_code in (status, 422), answer.text


def test_a_prediction_long_after_the_value_counts_in_every_worker(store: FolderStore, tmp_path: Path) -> None:
    """Asked for molecules that were measured under the champion before, each worker comes to what a new one reads."""
    with service(store, tmp_path / "record") as client:
        report(client, error=1.5)
        wait(lambda: predicted(client)["interval_factor"] > 1.5)
        publish(store, tmp_path / "next", endpoint=ENDPOINT, value=0.5)
        wait(lambda: predicted(client)["calibration"] == "bundle")
        recalibrator = client.app.state.engine.recalibrator
        for _ in range(30):
            recalibrator.look()
        assert client.post("/v1/predict", json={"smiles": MOLECULES}).status_code == 200
        wait(lambda: predicted(client)["calibration"].startswith("returned-60"))
        recalibrator.look()
        found = predicted(client)
    with service(store, tmp_path / "record") as again:
        assert predicted(again) == found


def test_a_restart_in_the_future_is_refused(store: FolderStore, tmp_path: Path) -> None:
    """Milliseconds, as a browser counts them, would leave out all values for ever."""
    with service(store, tmp_path / "record") as client:
        answer = client.post(f"/v1/calibrations/{ENDPOINT}", json={"since": time.time() * 1000})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
        assert "seconds since 1970 that have passed" in answer.json()["detail"]
        assert client.post(f"/v1/calibrations/{ENDPOINT}", json={"since": time.time()}).status_code == 200


def test_a_record_that_is_removed_begins_again(store: FolderStore, tmp_path: Path) -> None:
    """A running service writes to the record that is there, under its key, and not to the one that was."""
    folder = tmp_path / "record"
    with service(store, folder) as client:
        predicted(client)
        wait(lambda: len(list(_recorded(folder))) == 1)
        for path in folder.iterdir():
            path.unlink()
        predicted(client)
        wait(lambda: len(list(_recorded(folder))) == 1)
        assert (folder / KEY_FILE).exists()


def _recorded(folder: Path) -> Iterator[PredictionRow]:
    with closing(PredictionLog(folder)) as record:
        yield from record.predictions(ENDPOINT)
