"""What a run is making and which champions are provisional, as API, client, card and page report it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.model_card import limits, to_markdown
from model_zoo.bundles.progress import EndpointProgress, ModelProgress, Progress, State, as_bytes
from model_zoo.bundles.store import FolderStore
from model_zoo.errors import StoreError
from serving.app import create_app
from serving.champions.training_progress import FOLDER_SECONDS, OTHER_SECONDS, TrainingProgress
from serving.client.answers import Champion, Endpoint, Prediction, read
from serving.settings import Settings
from tests.bundle_factory import model_card, publish

BOARD = [{"model": name, "signature": name, "cv": 1.0, "cv_std": 0.1} for name in ("naive", "xgb")]
PROVISIONAL = {"endpoint": {"title": "Solubility"}, "leaderboard": BOARD, "awaited": ["catboost", "gp", "svm"]}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return an empty store."""
    return FolderStore(tmp_path / "store")


@contextmanager
def service(store: Any) -> Iterator[TestClient[Any]]:
    """Run the service on a store."""
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        yield client


def wait_until_it_serves(client: TestClient[Any]) -> None:
    """Wait for the first champion."""
    until = time.monotonic() + 10
    while client.get("/health/ready").status_code == 503:
        assert time.monotonic() < until, "it did not happen within ten seconds"
        time.sleep(0.02)


def endpoint(name: str, state: State, *models: State) -> EndpointProgress:
    """Return how far an endpoint is, with models in these states."""
    names = ("naive", "xgb", "catboost", "gp")
    given = tuple(ModelProgress(name=model, state=each) for model, each in zip(names, models, strict=False))
    return EndpointProgress(name=name, title=name.upper(), state=state, models=given)


def news(*endpoints: EndpointProgress, age: float = 0, **fields: Any) -> Progress:
    """Return what a run said some seconds ago."""
    at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    values: dict[str, Any] = {"done": 9, "total": 40, "remaining_s": 170.0, **fields}
    return Progress(began=at, at=at, endpoints=endpoints, **values)


def test_health_tells_what_is_being_made(store: FolderStore, tmp_path: Path) -> None:
    """Who waits sees which endpoints serve, serve provisionally, are being made and wait; a probe sees what it saw."""
    publish(store, tmp_path / "a", endpoint="logs", card=PROVISIONAL)
    publish(store, tmp_path / "b", endpoint="bbb")
    progress = news(
        endpoint("logs", "making", "made", "made", "making"),
        endpoint("bbb", "made", "made"),
        endpoint("herg", "waiting"),
    )
    store.write_progress(as_bytes(progress))
    with service(store) as client:
        answer = client.get("/health/ready")

    body = answer.json()
    assert (answer.status_code, body["status"], list(body["endpoints"])) == (200, "ready", ["bbb", "logs"])
    assert [each["provisional"] for each in body["endpoints"].values()] == [False, True]
    assert body["making"] == {
        "began": progress.began,
        "at": progress.at,
        "done": 9,
        "total": 40,
        "remaining_s": 170.0,
        "learnt": False,
        "endpoints": [
            {"endpoint": "logs", "state": "making", "models_done": 2, "models": 3, "serves": True, "provisional": True},
            {"endpoint": "bbb", "state": "made", "models_done": 1, "models": 1, "serves": True, "provisional": False},
            {"endpoint": "herg", "state": "waiting", "models_done": 0, "models": 0, "serves": False,
             "provisional": False},
        ],
    }  # fmt: skip


def test_health_says_no_more_without_a_key_than_it_did(store: FolderStore) -> None:
    """Health needs no key, so that it names endpoints, as ever, and neither their titles nor the models to come."""
    store.write_progress(as_bytes(news(endpoint("herg", "making", "made", "made", "making"))))
    with service(store) as client:
        answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["making"]["endpoints"][0]["endpoint"] == "herg"
    assert "HERG" not in answer.text
    assert "catboost" not in answer.text


