"""Snapshots: another file in a file's place differs from new measurements."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from model_zoo.data.dataset import Dataset
from model_zoo.data.snapshot_change import suspicions

VALUES = np.random.default_rng(0).normal(6.5, 1.0, 90)


def snapshot(values: np.ndarray, first: int = 0, relation: str = "=") -> Dataset:
    """Return a snapshot of molecules numbered from `first`."""
    names = [f"M{number}" for number in range(first, first + len(values))]
    return Dataset(pd.DataFrame({"inchikey": names, "value": values, "relation": relation}), pd.DataFrame())


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (snapshot(VALUES), []),
        (snapshot(np.r_[VALUES, VALUES + 0.1]), []),
        (snapshot(VALUES + np.random.default_rng(1).normal(0, 0.3, 90)), []),
        (snapshot(VALUES[:70]), []),
        (snapshot(VALUES[:40]), ["50 of 90 molecules are gone"]),
        (snapshot(VALUES + 3), ["values moved by 3 (another unit?) for the 90 molecules that both hold"]),
        (snapshot(-VALUES), ["values are -1 times what they were", "90 of 90 values are far outside"]),
        (
            snapshot(VALUES * 1000),
            ["values are 1000 times what they were (another unit?)", "90 of 90 values are far outside"],
        ),
        (snapshot(VALUES[::-1]), ["values differ by"]),
        (snapshot(10 ** (9 - VALUES), 500), ["90 of 90 molecules are gone", "values are far outside"]),
    ],
    ids=["same", "grown", "noise", "a few less", "half", "shifted", "negated", "thousandfold", "shuffled", "other"],
)
def test_another_file_is_told_from_new_measurements(new: Dataset, expected: list[str]) -> None:
    """What was lost, moved or is beyond is said with its numbers; ordinary growth and noise are nothing."""
    got = suspicions(snapshot(VALUES), new, "regression")

    assert len(got) == len(expected), got
    for line, words in zip(got, expected, strict=True):
        assert words in line


@pytest.mark.parametrize("factor", [1e-6, 4.184, 1e6])
def test_suspicion_knows_no_unit(factor: float) -> None:
    """In another unit the same changes are as suspicious."""
    noise = VALUES + np.random.default_rng(1).normal(0, 0.3, 90)

    assert suspicions(snapshot(factor * VALUES), snapshot(factor * noise), "regression") == []
    assert len(suspicions(snapshot(factor * VALUES), snapshot(factor * (VALUES + 3)), "regression")) == 1


def test_flipped_classes_are_told() -> None:
    """Yes and no exchanged is a new meaning, not a new measurement."""
    classes = (VALUES > 6.5).astype(float)

    assert suspicions(snapshot(classes), snapshot(1 - classes), "binary") == [
        "90 of 90 molecules that both hold have another class"
    ]
    assert suspicions(snapshot(classes), snapshot(np.r_[1 - classes[:5], classes[5:]]), "binary") == []


def test_a_small_snapshot_is_not_compared() -> None:
    """The first handful of measurements may be replaced as a whole."""
    assert suspicions(snapshot(VALUES[:15]), snapshot(VALUES[:15] * 1000), "regression") == []
