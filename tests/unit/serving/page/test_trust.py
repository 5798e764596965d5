"""What a model's page answers to: may I trust it?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.data.targets import Target
from serving.app import create_app
from serving.page.categories import OTHERS
from serving.settings import Settings
from tests.browser.page_store import AWAITED, card_of, fill_many
from tests.bundle_factory import publish

Client = TestClient[Any]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store."""
    return FolderStore(tmp_path / "store")


def page_of(store: FolderStore, name: str = "solubility_logs") -> str:
    """Return a model's page as text."""
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        return str(client.get(f"/models/{name}").text)


def card(mean: float = 0.74, naive: float = 2.1, r2: float = 0.86, **fields: Any) -> dict[str, Any]:
    """Return a card that says a mean error."""
    content = card_of("rmse", mean, {"r2": r2, "mae": 0.5})
    content["leaderboard"][1]["cv"] = naive
    return content | fields


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (card(), "Yes, for molecules like those it learnt from."),
        (card(mean=2.3), "No: it is not better than a model that gives every molecule the same value."),
        (card(r2=0.1), "With care: 1 answer below speaks against it."),
        (card() | AWAITED, "With care: other models are still to be trained"),
        (card(r2=0.5), "To rank ideas, yes; a single value may mislead."),
        (card(split={"kind": "random", "folds": 5}), "To rank ideas, yes; a single value may mislead."),
        ({}, "Its card does not say enough to judge."),
    ],
    ids=["strong", "naive", "weak", "provisional", "fair", "random", "silent"],
)
def test_the_verdict_follows_from_the_answers(
    store: FolderStore, tmp_path: Path, content: dict[str, Any], verdict: str
) -> None:
    """A champion that is not better than guessing is never called trustworthy, however strong it looks."""
    publish(store, tmp_path / "a", onnx_bias=-1.0, card=content)

    assert verdict in page_of(store)


@pytest.mark.parametrize(("own", "better"), [(0.08, True), (0.26, False)])
def test_a_score_is_better_by_its_own_direction(
    store: FolderStore, tmp_path: Path, own: float, better: bool
) -> None:  # fmt: skip
    """A low Brier score is a good one, though it has no unit."""
    content = card_of("brier", own, {"auroc": 0.9})
    content["leaderboard"][1]["cv"] = 0.25
    publish(store, tmp_path / "a", endpoint="bbb", value=0.8, binary=True, card=content)
    page = page_of(store, "bbb")

    assert ("it is not better than a model that gives every molecule the same value" in page) != better
    assert f"Brier score {own:.2f}" in page


def test_errors_are_said_in_the_unit_that_people_read(store: FolderStore, tmp_path: Path) -> None:
    """Logarithms as a factor, too; beside the naive model; and intervals that do not hold are called so."""
    bad = {"interval": {"nominal": 0.9, "held_out": {"molecules": 100, "coverage": 0.7}}}
    publish(store, tmp_path / "a", onnx_bias=-1.0, card=card(trust=bad))
    page = page_of(store)

    assert "it was off by 0.5 log units on average, a factor of 3.2." in page
    assert (
        "RMSE 0.74 against 2.10 of the naive model, which gives every molecule the same value: 65 % less error." in page
    )
    assert "70 % of 100 held-out molecules were in their 90 % interval." in page
    assert "With care: 1 answer below speaks against it." in page


@pytest.mark.parametrize(
    ("unit", "shown", "behind"),
    [("pIC50", "nM", " (pIC50)"), ("kcal/mol", "kJ/mol", " (kcal/mol)"), ("pIC50", None, "")],
)
def test_scores_name_their_unit_where_another_is_shown(
    store: FolderStore, tmp_path: Path, unit: str, shown: str | None, behind: str
) -> None:
    """An RMSE of 0.74 beside values in nM is none of 0.74 nM."""
    content = card()
    content["endpoint"] = {"unit": unit, "display_unit": shown}
    publish(store, tmp_path / "a", onnx_bias=-1.0, unit=unit, display_unit=shown, card=content)
    page = page_of(store)

    assert f"RMSE 0.74{behind}, 5 scaffold folds" in page
    assert f"RMSE 0.74 against 2.10{behind} of the naive model" in page
    assert (f"Scored on the scale of {unit}." in page) == bool(behind)
    assert "The same in" not in page


