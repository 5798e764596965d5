"""Twenty-eight physicochemical descriptors that RDKit computes in C++, in a fixed order.

Left out on purpose: those of RDKit's own list that take most of its time (QED, EState extremes, Ipc, BertzCT).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdMolDescriptors

from model_zoo.chemistry.molecules import Molecule

NAMES = (
    "exactmw",
    "CrippenClogP",
    "CrippenMR",
    "tpsa",
    "labuteASA",
    "lipinskiHBA",
    "lipinskiHBD",
    "NumHBA",
    "NumHBD",
    "NumRotatableBonds",
    "NumHeavyAtoms",
    "NumHeteroatoms",
    "NumAmideBonds",
    "FractionCSP3",
    "NumRings",
    "NumAromaticRings",
    "NumAliphaticRings",
    "NumSaturatedRings",
    "NumHeterocycles",
    "NumAromaticHeterocycles",
    "NumSpiroAtoms",
    "NumBridgeheadAtoms",
    "chi0v",
    "chi1v",
    "chi2v",
    "kappa1",
    "kappa2",
    "Phi",
)
SAME = {
    "exactmw": "ExactMolWt", "CrippenClogP": "MolLogP", "CrippenMR": "MolMR", "tpsa": "TPSA", "labuteASA": "LabuteASA",
    "lipinskiHBA": "NOCount", "lipinskiHBD": "NHOHCount", "NumHBA": "NumHAcceptors", "NumHBD": "NumHDonors",
    "NumHeavyAtoms": "HeavyAtomCount", "NumRings": "RingCount", "chi0v": "Chi0v", "chi1v": "Chi1v",
}  # fmt: skip
"""Columns that RDKit's own list has under another name."""
_properties = rdMolDescriptors.Properties(NAMES)
WIDTH = len(NAMES)


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 28` descriptors as `float32`, columns in the order of `NAMES`.

    A value that RDKit cannot compute (not finite) becomes 0, so that every model receives finite numbers.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> round(float(featurize([parse_molecule("CCO")])[0, 0]), 2)
    46.04
    """
    matrix = np.empty((len(molecules), len(NAMES)), dtype=np.float32)
    for row, molecule in enumerate(molecules):
        matrix[row] = list(_properties.ComputeProperties(molecule.mol))
    return np.nan_to_num(matrix, nan=0.0, posinf=0.0, neginf=0.0)


def atom_parts(molecule: Molecule, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the part of each of `n` atoms in each of `k` columns, `n x k`; zeros for what is no sum over atoms."""
    from model_zoo.featurizers import _atom_sums

    return _atom_sums.parts(molecule, [SAME.get(NAMES[column], NAMES[column]) for column in columns])
