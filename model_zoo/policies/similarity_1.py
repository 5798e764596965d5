"""Version 1 of the fingerprints that likeness is computed from: which environments occur, not how often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule

BITS = 1024
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)


def pack(molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
    """Return packed Morgan bits, `n x 128` bytes."""
    bits = np.empty((len(molecules), BITS), dtype=np.uint8)
    for row, molecule in enumerate(molecules):
        bits[row] = _generator.GetFingerprintAsNumPy(molecule.mol)
    return np.packbits(bits, axis=1)
