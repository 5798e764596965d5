"""Avalon count fingerprint, 1024 wide: paths, rings, atom environments and feature pairs, hashed.

Source: Gedeck, Rohde & Bartels, J. Chem. Inf. Model. 2006, 46, 1924.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, DataStructs
from rdkit.Avalon import pyAvalonTools

from model_zoo.chemistry.molecules import Molecule

WIDTH = 1024


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 1024` counts as `float32`.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> featurize([parse_molecule("CCO"), parse_molecule("CCCO")]).shape
    (2, 1024)
    """
    matrix = np.zeros((len(molecules), WIDTH), dtype=np.float32)
    counts = np.zeros(WIDTH, dtype=np.int32)
    for row, molecule in enumerate(molecules):
        # Avalon reads a molecule as a file with coordinates, which the counts do not depend on. Where there are none,
        # RDKit lays the molecule out first, and that is half of the time.
        placed = Chem.Mol(molecule.mol)
        placed.AddConformer(Chem.Conformer(placed.GetNumAtoms()))
        DataStructs.ConvertToNumpyArray(pyAvalonTools.GetAvalonCountFP(placed, nBits=WIDTH), counts)
        matrix[row] = counts
    return matrix
