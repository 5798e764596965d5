"""A damaged store under a running service: nothing stops serving, everybody is informed, and a whole one ends it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.pointer import Pointer, parse_pointer
from model_zoo.bundles.store import FolderStore
from model_zoo.io.seal import sealed
from serving.app import create_app
from serving.champions.remembered_pointer import Remembered
from serving.settings import Settings
from tests.bundle_factory import publish, write

Client = TestClient[Any]
Damage = Callable[[FolderStore], object]
A, B = "solubility_logs", "bbb"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store of two endpoints in its third generation."""
    store = FolderStore(tmp_path / "store")
    for number, endpoint in enumerate((A, B, A)):
        publish(store, tmp_path / str(number), endpoint=endpoint, value=float(number))
    return store


@contextmanager
def service(store: FolderStore, folder: Path | None = None) -> Iterator[Client]:
    """Run the service on a store, with a folder for its own state."""
    with TestClient(create_app(Settings(poll_seconds=0.01, folder=folder), store)) as client:
        client.base_url = "http://127.0.0.1:8000"
        yield client


def ready(client: Client) -> dict[str, Any]:
    """Ask for the state."""
    state: dict[str, Any] = client.get("/health/ready").json()
    return state


def wait(client: Client, state: str, message: str = "") -> None:
    """Wait until the store's state is this, and this is said about it; a damage is not done in one step."""
    until = time.monotonic() + 10
    while (now := ready(client))["store_state"] != state or message not in str(now["store_error"]):
        assert time.monotonic() < until, now
        time.sleep(0.01)


def versions(client: Client) -> dict[str, str]:
    """Ask for a prediction; return which versions answered."""
    answer = client.post("/v1/predict", json={"smiles": ["CCO"]})
    assert answer.status_code == 200, answer.text
    return {name: each["champion"] for name, each in answer.json()["predictions"][0]["endpoints"].items()}


def pointer_of(store: FolderStore) -> Pointer:
    """Read the pointer."""
    return parse_pointer((store.root / "current.json").read_bytes())


def rewrite(store: FolderStore, **fields: Any) -> None:
    """Seal another pointer, as only a program that knows how could."""
    content = {**pointer_of(store).model_dump(mode="json", exclude_none=True), **fields}
    (store.root / "current.json").write_bytes(sealed(content))


