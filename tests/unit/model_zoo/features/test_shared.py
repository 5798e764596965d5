"""Features that several models share: computed once, and the same as computed for each."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.features import shared as shared_features
from model_zoo.features.shared import SharedFeatures


@pytest.fixture
def molecules() -> list[Molecule]:
    """Return two molecules."""
    parsed = [parse_molecule(text) for text in ("CCO", "c1ccccc1O")]
    return [molecule for molecule in parsed if isinstance(molecule, Molecule)]


def test_a_block_that_two_models_read_is_computed_once(
    molecules: list[Molecule], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each featurizer works once, in whatever order and company it is asked for."""
    worked: list[str] = []

    def counted(name: str) -> Any:
        def featurize(some: Sequence[Molecule]) -> Any:
            worked.append(name)
            return featurizers.get(name).featurize(some)

        return SimpleNamespace(featurize=featurize)

    monkeypatch.setattr(shared_features, "_featurizer", counted)
    shared = SharedFeatures(molecules)

    assert not shared.has(("erg",))
    for names in (("erg", "morgan_count"), ("morgan_count", "erg"), ("erg",), ("erg", "morgan_count")):
        np.testing.assert_array_equal(shared.matrix(names), featurizers.featurize(names, molecules))
    assert worked == ["erg", "morgan_count"]
    assert shared.has(("erg",))
    assert not shared.has(("erg", "avalon_count"))
