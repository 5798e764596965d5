"""Where results are: ranks that a reader can count, intervals that hold, and stale results that say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_zoo.benchmark.report import Goal
from model_zoo.benchmark.results import mark_stale, read_results
from model_zoo.benchmark.standing import Scored, noise_share, standing, standings
from model_zoo.benchmark.standing_report import standing_text

PUBLISHED = {"a": {"x": 0.9, "y": 0.7, "z": 0.5}, "b": {"x": 2.0, "y": 1.0}, "c": {"x": 0.5}}
EXACT = {"a": Scored("auroc", 0.8, (0.8, 0.8)), "b": Scored("mae", 1.5, (1.5, 1.5))}


def test_ranks_are_those_that_one_counts() -> None:
    """One of three is better on `a`, one of two on `b`; without noise the interval is a point."""
    found = standing(EXACT, PUBLISHED)
    assert found.mean == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found.interval == pytest.approx((found.mean, found.mean))
    assert found.sets == 2


def test_published_models_are_ranked_among_each_other_and_ours() -> None:
    """`x` is the best on `a` and the worst on `b`; `z` is on too few of many sets."""
    found = standings(EXACT, PUBLISHED)
    assert found["x"].mean == pytest.approx((0 + 1) / 2)
    assert found["y"].mean == pytest.approx((2 / 3 + 0) / 2)
    many = {f"set {number}": EXACT["a"] for number in range(4)}
    published = {name: {"x": 0.9, **({"z": 0.5} if name == "set 0" else {})} for name in many}
    assert set(standings(many, published)) == {"x"}


def test_the_interval_is_as_wide_as_noise_makes_it() -> None:
    """A score in the middle of many: its normalised rank moves as far as the score does."""
    others = {str(number): float(value) for number, value in enumerate(np.linspace(0, 1, 2001))}
    scored = Scored("auroc", 0.5, (0.4, 0.6))
    found = standing({"a": scored}, {"a": others})
    assert found.interval == pytest.approx((0.4, 0.6), abs=0.01)
    assert noise_share(scored, 0.6) == pytest.approx(0.51, abs=0.01)


def entry(name: str, board: str = "strict") -> dict[str, Any]:
    """Return a finished result."""
    scores = {"metric": "auroc", "scores": [0.8], "interval": [0.7, 0.9]}
    return {"set": name, "board": board, "signature": "s", **scores}


def test_stale_results_say_so(tmp_path: Path) -> None:
    """In the file until they are looked at again, and in the document."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"sets": [entry("a"), entry("b")]}), encoding="utf-8")
    goals = {"a": Goal(0.85, "0.85 (X)", 0.9, "0.9 (Y)", 0.8)}

    def text(seeds: int = 5) -> str:
        maplight = {
            "scores": [0.8] * seeds,
            "metric": "auroc",
            "mean": 0.8,
            "std": 0.01,
            "published": 0.82,
            "published_std": 0.01,
        }
        return standing_text(read_results(path), goals, {"a": {"x": 0.9}}, {"a": {**maplight, "deviations": 2.0}})

    assert "**Stale**" not in text()
    mark_stale(path, {("b", "strict"), ("b", "open")})
    assert "**Stale**: 1 of 2 results" in text()
    assert ": b (strict)." in text()
    assert "| a | auroc | 0.050 | 0.051 | 100 % |" in text()
    assert "1 of 1 sets within 2 published standard deviations; 1 of them have all 5 seeds." in text()
    assert "| 0.800 ± 0.010 | 0.82 ± 0.01 | 2.0 |" in text()
    assert "| 0.800 ± 0.010 (3 seeds) | 0.82 ± 0.01 | 2.0 |" in text(3)
    assert "| 0.800 (one seed) | 0.82 ± 0.01 | 2.0 |" in text(1)
    mark_stale(path, {("a", "strict"), ("b", "strict")})
    assert ": all of them." in text()
    mark_stale(path, [])
    assert "**Stale**" not in text()
