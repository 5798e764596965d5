"""`GET /v1/leaderboards/{endpoint}`: what a champion's card says of the contest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

CARD: dict[str, Any] = {
    "metric": "rmse",
    "signature": "s-xgb",
    "snapshot": "d1",
    "decision": {
        "reason": "xgb has the best rmse over folds: 0.74",
        "challenger": "rf",
        "refused": {"naive": "it is the naive baseline"},
        "p_values": {"rf": 0.8},
    },
    "leaderboard": [
        {"model": "xgb", "signature": "s-xgb", "cv": 0.74, "cv_std": 0.1, "test": 0.65},
        {"model": "rf", "signature": "s-rf", "cv": 0.80, "cv_std": 0.2, "test": 0.60},
        {"model": "naive", "signature": "s-naive", "cv": 2.0, "cv_std": 0.1, "test": 2.1},
    ],
    "absent": {"catboost": "training failed"},
}


def test_a_leaderboard_says_who_won_and_why(tmp_path: Path) -> None:
    """Every trained model is there with its scores; the better test score of another model chose nothing."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", card=CARD)
    with TestClient(create_app(Settings(), store)) as client:
        board = client.get("/v1/leaderboards/solubility_logs").json()
        unknown = client.get("/v1/leaderboards/herg")
    rows = {row["model"]: row for row in board["rows"]}

    assert (board["metric"], board["challenger"], board["snapshot"]) == ("rmse", "rf", "d1")
    assert board["reason"] == "xgb has the best rmse over folds: 0.74"
    assert [row["model"] for row in board["rows"] if row["champion"]] == ["xgb"]
    assert (rows["rf"]["cv"], rows["rf"]["test"], rows["rf"]["p_value"]) == (0.80, 0.60, 0.8)
    assert rows["naive"]["refused"] == "it is the naive baseline"
    assert board["absent"] == {"catboost": "training failed"}
    assert "reported only" in board["note"]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-endpoint")


def test_a_card_without_a_leaderboard_is_an_empty_one(tmp_path: Path) -> None:
    """A bundle whose card says nothing of a contest is served, and its leaderboard has no rows."""
    store = FolderStore(tmp_path / "store")
    version = publish(store, tmp_path / "bundle")
    with TestClient(create_app(Settings(), store)) as client:
        board = client.get("/v1/leaderboards/solubility_logs").json()

    assert (board["champion"], board["rows"], board["reason"]) == (version, [], "")
