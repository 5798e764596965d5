"""Targets: the scale of training and the way back, without impossible values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from model_zoo.data.targets import Target

finite = arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(-1e6, 1e6))
positive = arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(1e-12, 1e12))
anything = arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(allow_nan=False))


@given(values=finite)
def test_identity_changes_nothing(values: np.ndarray) -> None:
    """Without a transform values train as they are and come back as they were."""
    target = Target(task="regression")

    np.testing.assert_array_equal(target.to_unit(target.to_training(values)), values)


@given(values=positive)
def test_log10_comes_back(values: np.ndarray) -> None:
    """Values through log10 and back are the same within rounding."""
    target = Target(task="regression", transform="log10")

    np.testing.assert_allclose(target.to_unit(target.to_training(values)), values, rtol=1e-10)


@pytest.mark.parametrize("bad", [0.0, -1.0, -math.inf])
def test_log10_needs_positive_values(bad: float) -> None:
    """A value that has no logarithm is an error, not a NaN."""
    with pytest.raises(ValueError, match="log10 needs positive values"):
        Target(task="regression", transform="log10").to_training(np.array([1.0, bad]))


@given(values=arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(0, 1e12)))
def test_log1p_comes_back_and_knows_zero(values: np.ndarray) -> None:
    """Zero is a value like others: ln(1 + 0) is 0, ln(1 + 9) is 2.302585."""
    target = Target(task="regression", transform="log1p")

    np.testing.assert_allclose(target.to_unit(target.to_training(values)), values, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(target.to_training(np.array([0.0, 9.0])), [0.0, 2.302585093])
    with pytest.raises(ValueError, match="log1p needs values of zero or more"):
        target.to_training(np.array([-0.1]))


@given(values=arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(0, 100)))
def test_logit_comes_back(values: np.ndarray) -> None:
    """Values through logit and back are the same within rounding, those at a bound too."""
    target = Target(task="regression", transform="logit", lower=0.0, upper=100.0)
    trained = target.to_training(values)

    assert np.isfinite(trained).all()
    np.testing.assert_allclose(target.to_unit(trained), values, atol=1e-9)


@pytest.mark.parametrize("bad", [-0.1, 100.5, math.inf])
def test_logit_needs_values_within_the_bounds(bad: float) -> None:
    """A value outside the bounds is an error that names them."""
    with pytest.raises(ValueError, match="logit needs values from 0 to 100"):
        Target(task="regression", transform="logit", lower=0, upper=100).to_training(np.array([1.0, bad]))


@given(values=anything, lower=st.none() | st.floats(-10, 0), upper=st.none() | st.floats(1, 10))
def test_no_prediction_leaves_its_bounds(values: np.ndarray, lower: float | None, upper: float | None) -> None:
    """Whatever a model says, what is served is within the endpoint's bounds."""
    served = Target(task="regression", lower=lower, upper=upper).to_unit(values)

    assert lower is None or (served >= lower).all()
    assert upper is None or (served <= upper).all()


@given(values=anything)
def test_a_logarithmic_quantity_is_positive_and_finite(values: np.ndarray) -> None:
    """A clearance is never zero, negative or infinite, however wild the model."""
    served = Target(task="regression", transform="log10").to_unit(values)

    assert ((served > 0) & np.isfinite(served)).all()


@given(values=anything)
def test_a_probability_is_one(values: np.ndarray) -> None:
    """A binary prediction is served within [0, 1]."""
    served = Target(task="binary").to_unit(values)

    assert ((served >= 0) & (served <= 1)).all()


@given(values=finite)
def test_the_way_back_keeps_the_order(values: np.ndarray) -> None:
    """A molecule predicted higher is served at least as high, and the input is left alone."""
    kept = values.copy()
    for target in (
        Target(task="regression", lower=-1.0, upper=1.0),
        Target(task="regression", transform="log10"),
        Target(task="regression", transform="logit", lower=-2.0, upper=3.0),
        Target(task="binary"),
    ):
        served = target.to_unit(np.sort(values))
        assert (np.diff(served) >= 0).all()
    np.testing.assert_array_equal(values, kept)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "binary", "transform": "log10"}, "binary endpoint takes no transform"),
        ({"task": "binary", "lower": 0.0}, "binary endpoint takes no transform and no bounds"),
        ({"task": "regression", "lower": 1.0, "upper": 1.0}, "expected lower < upper, got 1.0 and 1.0"),
        ({"task": "regression", "lower": math.nan}, "finite number"),
        ({"task": "ranking"}, "'regression' or 'binary'"),
        ({"task": "regression", "transform": "ln"}, "'identity', 'log10', 'log1p' or 'logit'"),
        ({"task": "regression", "transform": "logit", "lower": 0.0}, "logit needs both bounds"),
    ],
)
def test_an_impossible_target_is_refused(fields: dict[str, object], message: str) -> None:
    """A scale that contradicts itself is no scale."""
    with pytest.raises(ValidationError, match=message):
        Target.model_validate(fields)
