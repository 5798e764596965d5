"""The reference recipe has MapLight's columns, and learns and predicts in the unit of the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from model_zoo.benchmark import maplight
from model_zoo.errors import TrainingError

SMILES = [f"{'C' * size}{tail}" for size in range(1, 13) for tail in ("O", "N", "c1ccccc1")]
SIZES = np.array([float(len(text)) for text in SMILES])


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = maplight._settings

    def few(seed: int) -> dict[str, Any]:
        return {**settings(seed), "iterations": 30, "learning_rate": 0.3}

    monkeypatch.setattr(maplight, "_settings", few)


def test_its_descriptors_are_those_of_its_list() -> None:
    """Two hundred of RDKit's own, on the structure as it is written: a salt keeps its counter-ion."""
    X, _ = maplight.columns(["CC(=O)[O-].[Na+]", "CC(=O)O"])
    mol = Chem.MolFromSmiles("CC(=O)[O-].[Na+]")
    expected = [value for name, value in Descriptors.descList if name not in maplight.ADDED_SINCE]
    assert len(expected) == 200
    assert X[0, -200:].tolist() == pytest.approx([each(mol) for each in expected], rel=1e-6, nan_ok=True)
    assert (X[0] != X[1]).any()


@pytest.mark.parametrize("logarithmic", [False, True])
def test_values_come_back_in_their_unit(*, logarithmic: bool) -> None:
    """Predictions follow the values, and one that cannot be read is their mean; each seed is a fit of its own."""
    values = np.exp(SIZES) if logarithmic else 100 - SIZES
    first, other = maplight.predict(
        ([*SMILES, "nonsense"], np.append(values, 1e9)), [*SMILES, "nonsense"], "regression", (1, 2),
        logarithmic=logarithmic,
    )  # fmt: skip
    assert np.corrcoef(np.log(first[:-1]), np.log(values))[0, 1] > 0.9
    assert first[-1] == pytest.approx(values.mean())
    assert (first != other).any()


def test_classes_are_probabilities() -> None:
    """Of class 1."""
    classes = (np.median(SIZES) < SIZES).astype(float)
    (found,) = maplight.predict((SMILES, classes), SMILES, "binary", (1,))
    assert ((found > 0) & (found < 1)).all()
    assert found[classes == 1].mean() > found[classes == 0].mean() + 0.2


def test_nothing_readable_is_refused() -> None:
    """By name."""
    with pytest.raises(TrainingError, match="maplight: expected structures to learn from, none of 1 can be read"):
        next(maplight.predict((["nonsense"], np.ones(1)), ["C"], "binary", (1,)))
