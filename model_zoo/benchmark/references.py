"""References: recipes that a champion is compared with on the same test molecules, and that never compete."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.targets import Task
from model_zoo.metrics import score
from model_zoo.type_aliases import Json

RESAMPLES = 1000


class Reference(BaseModel):
    """One reference of `configs/benchmark.yaml`: a model of the zoo with its own features and plain settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sets: tuple[str, ...] = Field(min_length=1)
    """Patterns of set names."""
    recipe: ModelSpec

    @field_validator("recipe", mode="before")
    @classmethod
    def _described(cls, value: Any) -> Any:
        return {"description": "reference", **value} if isinstance(value, dict) else value

    def stands_for(self, name: str) -> bool:
        """Return whether the champion of a set is compared with this reference."""
        return any(fnmatchcase(name, pattern) for pattern in self.sets)


def paired_difference(
    task: Task,
    metric: str,
    expected: NDArray[np.float64],
    champion: NDArray[np.float64],
    reference: NDArray[np.float64],
) -> dict[str, Json]:
    """Compare two models on the same test rows.

    Parameters
    ----------
    task, metric
        What is scored, and how.
    expected
        The `t` test values.
    champion, reference
        Predictions of both, `seeds x t`.

    Returns
    -------
    dict
        `difference`, the champion's mean score minus the reference's, and `interval`, its bootstrap 95 % interval over
        the test rows (the same drawn rows for both).

    Examples
    --------
    >>> y = np.arange(9.0)
    >>> paired_difference("regression", "mae", y, y[None] + 1.0, y[None] + 3.0)
    {'difference': -2.0, 'interval': [-2.0, -2.0]}
    """

    def gap(rows: NDArray[np.intp]) -> float:
        means = [
            np.mean([score(task, expected[rows], predicted[rows])[metric] for predicted in predictions])
            for predictions in (champion, reference)
        ]
        return float(means[0] - means[1])

    generator = np.random.default_rng(0)
    count = len(expected)
    gaps = [gap(generator.integers(0, count, count)) for _ in range(RESAMPLES)]
    return {
        "difference": round(gap(np.arange(count)), 6),
        "interval": [round(float(value), 6) for value in np.percentile(gaps, [2.5, 97.5])],
    }
