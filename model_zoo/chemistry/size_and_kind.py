"""A few counts that say how large a molecule is and what it is made of: cheap enough for every prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdMolDescriptors

from model_zoo.chemistry.molecules import Molecule

NAMES = ("heavy atoms", "donors", "acceptors", "rotatable bonds", "rings", "heteroatoms", "aromatic atoms", "sp3 share")


def size_and_kind(molecules: Sequence[Molecule]) -> NDArray[np.float64]:
    """Return `n x 8` numbers as `NAMES` says: counts as `log(1 + count)`, so that a doubling weighs alike at any size.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> np.expm1(size_and_kind([parse_molecule("CC(=O)Oc1ccccc1C(=O)O")])[0]).round(1).tolist()[:7]
    [13.0, 1.0, 3.0, 2.0, 1.0, 4.0, 6.0]
    """
    numbers = np.empty((len(molecules), len(NAMES)))
    for row, molecule in enumerate(molecules):
        mol = molecule.mol
        numbers[row] = (
            mol.GetNumHeavyAtoms(),
            rdMolDescriptors.CalcNumHBD(mol),
            rdMolDescriptors.CalcNumHBA(mol),
            rdMolDescriptors.CalcNumRotatableBonds(mol),
            rdMolDescriptors.CalcNumRings(mol),
            rdMolDescriptors.CalcNumHeteroatoms(mol),
            len(mol.GetAromaticAtoms()),
            rdMolDescriptors.CalcFractionCSP3(mol),
        )
    numbers[:, :-1] = np.log1p(numbers[:, :-1])
    return numbers
