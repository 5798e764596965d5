"""What a recipe sees of another endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.targets import Task


@dataclass(frozen=True)
class Auxiliary:
    """What may be learnt from one other endpoint.

    Attributes
    ----------
    name, task
        The endpoint, and what kind of values it has.
    skeletons
        Who the `n` molecules are.
    X
        `n x d` features.
    y
        `n` values on the endpoint's scale of training.
    """

    name: str
    task: Task
    skeletons: tuple[str, ...]
    X: NDArray[Any]
    y: NDArray[np.float64]
