"""Scores on both scales: errors in logarithms are those of logarithms, and do not depend on the unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error

from model_zoo.bundles.assembly import Chosen, candidate, make_bundle
from model_zoo.bundles.matched_pairs import read_matched_pairs
from model_zoo.bundles.model_card import to_markdown
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.dataset import Dataset, make_dataset
from model_zoo.data.targets import Target
from model_zoo.featurizers import featurize
from model_zoo.models._base import ModelConfig
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.selection.election import Election
from model_zoo.selection.leaderboard import Leaderboard, Row
from model_zoo.selection.scores import Scale, Scored, Scores, read_scores
from model_zoo.training.cross_validation import TrainingData, train_and_score
from model_zoo.training.scales import score_both

ROWS, FOLDS = 60, 3


def endpoint(source: dict[str, Any], **fields: Any) -> Endpoint:
    """Return an endpoint as its file would say it."""
    content = {"name": "clearance", "title": "t", "description": "d", "task": "regression", "unit": "mL/min/kg"}
    return Endpoint.model_validate({**content, "source": source, "champion": {"metric": "mae"}, **fields})


def made(folder: Path, target: Target, values: np.ndarray, scale: Scale) -> tuple[Scores, np.ndarray]:
    """Train on values that follow a number; give scores and out-of-fold predictions in the endpoint's unit."""
    numbers = np.arange(ROWS)
    folds = np.where(numbers % 6 == 5, -1, numbers % FOLDS)
    (folder / "snapshot").mkdir(parents=True)
    (folder / "trained").mkdir()
    table = pd.DataFrame({"smiles": "C", "value": values, "relation": "=", "fold": folds})
    Dataset(table, table).save(folder / "snapshot")
    X = (numbers[:, None] % np.array([7, 5, 3])).astype(np.float32)
    train_and_score("naive", ModelConfig(), target, TrainingData(X, values, folds), folder / "trained")
    raw = np.load(folder / "trained" / "predictions.npz")["raw"]
    return score_both(
        read_scores(folder / "trained"), target, scale, folder / "snapshot", folder / "trained"
    ), target.to_unit(raw)


def test_scores_on_the_scale_of_training_are_those_of_the_logarithms(tmp_path: Path) -> None:
    """Against an oracle: mean absolute errors of decimal logarithms, fold by fold; the unit's own are beside them."""
    values = 10 ** np.random.default_rng(0).normal(0, 1, ROWS)
    scores, predicted = made(tmp_path, Target(task="regression", transform="log10"), values, "training")
    folds = np.where(np.arange(ROWS) % 6 == 5, -1, np.arange(ROWS) % FOLDS)
    logs = [mean_absolute_error(np.log10(values[folds == f]), np.log10(predicted[folds == f])) for f in range(FOLDS)]
    plain = [mean_absolute_error(values[folds == f], predicted[folds == f]) for f in range(FOLDS)]

    assert scores.cv["mae"].folds == pytest.approx(logs)
    assert scores.scales["unit"].cv["mae"].folds == pytest.approx(plain)
    assert scores.test["mae"] == pytest.approx(
        mean_absolute_error(np.log10(values[folds < 0]), np.log10(predicted[folds < 0]))
    )
    assert scores.scale == "training"


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_scores_on_the_scale_of_training_do_not_know_the_unit(tmp_path: Path, factor: float) -> None:
    """Values in another unit have the same errors of their logarithms."""
    values = 10 ** np.random.default_rng(1).normal(0, 1, ROWS)
    target = Target(task="regression", transform="log10")
    before, _ = made(tmp_path / "a", target, values, "training")
    after, _ = made(tmp_path / "b", target, values * factor, "training")

    assert after.cv["rmse"].folds == pytest.approx(before.cv["rmse"].folds)


def test_predictions_are_scored_as_they_are_served(tmp_path: Path) -> None:
    """Cut to the endpoint's bounds, on either scale."""
    values = 10 ** np.random.default_rng(2).normal(0, 1, ROWS)
    target = Target(task="regression", transform="log10", upper=0.01)
    scores, predicted = made(tmp_path, target, values, "training")
    folds = np.where(np.arange(ROWS) % 6 == 5, -1, np.arange(ROWS) % FOLDS)

    assert np.all(predicted <= 0.01)
    expected = mean_absolute_error(np.log10(values[folds == 0]), np.full((folds == 0).sum(), -2.0))
    assert scores.cv["mae"].folds[0] == pytest.approx(expected)


