"""The scale a model trains on, and the way back to the endpoint's unit."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

Task = Literal["regression", "binary"]
Transform = Literal["identity", "log10", "log1p", "logit"]
LOGIT_MARGIN = 0.003
"""How far, as a share of the range, `logit` moves the bounds out: values measured at a bound stay finite."""


class Target(BaseModel):
    """Task, transform and bounds of an endpoint.

    Examples
    --------
    >>> target = Target(task="regression", transform="log10", upper=100.0)
    >>> target.to_unit(target.to_training(np.array([1.0, 10.0])) + 1).tolist()
    [10.0, 100.0]
    >>> bound = Target(task="regression", transform="logit", lower=0.0, upper=100.0)
    >>> bound.to_training(np.array([50.0, 100.0])).round(2).tolist()
    [0.0, 5.81]
    >>> bound.to_unit(np.array([0.0, 5.811, 99.0])).round(1).tolist()
    [50.0, 100.0, 100.0]
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: Task
    transform: Transform = "identity"
    """`log10` for quantities that span decades and are positive (clearance, half-life, VDss); `log1p` (the logarithm of
    one more) for counts and amounts that are often zero and whose unit is small beside them; `logit` for shares that
    crowd at a bound (percent bound to protein), between `lower` and `upper`."""
    lower: float | None = None
    upper: float | None = None
    """Predictions are cut to these bounds, in the endpoint's unit."""

    @model_validator(mode="after")
    def _consistent(self) -> Target:
        if self.task == "binary" and (self.transform, self.lower, self.upper) != ("identity", None, None):
            raise ValueError("a binary endpoint takes no transform and no bounds: it predicts a probability")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"expected lower < upper, got {self.lower} and {self.upper}")
        if self.transform == "logit" and (self.lower is None or self.upper is None):
            raise ValueError("the transform logit needs both bounds: give lower and upper, such as 0 and 100")
        return self

    @property
    def takes(self) -> str:
        """Which values have a place on the scale of training, in words."""
        if self.transform == "logit":
            return "values from {:g} to {:g}".format(*self._bounds())
        return {"log10": "positive values", "log1p": "values of zero or more"}.get(self.transform, "finite values")

    @property
    def placing(self) -> Target:
        """What of this decides which values have a place on the scale of training: bounds only for `logit`.

        Examples
        --------
        >>> Target(task="regression", transform="log10", upper=100.0).placing.upper is None
        True
        """
        return self if self.transform == "logit" else self.model_copy(update={"lower": None, "upper": None})

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of `n` values have no place on the scale of training.

        Examples
        --------
        >>> Target(task="regression", transform="log10").outside(np.array([1.0, 0.0, -2.0])).tolist()
        [False, True, True]
        """
        if self.transform == "log10":
            return ~(values > 0)
        if self.transform == "log1p":
            return ~(values >= 0)
        if self.transform == "logit":
            lower, upper = self._bounds()
            return ~((values >= lower) & (values <= upper))
        return ~np.isfinite(values)

    def to_training(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring values from the endpoint's unit to the scale the model trains on.

        Raises
        ------
        ValueError
            When one has no place there: `log10` of a number that is not positive, `logit` of one outside the bounds.
        """
        if self.transform != "identity" and np.any(self.outside(values)):
            raise ValueError(f"the transform {self.transform} needs {self.takes}: drop or correct the others")
        if self.transform == "log10":
            return np.log10(values)
        if self.transform == "log1p":
            return np.log1p(values)
        if self.transform == "logit":
            lower, upper = self._bounds()
            share = (values - lower) / (upper - lower)
            return np.asarray(np.log((share + LOGIT_MARGIN) / (1 - share + LOGIT_MARGIN)))
        return values

    def to_unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring predictions back to the endpoint's unit and cut them to its bounds."""
        if self.task == "binary":
            return np.clip(values, 0.0, 1.0)
        if self.transform == "log10":
            values = np.power(10.0, np.clip(values, -30, 30))
        if self.transform == "log1p":
            values = np.expm1(np.clip(values, 0.0, 70.0))
        if self.transform == "logit":
            lower, upper = self._bounds()
            share = (1 + 2 * LOGIT_MARGIN) / (1 + np.exp(-np.clip(values, -700, 700))) - LOGIT_MARGIN
            values = lower + (upper - lower) * share
        return np.clip(
            values,
            -np.inf if self.lower is None else self.lower,
            np.inf if self.upper is None else self.upper,
        )

    def size(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a difference at each of `n` values is large or small against, in the endpoint's unit.

        One for probabilities; the largest of the values where they were trained on as they are, so that a value that
        happens to be near zero asks for as much precision as the others; the value itself where its logarithm was.

        Examples
        --------
        >>> Target(task="regression").size(np.array([-4.0, 0.0])).tolist()
        [4.0, 4.0]
        """
        if self.task == "binary":
            return np.ones(len(values))
        if self.transform == "log10":
            return np.maximum(np.abs(values), np.finfo(np.float64).tiny)
        if self.transform == "log1p":
            return 1.0 + np.abs(values)
        if self.transform == "logit":
            lower, upper = self._bounds()
            return np.full(len(values), upper - lower)
        return np.full(len(values), np.max(np.abs(values), initial=np.finfo(np.float64).tiny))

    def _bounds(self) -> tuple[float, float]:
        """Return both bounds, which `logit` has."""
        if self.lower is None or self.upper is None:
            raise ValueError("the transform logit needs both bounds")
        return self.lower, self.upper
