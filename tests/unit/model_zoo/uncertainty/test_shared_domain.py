"""Looking for the nearest training molecules together finds what looking alone does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo.uncertainty import shared_domain
from model_zoo.uncertainty.applicability_domain import Domain
from model_zoo.uncertainty.shared_domain import DomainIndexes


def fingerprints(number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return so many sparse rows; every fourth is there twice, so that there are ties."""
    bits = np.random.default_rng(seed).random((number, 1024)) < 0.04
    bits[3::4] = bits[2::4][: len(bits[3::4])]
    return np.packbits(bits, axis=1)


@pytest.mark.parametrize("references", [1, 3, 50, 300, 2500])
@pytest.mark.parametrize("queries", [0, 1, 5, 64])
@pytest.mark.parametrize("k", [1, 5])
def test_together_as_alone(references: int, queries: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Similarities, rows and the order of equals are the same, however many are looked for, among many or few."""
    monkeypatch.setattr(shared_domain, "BLOCK", 700)
    monkeypatch.setattr(shared_domain, "LARGE", 2400)
    alone = Domain(fingerprints(references), 0.3)
    asked = np.concatenate([fingerprints(queries, 1), alone.packed])[:queries]
    together = DomainIndexes().shared(alone, "digest")

    for got, expected in zip(together.nearest(asked, k), alone.nearest(asked, k), strict=True):
        assert np.array_equal(got, expected)


def test_equal_sets_look_once() -> None:
    """Two endpoints with the same molecules share index and result; another array is looked for again."""
    indexes = DomainIndexes()
    packed = fingerprints(20)
    one, other = (indexes.shared(Domain(packed.copy(), threshold), "same") for threshold in (0.2, 0.4))
    apart = indexes.shared(Domain(fingerprints(20, 2), 0.2), "different")
    asked = fingerprints(6, 3)

    assert one.index is other.index
    assert one.nearest(asked, 5) is other.nearest(asked, 5)
    assert not np.array_equal(one.nearest(asked, 5)[0], apart.nearest(asked, 5)[0])
    assert (one.threshold, other.threshold) == (0.2, 0.4)
    assert np.array_equal(one.nearest(fingerprints(6, 4), 5)[0], Domain(packed, 0).nearest(fingerprints(6, 4), 5)[0])
