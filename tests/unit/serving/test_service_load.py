"""The service under more than it can take, and under molecules that never end; over HTTP, in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.policies import standardise
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

HANGS = "CCCCCCCCCCCl"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with one champion."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", onnx_bias=0.0)
    return store


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let one molecule hold the thread that parses it until the event is set."""
    released, parse = threading.Event(), standardise

    def slow(text: str, *args: Any, **options: Any) -> Any:
        if text == HANGS:
            released.wait(20)
        return parse(text, *args, **options)

    monkeypatch.setattr(
        "serving.inference.engine.chemistry_process", lambda room, needed: nullcontext()
    )  # it is held here
    monkeypatch.setattr("model_zoo.inference.chemistry.standardise", slow)
    yield released
    released.set()


def wait(condition: Callable[[], bool]) -> None:
    """Wait for something that happens on another thread."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not happen within ten seconds"
        time.sleep(0.005)


def ask(client: TestClient[Any], *smiles: str) -> Any:
    """Ask for a prediction."""
    return client.post("/v1/predict", json={"smiles": list(smiles)})


def test_a_molecule_that_never_ends_is_answered_as_timed_out(store: FolderStore, held: threading.Event) -> None:
    """The molecule gets the code `timeout`; those beside it are predicted, and the service continues."""
    with TestClient(create_app(Settings(batch_seconds=0.2), store)) as client:
        before, hung, after = ask(client, "CCO", HANGS, "CCN").json()["predictions"]
        again = ask(client, HANGS).json()["predictions"][0]
        other = ask(client, "CCC").json()["predictions"][0]
        held.set()

    assert (hung["error"]["code"], again["error"]["code"]) == ("timeout", "timeout")
    assert all("endpoints" in entry for entry in (before, after, other))


def test_a_full_queue_refuses_with_a_time_to_come_back(store: FolderStore, held: threading.Event) -> None:
    """Past the bound a request is a 503 problem with Retry-After; known molecules are answered all the same."""
    settings = Settings(batch_seconds=20, queue_molecules=1, request_seconds=20)
    app = create_app(settings, store)
    batches = app.state.engine.batches
    batches._threads = 1
    with TestClient(app) as client, ThreadPoolExecutor(2) as threads:
        assert ask(client, "CCO").status_code == 200
        holding = threads.submit(ask, client, HANGS)
        wait(lambda: bool(batches._busy))
        waiting = threads.submit(ask, client, "CCCC")
        wait(lambda: batches.waiting > 0)
        refused, known = ask(client, "CCN"), ask(client, "CCO")
        held.set()

        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        assert known.status_code == 200
        assert [each.result().status_code for each in (holding, waiting)] == [200, 200]


def test_none_of_sixty_four_requests_at_once_fails(store: FolderStore) -> None:
    """Requests that come together are all answered, each with its own molecules."""
    with TestClient(create_app(Settings(), store)) as client, ThreadPoolExecutor(64) as threads:
        wanted = [["C" * (number % 20 + 1) + "O", f"C{number}", "N" + "C" * number] for number in range(1, 65)]
        answers = list(threads.map(lambda smiles: ask(client, *smiles), wanted))

    assert [answer.status_code for answer in answers] == [200] * 64
    assert [[entry["smiles"] for entry in answer.json()["predictions"]] for answer in answers] == wanted
