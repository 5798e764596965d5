"""What publishing a champion costs in pairs of molecules compared, counted and not timed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_zoo.chemistry import similarity
from model_zoo.data.targets import Target
from model_zoo.uncertainty.fit import OutOfFoldPredictions, fit_uncertainty

MOST = 60


def held(count: int, folds: int, *, binary: bool = False) -> OutOfFoldPredictions:
    """Make what a model might have said of molecules that it did not see."""
    generator = np.random.default_rng(count)
    packed = np.packbits(generator.uniform(size=(count, 1024)) < 0.05, axis=1)
    true = generator.normal(size=count)
    predicted = true + 0.5 * generator.normal(size=count)
    number = np.arange(count) % folds if folds else np.full(count, -1)
    if binary:
        predicted, true = 1 / (1 + np.exp(-predicted)), (true > 0).astype(float)
    properties = generator.normal(size=(count, 3))
    return OutOfFoldPredictions(predicted, true, packed, properties, number)


def pairs(monkeypatch: pytest.MonkeyPatch, count: int, *, binary: bool = False) -> int:
    """Count the pairs that are compared for `count` training molecules and a quarter as many of the test split."""
    compared = 0
    real = similarity.nearest_rows

    def counted(queries: np.ndarray, references: similarity.PackedFingerprints, k: int) -> tuple[np.ndarray, ...]:
        nonlocal compared
        compared += len(queries) * len(references.counts)
        return real(queries, references, k)

    target = Target(task="binary" if binary else "regression")
    with monkeypatch.context() as patch:
        patch.setattr(similarity, "nearest_rows", counted)
        fit_uncertainty(target, held(count, 4, binary=binary), held(count // 4, 0, binary=binary))
    return compared


@pytest.mark.parametrize("binary", [False, True])
def test_twice_as_many_molecules_are_compared_twice_as_often(monkeypatch: pytest.MonkeyPatch, binary: bool) -> None:
    """Beyond the molecules that are asked for, the pairs grow with the number and not with its square."""
    monkeypatch.setattr(similarity, "MOST_ASKED", MOST)
    few, many, most = (pairs(monkeypatch, count, binary=binary) for count in (400, 800, 1600))
    assert many <= 2 * few
    assert most <= 2 * many
    assert most <= 2 * MOST * 1600


def test_up_to_the_limit_every_molecule_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that is not too large is compared whole: each molecule with all of the other folds, and the test split."""
    assert pairs(monkeypatch, 400) == 400 * 300 + 100 * 400 + 400 * 400


def test_bounds_take_no_place_among_those_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few measured values among many bounds are all used: the rule is fitted on what was measured."""
    monkeypatch.setattr(similarity, "MOST_ASKED", MOST)
    side = np.where(np.arange(800) % 20 == 0, 0, 1)  # 40 measured
    _, errors, report = fit_uncertainty(Target(task="regression"), replace(held(800, 4), side=side), held(40, 0))
    assert report["interval"]["held_out"]["molecules"] == 40
    assert len(errors) == 800


def test_the_sample_is_always_the_same_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles of equal content stay equal, in whatever process they are made."""
    monkeypatch.setattr(similarity, "MOST_ASKED", MOST)
    rows = similarity.rows_asked(1000)
    assert (np.diff(rows) > 0).all()
    assert len(rows) == MOST
    np.testing.assert_array_equal(rows, similarity.rows_asked(1000))
