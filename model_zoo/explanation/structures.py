"""What explaining takes of a molecule's structure, apart from any model, so that another process may do it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_zoo import policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.explanation import attribution, masking
from model_zoo.type_aliases import Numbers

Floats = NDArray[np.float64]


class Structures:
    """Structures looked at in this process; featurizers are named as `policies.featurizer` finds them."""

    def featurize(self, name: str, molecules: Sequence[Molecule]) -> Numbers:
        """Return the `m x d` features of molecules."""
        return policies.featurizer(name).featurize(molecules)

    def without_atoms(self, name: str, molecule: Molecule) -> Numbers:
        """See `masking.masked_features`."""
        return masking.masked_features(name, molecule.smiles)

    def spread(self, name: str, molecule: Molecule, x: Numbers, slopes: Floats) -> Floats:
        """See `attribution.spread`."""
        return attribution.spread(name, molecule, x, slopes)

    def spread_above_average(
        self, name: str, molecule: Molecule, x: Numbers, mean: Numbers, contributions: Floats
    ) -> Floats:
        """See `attribution.spread_above_average`."""
        return attribution.spread_above_average(name, molecule, x, mean, contributions)