def test_an_older_cards_error_in_the_unit_is_no_factor(store: FolderStore, tmp_path: Path) -> None:
    """Cards from before there were two scales have an error in the unit, whatever the scale of training is."""
    content = card()
    content["scores"]["cv"]["mae"] = {"mean": 23.0, "std": 1.0, "folds": [23.0] * 5}
    target = Target(task="regression", transform="log10")
    publish(store, tmp_path / "a", unit="mL/min/kg", target=target, measured=[1.0 + i for i in range(24)], card=content)
    assert "it was off by" not in page_of(store)


def test_a_score_below_zero_has_no_bar(store: FolderStore, tmp_path: Path) -> None:
    """The worst model of all has not the longest bar."""
    content = card_of("r2", 0.5, {})
    content["leaderboard"][1]["cv"] = -2.0
    publish(store, tmp_path / "a", onnx_bias=-1.0, card=content)

    assert re.findall(r'<rect width="([\d.]+)" height="8"', page_of(store)) == ["100.0", "0.0"]


@pytest.mark.parametrize(
    ("p_values", "whom"),
    [({"rf": 0.3}, "the champion"), ({"rf": 0.02, "linear": 0.001}, "the champion before")],
    ids=["first", "challenged"],
)
def test_a_p_value_names_whom_it_compares_with(
    store: FolderStore, tmp_path: Path, p_values: dict[str, float], whom: str
) -> None:
    """Where a challenger took the title, p-values are against whom it beat."""
    content = card(model={"name": "linear"})
    content["decision"]["p_values"] = p_values
    content["leaderboard"].append({"model": "rf", "signature": "rf", "cv": 0.8, "cv_std": 0.1})
    publish(store, tmp_path / "a", onnx_bias=-1.0, card=content)

    assert f"no better than {whom}: p = {p_values['rf']:.2g}<" in page_of(store)


def test_scores_on_two_scales_are_not_compared(store: FolderStore, tmp_path: Path) -> None:
    """Who changes `score_scale` or the unit has made no model better or worse."""
    before, after = card(mean=520.0), card(mean=0.4)
    for content, scale, name in ((before, "unit", "mL/min/kg"), (after, "training", "log10 of mL/min/kg")):
        content["scores"] |= {"scale": scale, "scale_name": name}
        publish(store, tmp_path / scale, onnx_bias=-1.0, card=content, description=scale)
    page = page_of(store)

    assert "RMSE 520.00 before, on the scale of mL/min/kg, 0.40 now, on that of log10 of mL/min/kg." in page


def test_what_changed_last_week_is_told_with_why(store: FolderStore, tmp_path: Path) -> None:
    """Who came after whom, by whose hand, for which reason, on which data, and what that did to the score."""
    publish(store, tmp_path / "a", onnx_bias=-1.0, card=card(mean=0.9))
    now = card(mean=0.74, snapshot="other", decision={"reason": "linear is better on the new data"})
    now["scores"]["rows"] = {"train": 1500, "test": 233}
    publish(store, tmp_path / "b", onnx_bias=-2.0, card=now)
    page = page_of(store)

    assert "Why: linear is better on the new data." in page
    assert "Its data changed: 1,274 molecules before, 1,733 now." in page
    assert "RMSE 0.90 before, 0.74 now." in page
    assert "the first champion" in page


def test_many_endpoints_are_found_under_their_categories(store: FolderStore, tmp_path: Path) -> None:
    """In the list of models, on a card, in the table's columns, in the radar; few stay as they were."""
    fill_many(store, tmp_path, 30)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        models = client.get("/models").text
        results = client.post("/", data={"smiles": "CCO\nCCN"}, headers={"x-fragment": "results"}).text

    assert models.count('<details class="category') == 10
    assert models.index("Panel 2") < models.index(OTHERS)
    assert results.count("<article") == 2
    assert results.count('<details class="category"') == 30, "ten of the chooser, ten of each card"
    assert "Panel 2: worst of 4" in results
    assert results.count('class="radar"') == 2
