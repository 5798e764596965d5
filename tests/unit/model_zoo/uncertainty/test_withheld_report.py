"""What a card says of expected errors on folds that were withheld is what was found there."""

from __future__ import annotations

import numpy as np
import pytest

from model_zoo.uncertainty.withheld_report import FEWEST, auroc, oracle, spearman, withheld_report


def drawn(count: int, informed: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw expected errors, real ones that follow them or not, and fingerprints."""
    generator = np.random.default_rng(0)
    expected = generator.uniform(0.5, 2.0, count)
    size = expected if informed else np.ones(count)
    return expected, np.abs(generator.laplace(0, size)), generator.integers(0, 255, (count, 16), dtype=np.uint8)


def test_figures_are_those_of_the_definition() -> None:
    """Errors that follow what was expected rank with it and fill nine tenths of each fifth; others do not rank."""
    expected, errors, packed = drawn(5000)
    report = withheld_report(expected, errors, expected * np.log(10), packed)
    none = withheld_report(*drawn(5000, informed=False)[:2], expected * np.log(10), packed)

    assert report["coverage"] == pytest.approx(0.9, abs=0.015)
    assert report["width"] == pytest.approx(1.0, abs=0.06)
    fifths = report["fifths"]
    assert isinstance(fifths, list)
    assert [each["coverage"] for each in fifths] == pytest.approx([0.9] * 5, abs=0.03)
    assert [each["found"] for each in fifths] == pytest.approx([each["expected"] for each in fifths], rel=0.12)
    assert report["rank"] == pytest.approx(spearman(expected, errors), abs=1e-3)
    assert none["rank"] == pytest.approx(0, abs=0.04)
    assert none["auroc"] == pytest.approx(0.5, abs=0.03)


def test_molecules_without_an_interval_and_too_few_say_nothing() -> None:
    """NaN widths have no part in it; of fewer than fifty, or of errors that are all alike, there is no figure."""
    expected, errors, packed = drawn(100)
    widths = np.where(np.arange(100) < 60, 1.0, np.nan)
    assert withheld_report(expected, errors, widths, packed)["molecules"] == 60
    assert withheld_report(expected[: FEWEST - 1], errors[: FEWEST - 1], None, packed[: FEWEST - 1]) == {}
    alike = withheld_report(expected, np.zeros(100), None, packed)
    assert (alike["rank"], alike["auroc"], "coverage" in alike) == (None, None, False)


def test_the_order_of_molecules_changes_nothing() -> None:
    """Neither of figures nor of the oracle's."""
    expected, errors, packed = drawn(300)
    order = np.random.default_rng(1).permutation(300)
    report = withheld_report(expected, errors, 2 * expected, packed)
    assert withheld_report(expected[order], errors[order], 2 * expected[order], packed[order]) == report


def test_an_oracle_never_looks_at_the_molecule_itself() -> None:
    """Even where all molecules are equal; AUROC is that of all pairs."""
    same = np.zeros((60, 16), dtype=np.uint8)
    errors = np.zeros(60)
    errors[7] = 1.0
    assert oracle(same, errors)[7] == 0.0
    scores, positive = np.array([0.0, 1.0, 1.0, 2.0]), np.array([False, True, False, True])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert auroc(scores, positive) == pytest.approx(float(np.mean(pairs)))
