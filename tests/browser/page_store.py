"""A bundle store for tests of the page: four endpoints that between them show all a page can show.

Belongs here: the bundles.
Does not belong here: what a test asks of them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from model_zoo.bundles.progress import EndpointProgress, ModelProgress, Progress, State, as_bytes
from model_zoo.bundles.store import FolderStore
from model_zoo.data.reference_drugs import DrugList
from model_zoo.uncertainty.calibration import ProbabilityRule
from model_zoo.uncertainty.fit import Uncertainty
from tests.bundle_factory import TRAINING, publish, write


def card_of(metric: str, mean: float, higher: dict[str, float]) -> dict[str, Any]:
    """Return a model card with everything a page can show."""
    names = {metric: mean, **higher}
    return {
        "endpoint": {"licence": "CC0-1.0 (test)"},
        "model": {"description": "A straight line.", "config": {"slope": 1.0}},
        "signature": "sha256:" + "ab12" * 16,
        "metric": metric,
        "scores": {
            "cv": {name: {"mean": value, "std": 0.05, "folds": [value] * 5} for name, value in names.items()},
            "test": {name: value + 0.01 for name, value in names.items()},
            "rows": {"train": 1041, "test": 233},
        },
        "split": {"kind": "scaffold", "folds": 5, "test_fraction": 0.2, "seed": 0},
        "snapshot": "94b88a4bb320740d",
        "decision": {"reason": "linear is the best over the folds", "refused": {"naive": "it is the naive baseline"}},
        "leaderboard": [
            {"model": "linear", "signature": "sha256:" + "ab12" * 16, "cv": mean, "cv_std": 0.05, "test": mean + 0.01},
            {"model": "naive", "signature": "other", "cv": 2.1, "cv_std": 0.5, "test": 2.0},
        ],
        "trust": {
            "interval": {
                "nominal": 0.9,
                "held_out": {
                    "molecules": 1041,
                    "coverage": 0.903,
                    "bins": [{"from": 0.0, "to": 0.5, "molecules": 500, "coverage": 0.89}],
                },
            }
        },
    }


AWAITED = {"awaited": ["catboost", "gp", "transformer"]}
"""What a card says of a provisional champion."""


def tell_progress(store: FolderStore, *states: State) -> None:
    """Say beside the pointer how far a run is: with solubility, then hERG. The news does not grow old in a test."""
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    endpoints = (("solubility_logs", "Aqueous solubility"), ("herg", "hERG inhibition"))
    given = tuple(
        EndpointProgress(
            name=name, title=title, state=state, models=tuple(ModelProgress(name=each, state=state) for each in "ab")
        )
        for (name, title), state in zip(endpoints, states, strict=True)
    )
    news = Progress(began=at, at=at, done=31, total=71, remaining_s=171, endpoints=given)
    store.write_progress(as_bytes(news))


def fill(store: FolderStore, folder: Path) -> None:
    """Publish four champions: a line, one compared with drugs, a probability, a constant outside of what is wanted.

    The first is provisional, and a run is at work.
    """
    publish(
        store, folder / "a", endpoint="solubility_logs", onnx_bias=-1.0, title="Aqueous solubility", explained=True,
        desirable={"low": -4, "margin": 2}, card=card_of("rmse", 0.74, {"r2": 0.86}) | AWAITED,
    )  # fmt: skip
    tell_progress(store, "making", "waiting")
    publish(
        store, folder / "b", endpoint="bbb", value=0.87, binary=True, title="Blood-brain barrier",
        desirable={"low": 0.7, "margin": 0.5},
        trust=Uncertainty(probability=ProbabilityRule(threshold=0.5, margins=((0.2, 0.2),))),
    )  # fmt: skip
    publish(
        store, folder / "c", endpoint="potency", onnx_bias=9.0, title="Potency", unit="pIC50",
        drugs=DrugList("test drugs", "CC0", TRAINING), onnx_weights=(-0.01, 0.3, 0.0),
    )  # fmt: skip
    publish(
        store, folder / "d", endpoint="toxicity", value=-1.0, title="Toxicity", direction="lower",
        desirable={"high": -4.0, "margin": 1.0},
    )  # fmt: skip


def fill_many(store: FolderStore, folder: Path, count: int) -> None:
    """Publish so many champions in nine categories and without one, by one change of the pointer."""
    versions = {}
    for number in range(count):
        name, card = f"endpoint_{number:03d}", card_of("rmse", 0.5 + number / 400, {"r2": 0.4 + number / 500})
        card["endpoint"]["category"] = f"Panel {number % 9 + 1}" if number % 20 else ""
        write(
            folder / "made" / name, endpoint=name, title=f"Property {number:03d}", onnx_bias=-1.0 - number / 50,
            card=card, desirable={"low": -4.0 + number / 100, "margin": 2},
        )  # fmt: skip
        versions[name] = store.put_bundle(folder / "made" / name)
    store.update_pointer(lambda pointer: pointer.appoint(versions, by="test"))
