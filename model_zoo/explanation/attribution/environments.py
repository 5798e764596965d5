"""Atoms of the circular environments that set a column of the Morgan count fingerprint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule
from model_zoo.featurizers.morgan_count import RADIUS, WIDTH

_generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=WIDTH)


def parts(molecule: Molecule, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Give the part of each of `n` atoms in each of `k` columns, `n x k`.

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