def test_bad_news_is_no_news(store: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is beside the pointer, or nothing, the service serves and says nothing of it, in the log neither."""
    publish(store, tmp_path / "a", endpoint="logs")
    timeless = news().model_copy(update={"at": "yesterday"})
    bad = [None, b"", b"{", b"[]", b"\xff", b'{"at": 5}', as_bytes(news(age=90)), as_bytes(timeless)]
    with caplog.at_level(logging.WARNING), service(store) as client:
        making: TrainingProgress = client.app.state.engine.training_progress
        for content in bad:
            store.write_progress(content)
            making.look()
            ready = client.get("/health/ready").json()
            banner = client.get("/page/making")
            assert (ready["making"], ready["store_error"], list(ready["endpoints"])) == (None, None, ["logs"])
            assert (banner.status_code, banner.text.strip()) == (200, "")

    assert not caplog.records


def test_an_estimate_that_is_none_is_left_out(store: FolderStore) -> None:
    """An estimate that is not a number of seconds is no estimate."""
    for left in (float("nan"), float("inf"), -5.0):
        store.write_progress(as_bytes(news()).replace(b"170.0", str(left).replace("inf", "Infinity").encode()))
        making = TrainingProgress(store, 0.02)
        making.look()
        assert making.progress is None or making.progress.remaining_s is None


def test_news_is_read_seldom_and_grows_old(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is looked at every two seconds, another store every fifteen; out of reach, it says nothing new."""
    store.write_progress(as_bytes(news()))
    making = TrainingProgress(store, 0.02)
    making.look()

    def out_of_reach() -> bytes | None:
        raise StoreError("the store does not answer")

    monkeypatch.setattr(store, "read_progress_bytes", out_of_reach)
    making.look()
    assert making.progress is not None
    assert [making._pause, TrainingProgress(store, 30.0)._pause] == [FOLDER_SECONDS, 30.0]
    assert TrainingProgress(object(), 0.5)._pause == OTHER_SECONDS  # type: ignore[arg-type]


def test_a_run_that_ends_is_seen(store: FolderStore) -> None:
    """When the run removes its news, nothing is being made any more."""
    store.write_progress(as_bytes(news()))
    with service(store) as client:
        making: TrainingProgress = client.app.state.engine.training_progress
        before = client.get("/health/ready").json()["making"]
        store.write_progress(None)
        making.look()
        after = client.get("/health/ready").json()["making"]

    assert (before["done"], after) == (9, None)


def test_who_asks_too_early_is_told_when(store: FolderStore, tmp_path: Path) -> None:
    """An endpoint that is still being made is unknown, as ever, and the detail says so and about when it will be."""
    making = "herg is being made (1 of 3 models are done) in a run that ends in about 3 minutes (a first guess)"
    progress = news(endpoint("herg", "making", "made", "making", "waiting"), endpoint("logp", "failed"))
    store.write_progress(as_bytes(progress))
    with service(store) as client:
        nothing = client.post("/v1/predict", json={"smiles": ["C"]})
        publish(store, tmp_path / "a", endpoint="logs")
        wait_until_it_serves(client)
        asked = [client.get(f"/v1/{kind}/herg") for kind in ("endpoints", "champions", "leaderboards")]
        asked.append(client.get("/v2/models/herg"))
        predicted = client.post("/v1/predict", json={"smiles": ["C"], "endpoints": ["herg"]})
        job = client.post("/v1/jobs", json={"smiles": ["C"], "endpoints": ["herg"]})
        lost = client.get("/v1/endpoints/logp").json()["detail"]
        other = client.get("/v1/endpoints/hergg").json()["detail"]
        page = client.get("/models/herg")

    assert (nothing.status_code, nothing.json()["code"]) == (503, "no-champion")
    assert making in nothing.json()["detail"]
    for answer in asked:
        assert answer.status_code == 404
        assert making in answer.text
    for answer in (predicted, job):
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown-endpoints")
        assert making in answer.json()["detail"]
    assert "logp could not be made" in lost
    assert other == "expected one of logs, got 'hergg'"
    assert page.status_code == 404
    assert making in page.text


def test_provisional_goes_through_to_the_client(store: FolderStore, tmp_path: Path) -> None:
    """Predictions, files, endpoints and champions say whether their model is provisional, and the client too."""
    publish(store, tmp_path / "a", endpoint="logs", card=PROVISIONAL)
    publish(store, tmp_path / "b", endpoint="bbb")
    with service(store) as client:
        body = client.post("/v1/predict", json={"smiles": ["CCO"]}).json()["predictions"][0]
        endpoints = client.get("/v1/endpoints").json()
        champion = client.get("/v1/champions/logs").json()
        file = client.post("/page/csv", data={"smiles": "CCO"}).text

    provisional = {name: each.provisional for name, each in read(Prediction, body).endpoints.items()}
    assert provisional == {"bbb": False, "logs": True}
    assert [read(Endpoint, each).awaited for each in endpoints] == [[], ["catboost", "gp", "svm"]]
    assert read(Champion, champion).provisional
    assert champion["awaited"] == PROVISIONAL["awaited"]
    assert "**Provisional champion**, elected among 2 of 5 models." in champion["card_markdown"]
    names, values = (line.split(",") for line in file.splitlines()[:2])
    assert values[names.index("logs_provisional")] == "True"


@pytest.mark.parametrize("card", [{}, {"awaited": []}, {"awaited": None}, {"awaited": "catboost"}])
def test_a_complete_leaderboard_has_an_ordinary_champion(card: dict[str, Any]) -> None:
    """A card that awaits nobody says nothing of it."""
    whole = model_card({"endpoint": {"title": "Solubility"}, **card})

    assert "rovisional" not in to_markdown(whole)
    assert len(limits(whole)) == 1


def test_a_card_says_first_that_it_is_provisional() -> None:
    """The card says right beneath its title what it was elected among and what it awaits; the limits say it briefly."""
    card = model_card(PROVISIONAL)
    title, notice = to_markdown(card).split("\n\n")[:2]

    assert title.startswith("# Solubility")
    assert "Still awaited: catboost, gp, svm." in notice
    assert limits(card)[0] == ("It is provisional: elected among 2 of 5 models, without these: catboost, gp, svm.")


def test_the_page_marks_provisional_values(store: FolderStore, tmp_path: Path) -> None:
    """Card, table, comparison, list of models, its page and operations mark a provisional champion, no other."""
    why = "elected among 2 of 5 models; the others are still to be trained"
    publish(store, tmp_path / "a", endpoint="logs", card=PROVISIONAL)
    publish(store, tmp_path / "b", endpoint="bbb")
    fields = {"smiles": "CCO\nCCN"}
    with service(store) as client:
        results = client.post("/", data=fields, headers={"x-fragment": "results"}).text
        beside = client.post("/page/compare", data=fields, headers={"x-fragment": "part"}).text
        pages = [client.get(path).text for path in ("/models", "/models/logs", "/operations")]
        other = client.get("/models/bbb").text

    assert results.count(f'class="provisional" title="{why}"') == 2
    assert results.count(f'class="provisional-mark" title="provisional: {why}"') == 2
    assert "Logs: the best of the models trained so far" in results
    for page in (beside, *pages):
        assert page.count(f'class="provisional" title="{why}"') == (2 if page is beside else 1)
    assert "Awaited: catboost, gp, svm" in pages[1]
    assert "rovisional" not in other


def test_the_banner_names_what_serves_and_what_comes(store: FolderStore, tmp_path: Path) -> None:
    """While a run is at work the pages say what serves, what is trained, what is next, and about how long it takes."""
    store.write_progress(as_bytes(news(endpoint("herg", "making", "made", "making"), endpoint("logp", "waiting"))))
    with service(store) as client:
        empty = client.get("/").text
        publish(store, tmp_path / "a", endpoint="logs", card=PROVISIONAL)
        wait_until_it_serves(client)
        pages = [client.get(path).text for path in ("/", "/operations", "/page/making")]

    for words in ("HERG comes first", "about 3 minutes until all are trained", "(first guess)", "still being trained"):
        assert words in empty
    for page in pages:
        for words in (
            "1 of 3 properties can be predicted already, 1 of them by a provisional model",
            "<dt>Serving</dt><dd>Logs (provisional)</dd>",
            "<dt>Being trained</dt><dd>HERG (1 of 2 models, now xgb)</dd>",
            "<dt>Next</dt><dd>LOGP</dd>",
            "about 3 minutes left",
            '<progress value="9" max="40"',
        ):
            assert words in page