ENTRY = {"since": "2026-01-31T12:00:00+00:00", "by": "test", "reason": "why not"}
DAMAGES: dict[str, tuple[Damage, str]] = {
    "gone": (lambda store: (store.root / "current.json").unlink(), "is gone, and published.json shows"),
    "folder gone": (lambda store: shutil.rmtree(store.root), "is gone, and so is the record"),
    "empty file": (lambda store: (store.root / "current.json").write_bytes(b""), "expected JSON"),
    "names nothing": (lambda store: rewrite(store, endpoints={}, generation=9), "at least one endpoint, got none"),
    "one byte": (
        lambda store: (store.root / "current.json").write_bytes(
            (store.root / "current.json").read_bytes().replace(b'"by": "test"', b'"by": "Test"', 1)
        ),
        "its seal is not that of its content",
    ),
    "an older one": (lambda store: rewrite(store, generation=2), "went back from generation 3 to generation 2"),
    "another of the same generation": (
        lambda store: rewrite(store, withdrawn={"x": {**ENTRY, "last": {"version": "v", "since": "", "by": ""}}}),
        "something else than before",
    ),
    "an endpoint less": (
        lambda store: rewrite(store, generation=4, endpoints={A: pointer_of(store).endpoints[A].model_dump()}),
        "no longer names bbb",
    ),
    "for newer readers": (
        lambda store: rewrite(store, generation=4, format=5, minimum_reader=5),
        "needs a reader of version 5",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_stops_nothing_and_is_told_until_a_whole_pointer_is_there(
    store: FolderStore, tmp_path: Path, name: str
) -> None:
    """The champions in memory answer; health, metrics and the page say what is wrong; a restore is followed."""
    damage, message = DAMAGES[name]
    saved = pointer_of(store)
    copy = shutil.copytree(store.root, tmp_path / "copy")
    with service(store) as client:
        before = versions(client)
        assert set(before) == {A, B}
        damage(store)
        wait(client, "damaged", message)

        assert versions(client) == before
        assert ready(client)["status"] == "ready"
        metrics = client.get("/metrics").text
        assert "aidrug_store_damaged 1.0" in metrics
        assert "aidrug_store_unreachable 1.0" in metrics
        assert "The pointer of the bundle store is damaged." in client.get("/operations").text

        shutil.copytree(copy / "bundles", store.root / "bundles", dirs_exist_ok=True)
        restored = store.restore_pointer(saved)
        wait(client, "ok")
        assert "aidrug_store_damaged 0.0" in client.get("/metrics").text
        assert (versions(client), ready(client)["generation"]) == (before, restored.generation)


@pytest.mark.parametrize("name", ["gone", "empty file", "an older one", "an endpoint less"])
def test_a_restart_knows_what_was_followed(store: FolderStore, tmp_path: Path, name: str) -> None:
    """Damage that comes while the service is down is damage all the same: what it followed before serves, and the state
    is red until a whole pointer is there.
    """
    damage, message = DAMAGES[name]
    saved, home = pointer_of(store), tmp_path / "service"
    with service(store, home) as client:
        before = versions(client)
        assert ready(client)["remembered"]
    damage(store)
    for _ in range(2):  # also the second time
        with service(store, home) as client:
            wait(client, "damaged", message)
            assert (versions(client), ready(client)["generation"]) == (before, saved.generation)
            assert "aidrug_store_damaged 1.0" in client.get("/metrics").text
    restored = store.restore_pointer(saved)
    with service(store, home) as client:
        wait(client, "ok")
        assert (versions(client), ready(client)["generation"]) == (before, restored.generation)


def test_a_restart_beside_a_vanished_store_says_so(store: FolderStore, tmp_path: Path) -> None:
    """Nothing can be loaded from it any more, but it is no store that never had a champion."""
    with service(store, tmp_path / "service") as client:
        versions(client)
    shutil.rmtree(store.root)
    with service(store, tmp_path / "service") as client:
        wait(client, "damaged", "is gone, and so is the record")
        assert client.get("/health/ready").status_code == 503


def test_a_restart_follows_what_may_come_next(store: FolderStore, tmp_path: Path) -> None:
    """The next generation, and any of another lineage; another store of the same home is none of this one's."""
    home, older = tmp_path / "service", pointer_of(store).model_copy(update={"generation": 1})
    with service(store, home) as client:
        versions(client)
    store.update_pointer(lambda now: now.roll_back(A, by="test"))
    with service(store, home) as client:
        wait(client, "ok")
        assert versions(client)[A] == pointer_of(store).endpoints[A].version
    (store.root / "current.json").write_bytes(older.model_copy(update={"lineage": "0" * 32}).as_bytes())
    with service(store, home) as client:
        wait(client, "ok")
        assert (versions(client)[A], ready(client)["generation"]) == (older.endpoints[A].version, 1)
    other = FolderStore(shutil.copytree(store.root, tmp_path / "other"))
    (other.root / "current.json").write_bytes(older.as_bytes())
    with service(other, home) as client:
        wait(client, "ok")
    assert len(list(home.glob("followed-*.json"))) == 2


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 9, "minimum_reader": 9}'])
def test_a_memory_that_cannot_be_read_is_none(store: FolderStore, tmp_path: Path, content: bytes) -> None:
    """It stops nothing, and the next pointer that is followed takes its place."""
    home = tmp_path / "service"
    with service(store, home) as client:
        versions(client)
    (kept,) = home.glob("followed-*.json")
    kept.write_bytes(content)
    with service(store, home) as client:
        wait(client, "ok")
        assert ready(client)["remembered"]
    assert parse_pointer(kept.read_bytes()) == pointer_of(store)


def test_where_nothing_can_be_kept_the_state_says_so(store: FolderStore, tmp_path: Path) -> None:
    """Without a folder, or with one that is a file, the service serves, and says that a restart will not know."""
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file" / "service"):
        remembered = Remembered(folder, "store")
        remembered.keep(pointer_of(store), pointer_of(store).as_bytes())
        assert (remembered.read(), remembered.kept) == ((None, None), False)
    with service(store) as client:
        assert set(versions(client)) == {A, B}
        assert ready(client)["remembered"] is False


def test_a_slow_worker_puts_nothing_older_over_what_another_kept(store: FolderStore, tmp_path: Path) -> None:
    """Two workers keep one memory: the newest pointer of the lineage stays."""
    old = pointer_of(store)
    new = store.update_pointer(lambda now: now.roll_back(A, by="test"))
    fast, slow = Remembered(tmp_path, "store"), Remembered(tmp_path, "store")
    fast.keep(new, new.as_bytes())
    slow.keep(old, old.as_bytes())

    assert Remembered(tmp_path, "store").read() == (new, new.as_bytes())
    assert fast.kept
    assert slow.kept


def test_an_older_pointer_of_another_lineage_is_followed(store: FolderStore, tmp_path: Path) -> None:
    """A restore to yesterday serves yesterday's champion, although its generation is lower."""
    old = pointer_of(store).roll_back(A, by="test").model_copy(update={"generation": 1, "lineage": "0" * 32})
    with service(store) as client:
        before = versions(client)
        (store.root / "current.json").write_bytes(old.as_bytes())
        until = time.monotonic() + 10
        while versions(client) == before:
            assert time.monotonic() < until
            time.sleep(0.01)

        assert versions(client) == {A: old.endpoints[A].version, B: before[B]}
        assert ready(client)["store_state"] == "ok"


def test_a_service_that_starts_beside_a_lost_pointer_says_so(store: FolderStore) -> None:
    """It has no champion in memory: it waits, and says that there was a pointer."""
    (store.root / "current.json").unlink()
    with service(store) as client:
        wait(client, "damaged", "put back its last intact version")
        assert client.get("/health/ready").status_code == 503


def test_a_withdrawn_endpoint_answers_since_when_and_why(store: FolderStore) -> None:
    """It is not served, the others are, and requests for it are answered so; reinstated, it serves again."""
    with service(store) as client:
        store.update_pointer(lambda now: now.withdraw(B, by="ann", reason="the assay was wrong"))
        until = time.monotonic() + 10
        while B in versions(client):
            assert time.monotonic() < until
            time.sleep(0.01)

        assert set(versions(client)) == {A}
        assert ready(client)["store_state"] == "ok"
        assert ready(client)["withdrawn"][B]["reason"] == "the assay was wrong"
        assert "aidrug_withdrawn 1.0" in client.get("/metrics").text
        assert "the assay was wrong" in client.get("/operations").text
        for answer in (
            client.post("/v1/predict", json={"smiles": ["CCO"], "endpoints": [B]}),
            client.get(f"/v1/endpoints/{B}"),
            client.get(f"/v1/champions/{B}"),
            client.get(f"/v1/leaderboards/{B}"),
            client.get(f"/v2/models/{B}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "withdrawn")
            assert "the assay was wrong" in answer.json()["detail"]
        page = client.get(f"/models/{B}")
        assert (page.status_code, "the assay was wrong" in page.text) == (404, True)
        why = client.post("/page/why", data={"smiles": "CCO", "endpoint": B})
        assert (why.status_code, why.json()["code"]) == (404, "withdrawn")
        job = client.post("/v1/jobs", json={"smiles": ["CCO"], "endpoints": [B]})
        assert (job.status_code, job.json()["code"]) == (404, "withdrawn")
        store.update_pointer(lambda now: now.reinstate(B, by="ann"))
        until = time.monotonic() + 10
        while B not in versions(client):
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_bundle_altered_as_a_whole_is_refused_and_served_once_the_pointer_agrees(
    store: FolderStore, tmp_path: Path
) -> None:
    """Its checksums are right, and it is not what was published; with its right digest it is looked at again."""
    with service(store) as client:
        before = versions(client)[A]
        write(tmp_path / "new", value=7.0)
        version = store.put_bundle(tmp_path / "new")
        store.update_pointer(lambda now: now.appoint({A: version}, by="test").model_copy(
            update={"endpoints": {**now.endpoints, A: now.endpoints[A].model_copy(
                update={"version": version, "manifest": "0" * 64})}}))  # fmt: skip
        until = time.monotonic() + 10
        while A not in (errors := ready(client)["errors"]):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert "differs from what the pointer says" in errors[A]["detail"]
        assert versions(client)[A] == before

        right = pointer_of(store)
        whole = right.endpoints[A].model_copy(update={"manifest": None})
        store.restore_pointer(right.model_copy(update={"endpoints": {**right.endpoints, A: whole}}))
        while versions(client)[A] != version:
            assert time.monotonic() < until
            time.sleep(0.01)
