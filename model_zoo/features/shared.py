"""The features of some molecules for several models at once: what two models read is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.type_aliases import Numbers

_featurizer = policies.featurizer


class Featurizing:
    """Features of molecules, computed in this process."""

    def featurize(self, name: str, molecules: Sequence[Molecule]) -> Numbers:
        """Return the `n x d` features of a featurizer, named as `policies.featurizer` finds it."""
        return _featurizer(name).featurize(molecules)

    def fingerprints(self, version: int, molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
        """Return the `n x b` fingerprints that likeness is computed from, as a version of the rule makes them."""
        return policies.fingerprints(molecules, policy=version)

    def size_and_kind(self, molecules: Sequence[Molecule]) -> NDArray[np.float64]:
        """Return `n x p` sizes and kinds, see `size_and_kind`."""
        return size_and_kind(molecules)


class SharedFeatures:
    """Features of `n` molecules; featurizers are named as `policies.featurizer` finds them.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> shared = SharedFeatures([parse_molecule("CCO")])
    >>> shared.matrix(("morgan_count", "erg")).shape, shared.has(("erg",)), shared.packed(2).shape
    ((1, 1339), True, (1, 128))
    """

    def __init__(self, molecules: Sequence[Molecule], source: Featurizing | None = None) -> None:
        self.molecules, self._source = molecules, source or Featurizing()
        self._packed: dict[int, NDArray[np.uint8]] = {}
        self._blocks: dict[str, NDArray[Any]] = {}
        self._joined: dict[tuple[str, ...], NDArray[Any]] = {}

    def packed(self, version: int) -> NDArray[np.uint8]:
        """Return the `n x b` fingerprints that likeness is computed from, as a version of the rule makes them."""
        if version not in self._packed:
            self._packed[version] = self._source.fingerprints(version, self.molecules)
        return self._packed[version]

    @cached_property
    def properties(self) -> NDArray[np.float64]:
        """`n x p` sizes and kinds, see `size_and_kind`."""
        return self._source.size_and_kind(self.molecules)

    def has(self, features: tuple[str, ...]) -> bool:
        """Return whether these featurizers have all worked already."""
        return all(name in self._blocks for name in features)

    def matrix(self, features: tuple[str, ...]) -> Numbers:
        """Return the blocks of these featurizers side by side, `n x d`."""
        if features not in self._joined:
            for name in features:
                if name not in self._blocks:
                    self._blocks[name] = self._source.featurize(name, self.molecules)
            self._joined[features] = featurizers.join([self._blocks[name] for name in features])
        return self._joined[features]
