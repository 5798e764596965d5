"""The features of some molecules for several models at once: what two models read is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.similarity import pack
from model_zoo.type_aliases import Numbers

_featurizer = policies.featurizer


class SharedFeatures:
    """Features of `n` molecules; featurizers are named as `policies.featurizer` finds them.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> shared = SharedFeatures([parse_molecule("CCO")])
    >>> shared.matrix(("morgan_count", "erg")).shape, shared.has(("erg",)), shared.packed.shape
    ((1, 1339), True, (1, 128))
    """

    def __init__(self, molecules: Sequence[Molecule]) -> None:
        self.molecules = molecules
        self.packed: NDArray[np.uint8] = pack(molecules)
        """`n x 128` bytes, see `similarity.pack`."""
        self._blocks: dict[str, NDArray[Any]] = {}
        self._joined: dict[tuple[str, ...], NDArray[Any]] = {}

    def has(self, features: tuple[str, ...]) -> bool:
        """Tell whether these featurizers have all worked already."""
        return all(name in self._blocks for name in features)

    def matrix(self, features: tuple[str, ...]) -> Numbers:
        """Give the blocks of these featurizers side by side, `n x d`."""
        if features not in self._joined:
            for name in features:
                if name not in self._blocks:
                    self._blocks[name] = _featurizer(name).featurize(self.molecules)
            self._joined[features] = featurizers.join([self._blocks[name] for name in features])
        return self._joined[features]
