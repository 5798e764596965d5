"""Of many endpoints a service is ready before all their models were replayed, and none answers before it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.champions import champion_watcher
from serving.champions.champion_watcher import ChampionWatcher
from serving.settings import Settings
from tests.bundle_factory import publish, spoil_reference, write


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    """Return a store with three champions, more than the start has time for, one of which is not what it says."""
    monkeypatch.setattr(champion_watcher, "START_SECONDS", 0.0)
    made = FolderStore(tmp_path / "store")
    for number in range(2):
        publish(made, tmp_path / f"endpoint_{number}", endpoint=f"endpoint_{number}", onnx_bias=float(number))
    write(tmp_path / "spoilt", endpoint="spoilt", onnx_bias=0.5)
    version = spoil_reference(tmp_path / "spoilt")
    assert made.put_bundle(tmp_path / "spoilt") == version
    made.update_pointer(lambda pointer: pointer.appoint({"spoilt": version}, by="test"))
    return made


def predict(client: TestClient[Any]) -> dict[str, Any]:
    """Ask every endpoint for a molecule."""
    entry = client.post("/v1/predict", json={"smiles": ["CCO"]}).json()["predictions"][0]
    return {**entry.get("endpoints", {}), **entry.get("errors", {})}


def test_ready_before_all_is_replayed_and_nothing_unreplayed_answers(store: FolderStore) -> None:
    """Each model is replayed before its first prediction: a false one fails its own endpoint, and no other."""
    with TestClient(create_app(Settings(poll_seconds=60), store)) as client:
        watcher = client.app.state.engine.champion_watcher
        assert client.get("/health/ready").status_code == 200
        answers = predict(client)

        assert {name for name, answer in answers.items() if "value" in answer} == {"endpoint_0", "endpoint_1"}
        assert all(each.bundle.is_sound for name, each in watcher.table.champions.items() if name != "spoilt")


def test_what_is_refused_when_it_is_replayed_serves_no_more(store: FolderStore) -> None:
    """They are replayed one after another without being asked, and the service says what it refuses, and why."""

    async def follow() -> ChampionWatcher:
        watcher = ChampionWatcher(store, 60)
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(20):
            while not watcher.looked.is_set() or watcher._unproven():  # noqa: ASYNC110  another thread
                await asyncio.sleep(0.02)
        task.cancel()
        return watcher

    table = asyncio.run(follow()).table

    assert list(table.champions) == ["endpoint_0", "endpoint_1"]
    assert "does not reproduce" in table.failures["spoilt"].detail
    assert not table.failures["spoilt"].retried


def test_a_swap_is_replayed_before_it_serves(store: FolderStore, tmp_path: Path) -> None:
    """However many there are, what takes another's place was replayed: the old one continues where it is refused."""

    async def swap() -> ChampionWatcher:
        watcher = ChampionWatcher(store, 60)
        await watcher.look()
        before = watcher.table.champions["endpoint_0"]
        write(tmp_path / "next", endpoint="endpoint_0", onnx_bias=7.0)
        version = spoil_reference(tmp_path / "next")
        store.put_bundle(tmp_path / "next")
        store.update_pointer(lambda pointer: pointer.appoint({"endpoint_0": version}, by="test"))
        await watcher.look()
        assert watcher.table.champions["endpoint_0"] is before
        return watcher

    table = asyncio.run(swap()).table

    assert "does not reproduce" in table.failures["endpoint_0"].detail
