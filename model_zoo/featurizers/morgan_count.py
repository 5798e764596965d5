"""Morgan (ECFP4-like) count fingerprint, 1024 wide.

Source: Rogers & Hahn, J. Chem. Inf. Model. 2010, 50, 742. Counts keep repeated substructures, which a
bit vector forgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule

RADIUS = 2
WIDTH = 1024
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=WIDTH)


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 1024` counts as `float32`.

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


def atom_parts(molecule: Molecule, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the part of each of `n` atoms in each of `k` columns, `n x k`.

    The environments of a column count the same, and so do the atoms of an environment.
    """
    found = rdFingerprintGenerator.AdditionalOutput()
    found.AllocateBitInfoMap()
    _generator.GetCountFingerprint(molecule.mol, additionalOutput=found)
    places = found.GetBitInfoMap()
    distances = Chem.GetDistanceMatrix(molecule.mol)
    result = np.zeros((len(distances), len(columns)))
    for number, column in enumerate(columns):
        for centre, radius in places.get(int(column), ()):
            inside = distances[centre] <= radius
            result[inside, number] += 1.0 / np.count_nonzero(inside)
    return result