def test_scores_without_a_transform_are_what_they_were(tmp_path: Path) -> None:
    """Both scales are one."""
    scores, _ = made(tmp_path, Target(task="regression"), np.sin(np.arange(ROWS)), "unit")

    assert scores.scales["training"] == scores.scales["unit"]
    assert scores.cv == scores.scales["unit"].cv


def test_a_users_endpoint_is_judged_on_the_scale_of_training_and_a_benchmark_on_the_official_one() -> None:
    """Unless the endpoint says otherwise; without a transform there is only one scale."""
    mine = {"kind": "csv", "files": ["a.csv"]}
    official = {"kind": "benchmark", "set": "clearance"}

    assert endpoint(mine, transform="log10").scale == "training"
    assert endpoint(mine, transform="log10", score_scale="unit").scale == "unit"
    assert endpoint(official, transform="log10").scale == "unit"
    assert endpoint(official, transform="log10", score_scale="training").scale == "training"
    assert endpoint(mine).scale == "unit"


def test_a_card_tells_both_scales_and_which_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From measurements to the card: elected on logarithms, errors in the unit beside them, another unit shown."""
    monkeypatch.setattr("model_zoo.bundles.assembly.chembl_drugs", lambda: None)
    rows = [(f"{'C' * size}{tail}", 10 ** (size / 4 + number)) for size in range(1, 11)
            for number, tail in enumerate("ONF")]  # fmt: skip
    (tmp_path / "a.csv").write_text("smiles,value\n" + "".join(f"{text},{value}\n" for text, value in rows))
    one = endpoint(
        {"kind": "csv", "files": ["a.csv"]},
        transform="log10", unit="mg/L", display_unit="ug/L", split={"kind": "random", "folds": 3},
    )  # fmt: skip
    model = ModelSpec.model_validate({"name": "naive", "description": "d", "features": ["descriptors"]})
    for name in ("snapshot", "trained", "bundle"):
        (tmp_path / name).mkdir()
    data = make_dataset(one.dataset, tmp_path)
    data.save(tmp_path / "snapshot")
    X = featurize(model.features, data.molecules())
    train_and_score(
        "naive", model.settings(), one.target, TrainingData(X, data.values, data.folds), tmp_path / "trained"
    )
    scores = score_both(
        read_scores(tmp_path / "trained"), one.target, one.scale, tmp_path / "snapshot", tmp_path / "trained"
    )
    scored = {part: getattr(scores, part) for part in Scored.model_fields}
    row = Row(asset="a", model="naive", signature="s", snapshot=data.digest, **scored)
    board = Leaderboard(endpoint=one.name, metric="mae", scale=one.scale, rows=(row,), absent={})
    decision = Election(candidate(row), changed=True, challenger=None, reason="it is alone")
    record = SignatureRecord(code={}, config={}, data={}, upstream={})
    chosen = Chosen(
        one,
        model,
        candidate(row),
        decision,
        board,
        row,
        tmp_path / "snapshot",
        tmp_path / "trained",
        (),
        record,
        "",
        "",
    )
    bundle = make_bundle(tmp_path / "bundle", chosen, featurize)
    card, text = bundle.card, to_markdown(bundle.card)

    assert card.scores.cv == scores.scales["training"].cv != scores.scales["unit"].cv
    assert card.contender is not None
    assert tuple(card.contender.folds["mae"]) == scores.scales["training"].cv["mae"].folds
    low, high = card.scores.test_interval["mae"]
    assert low <= card.scores.test["mae"] <= high
    assert "On the scale of log10 of mg/L, which decides." in text
    assert "In mg/L; they choose nothing." in text
    assert "a value in mg/L (shown in ug/L)" in text
    assert bundle.manifest.display_unit == "ug/L"
    assert read_matched_pairs(bundle) is not None
