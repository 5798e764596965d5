"""Morgan (ECFP4-like) count fingerprint, 1024 wide.

Source: Rogers & Hahn, J. Chem. Inf. Model. 2010, 50, 742. Counts keep repeated substructures, which a
bit vector forgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule

RADIUS = 2
WIDTH = 1024
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=WIDTH)


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Give `n x 1024` counts as `float32`.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> int(featurize([parse_molecule("CCO")]).sum())
    6
    """
    matrix = np.empty((len(molecules), WIDTH), dtype=np.float32)
    for row, molecule in enumerate(molecules):
        matrix[row] = _generator.GetCountFingerprintAsNumPy(molecule.mol)
    return matrix
