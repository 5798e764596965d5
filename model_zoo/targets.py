"""The scale a model trains on, and the way back to the endpoint's unit.

Belongs here: task, transform and bounds, which together make impossible predictions impossible.
Does not belong here: unit conversions of measurements (see `units.py`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

Task = Literal["regression", "binary"]


class Target(BaseModel):
    """Task, transform and bounds of an endpoint.

    Examples
    --------
    >>> target = Target(task="regression", transform="log10", upper=100.0)
    >>> target.to_unit(target.to_training(np.array([1.0, 10.0])) + 1).tolist()
    [10.0, 100.0]
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: Task
    transform: Literal["identity", "log10"] = "identity"
    """`log10` for quantities that span decades and cannot be negative (clearance, half-life, VDss)."""
    lower: float | None = None
    upper: float | None = None
    """Predictions are cut to these bounds, in the endpoint's unit."""

    @model_validator(mode="after")
    def _consistent(self) -> Target:
        if self.task == "binary" and (self.transform, self.lower, self.upper) != ("identity", None, None):
            raise ValueError("a binary endpoint takes no transform and no bounds: it predicts a probability")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"expected lower < upper, got {self.lower} and {self.upper}")
        return self

    def to_training(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring values from the endpoint's unit to the scale the model trains on.

        Raises
        ------
        ValueError
            When `log10` is asked of a number that is not positive.
        """
        if self.transform == "log10":
            if np.any(values <= 0):
                raise ValueError("the transform log10 needs positive values: drop or correct the others")
            return np.log10(values)
        return values

    def to_unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring predictions back to the endpoint's unit and cut them to its bounds."""
        if self.task == "binary":
            return np.clip(values, 0.0, 1.0)
        if self.transform == "log10":
            values = np.power(10.0, np.clip(values, -30, 30))
        return np.clip(
            values,
            -np.inf if self.lower is None else self.lower,
            np.inf if self.upper is None else self.upper,
        )
