"""The training molecules of a bundle as people know them: what was measured, and how wrong the model was about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_zoo.type_aliases import Json


@dataclass(frozen=True)
class Neighbours:
    """The training molecules as people know them, in the order of the domain."""

    smiles: tuple[str, ...]
    """`n` standardised SMILES."""
    values: NDArray[np.float64]
    """`n` measured values in the endpoint's unit, or classes."""
    errors: NDArray[np.float64]
    """`n` absolute out-of-fold errors on the scale of training; empty in bundles of format 1."""
    relations: tuple[str, ...] = ()
    """`n` times `=`, `<` or `>`: what the true value is to `values`; empty where all were measured."""

    @classmethod
    def of(cls, known: Mapping[str, Json]) -> Neighbours:
        """Read what `neighbours.json` holds."""
        return cls(
            tuple(map(str, known["smiles"])),
            np.asarray(known["values"], dtype=np.float64),
            np.asarray(known.get("errors", []), dtype=np.float64),
            tuple(map(str, known.get("relations", ()))),
        )

    @property
    def measured(self) -> NDArray[np.float64]:
        """The values that were measured, without bounds."""
        if not self.relations:
            return self.values
        measured: NDArray[np.float64] = self.values[np.array([sign == "=" for sign in self.relations], dtype=bool)]
        return measured


class Neighbour(NamedTuple):
    """A training molecule near another one: its Tanimoto similarity to that, and what was measured for it.

    With the relation `<` or `>` the value is a bound: the true one is below or above it.
    """

    smiles: str
    similarity: float
    value: float
    relation: str = "="
