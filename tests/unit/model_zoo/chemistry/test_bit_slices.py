"""Nearest rows by slices of bits: the same as comparing all of them, to the last bit and in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.chemistry import bit_slices
from model_zoo.chemistry.bit_slices import BitSlices
from model_zoo.chemistry.similarity import PackedFingerprints, nearest_rows


@given(
    rows=st.integers(0, 300),
    width=st.sampled_from([1, 8, 128]),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    k=st.integers(0, 7),
    seed=st.integers(0, 1000),
)
def test_the_nearest_are_those_of_comparing_all(rows: int, width: int, share: float, k: int, seed: int) -> None:
    """Whatever number of rows and bits, with repeats, rows without a bit and rows of all bits; ties in row order."""
    draw = np.random.default_rng(seed)
    bits = np.packbits(draw.random((rows, 8 * width)) < share * draw.random((rows, 1)), axis=1)
    bits = bits[draw.integers(max(rows, 1), size=rows)] if rows else bits
    queries = np.concatenate([bits[:3], np.packbits(draw.random((3, 8 * width)) < share, axis=1)])
    expected = nearest_rows(queries, PackedFingerprints(bits), k)
    found = BitSlices(bits).nearest(queries, k)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


@pytest.mark.parametrize("k", [1, 3, 40])
def test_a_sample_that_is_far_leaves_none_out(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound comes from few rows, more neighbours than these may be asked for, and words are added in parts."""
    monkeypatch.setattr(bit_slices, "SAMPLE", 20)
    monkeypatch.setattr(bit_slices, "PART", 3)
    draw = np.random.default_rng(0)
    bits = np.packbits(draw.random((1000, 1024)) < draw.choice([0.02, 0.06, 0.3, 0.9], (1000, 1)), axis=1)
    expected = nearest_rows(bits[:50], PackedFingerprints(bits), k)
    found = BitSlices(bits).nearest(bits[:50], k)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])
