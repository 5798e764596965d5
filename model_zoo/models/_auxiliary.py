"""What a recipe sees of another endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Task


@dataclass(frozen=True)
class Auxiliary:
    """What may be learnt from one other endpoint."""

    name: str
    task: Task
    """`name` and `task`: the endpoint, and what kind of values it has."""
    skeletons: tuple[str, ...]
    """Who the `n` molecules are."""
    X: NDArray[Any]
    """`n x d` features."""
    y: NDArray[np.float64]
    """`n` values on the endpoint's scale of training."""
