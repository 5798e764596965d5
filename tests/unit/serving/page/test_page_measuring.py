"""What the page says of challengers, and measured values that are sent from it; without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.monitoring.prediction_log import PredictionLog
from serving.app import create_app
from serving.auth.keys import KeyStore
from serving.settings import Settings
from tests.bundle_factory import publish, write

FRAGMENT = {"x-fragment": "part"}
SMILES = [f"{'C' * number}O" for number in range(1, 9)]
Client = TestClient[Any]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with a regression and a binary endpoint."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="solubility_logs", onnx_bias=-1.0)
    publish(store, tmp_path / "b", endpoint="bbb", value=0.8, binary=True)
    return store


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> Iterator[Client]:
    """Run the service with a live record."""
    with TestClient(create_app(Settings(poll_seconds=0.02, record=tmp_path / "record"), store)) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    """Show a key."""
    return {**FRAGMENT, "authorization": f"Bearer {key}"}


def why(client: Client, endpoint: str, headers: dict[str, str] = FRAGMENT) -> str:
    """Ask what is behind a prediction."""
    return client.post("/page/why", data={"smiles": "CCO ethanol", "endpoint": endpoint}, headers=headers).text


def report(client: Client, endpoint: str, value: str, headers: dict[str, str] = FRAGMENT) -> Any:
    """Send a measured value as the page does."""
    fields = {"smiles": "CCO", "endpoint": endpoint, "value": value, "source": "flask"}
    return client.post("/page/measured", data=fields, headers=headers)


def test_a_split_is_told_and_every_value_names_who_gave_it(store: FolderStore, tmp_path: Path) -> None:
    """The page says how many molecules a challenger answers; card, table and file name it where it did."""
    write(tmp_path / "c", endpoint="solubility_logs", onnx_bias=5.0)
    version = store.put_bundle(tmp_path / "c")
    store.update_pointer(lambda now: now.put_on_trial({"solubility_logs": (version, "split", 0.5)}, by="test"))
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        page = client.post("/", data={"smiles": "\n".join(SMILES)}, headers=FRAGMENT).text
        file = client.post("/page/csv", data={"smiles": "\n".join(SMILES)}).text
        entries = client.post("/v1/predict", json={"smiles": SMILES}).json()["predictions"]

    given = [entry["endpoints"]["solubility_logs"]["champion"] for entry in entries]
    assert 0 < given.count(version) < len(SMILES)
    assert f"{version} answers for 50 % of the molecules" in page
    assert page.count(">challenger on trial<") == given.count(version)
    assert page.count(">trial<") == given.count(version)
    assert [re.findall(r"linear-[0-9a-f]{12}", line)[0] for line in file.splitlines()[1:]] == given


def test_a_measured_value_is_stored_and_compared(client: Client, tmp_path: Path) -> None:
    """The form beneath an explanation takes a value with a comma, and the answer says how it compares."""
    form = why(client, "solubility_logs")
    stored = report(client, "solubility_logs", "\N{MINUS SIGN}1,25")
    binary = report(client, "bbb", "1")

    assert 'action="/page/measured"' in form
    assert "log10 mol/L" in form
    assert "You measured \N{MINUS SIGN}1.25; the model says" in stored.text
    assert re.search("your value is (inside|outside) its interval of about 90 %", stored.text)
    assert "You measured yes; the model gives yes 80 %" in binary.text
    with closing(PredictionLog(tmp_path / "record")) as record:
        assert [row.value for row in record.measurements("solubility_logs")] == [-1.25]


def test_what_is_no_measurement_is_refused_in_words(client: Client) -> None:
    """No words, no class of 2 and no number of two meanings are stored; no other site can make a browser send one."""
    twice = [report(client, "solubility_logs", text) for text in ("1,234", ">1,000", "-12,345", "1,234 nM")]
    words, third, foreign = report(client, "bbb", "soluble"), report(client, "bbb", "2"), report(client, "bbb", "1", {})

    assert [answer.status_code for answer in twice] == [422] * 4
    assert "'1,234' is 1.234 (decimal ',') or 1234 (decimal '.', thousands ',')" in twice[0].json()["detail"]
    assert (words.status_code, foreign.status_code) == (422, 403)
    assert "Not stored: expected class 0 or 1" in third.text


def test_the_form_is_offered_to_those_who_may_report(store: FolderStore, tmp_path: Path) -> None:
    """A key to predict sees no form and cannot send; without a record there is no form at all."""
    keys = KeyStore(tmp_path / "keys.sqlite")
    reader, lab = (keys.create("a key", scopes)[1] for scopes in (["predict"], ["predict", "feedback"]))
    settings = Settings(poll_seconds=0.02, record=tmp_path / "record", folder=tmp_path)
    with TestClient(create_app(settings, store)) as client:
        shown = [why(client, "bbb", bearer(key)) for key in (reader, lab)]
        refused = report(client, "bbb", "1", bearer(reader))
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        unrecorded = why(client, "bbb")

    assert ["/page/measured" in text for text in shown] == [False, True]
    assert refused.status_code == 403
    assert "/page/measured" not in unrecorded


def test_a_form_that_asked_for_another_unit_is_refused(client: Client, tmp_path: Path) -> None:
    """A page may be open while a champion in another unit comes: its number would be read as one in the new unit."""
    fields = {"smiles": "CCO", "endpoint": "solubility_logs", "value": "120", "unit": "nM"}
    answer = client.post("/page/measured", data=fields, headers=FRAGMENT)

    assert 'name="unit" value="log10 mol/L"' in why(client, "solubility_logs")
    assert answer.status_code == 422
    assert "expected a value in log10 mol/L, got one in nM" in answer.json()["detail"]
    with closing(PredictionLog(tmp_path / "record")) as record:
        assert record.measurements("solubility_logs") == []
