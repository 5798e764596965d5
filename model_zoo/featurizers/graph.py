"""The molecular graph: per atom and per bond a few small classes, packed into one row of numbers.

The classes are those of Chemprop's default featurizers (Heid et al., J. Chem. Inf. Model. 2024, 64, 9), so that a
network of its kind sees here what it sees there; a test compares them.

A row is `MAX_ATOMS` codes of atoms, as many masses, and `MAX_BONDS` codes of bonds, 0 where there is none. A code is a
number in mixed radix, below 2**24, which `float32` holds exactly. Curation refuses molecules of more than 300 heavy
atoms by name; what is larger still (explicit hydrogens, cages of more bonds) is cut like a long SMILES is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import BondStereo, BondType, HybridizationType

from model_zoo.chemistry.molecules import Molecule

MAX_ATOMS = 300
MAX_BONDS = 360
WIDTH = 2 * MAX_ATOMS + MAX_BONDS

_ELEMENTS = {number: place for place, number in enumerate([*range(1, 37), 53])}
_CHARGES = {charge: place for place, charge in enumerate((-1, -2, 1, 2, 0))}
_HYBRIDS = {
    HybridizationType.S: 0,
    HybridizationType.SP: 1,
    HybridizationType.SP2: 2,
    HybridizationType.SP2D: 3,
    HybridizationType.SP3: 4,
    HybridizationType.SP3D: 5,
    HybridizationType.SP3D2: 6,
}
_TYPES = {
    kind: place for place, kind in enumerate((BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC))
}
_STEREO = {
    BondStereo.STEREONONE: 0,
    BondStereo.STEREOANY: 1,
    BondStereo.STEREOZ: 2,
    BondStereo.STEREOE: 3,
    BondStereo.STEREOCIS: 4,
    BondStereo.STEREOTRANS: 5,
}

ATOM_RADICES = (38, 7, 6, 5, 6, 8, 2)
"""Classes of element, degree, charge, chirality, hydrogens, hybridisation (the last class of each: any other), and
of aromaticity."""
BOND_RADICES = (5, 2, 2, 7)
"""Classes of type (the last: any other), conjugation, ring and stereo (the last: any other)."""


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 960` packed graphs as `float32`.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> row = featurize([parse_molecule("CCO")])[0]
    >>> int((row[:MAX_ATOMS] > 0).sum()), int((row[2 * MAX_ATOMS :] > 0).sum())
    (3, 2)
    """
    matrix = np.zeros((len(molecules), WIDTH), dtype=np.float32)
    for row, molecule in enumerate(molecules):
        atoms = list(molecule.mol.GetAtoms())[:MAX_ATOMS]
        matrix[row, : len(atoms)] = [_packed(_atom(atom), ATOM_RADICES) + 1 for atom in atoms]
        matrix[row, MAX_ATOMS : MAX_ATOMS + len(atoms)] = [atom.GetMass() for atom in atoms]
        bonds = [bond for bond in molecule.mol.GetBonds() if max(_ends(bond)) < MAX_ATOMS][:MAX_BONDS]
        radices = (MAX_ATOMS, MAX_ATOMS, *BOND_RADICES)
        codes = [_packed((*_ends(bond), *_bond(bond)), radices) + 1 for bond in bonds]
        matrix[row, 2 * MAX_ATOMS : 2 * MAX_ATOMS + len(bonds)] = codes
    return matrix


def unpacked(codes: NDArray[np.int64], radices: Sequence[int]) -> NDArray[np.int64]:
    """Read `m` codes (without the 1 that marks their presence) back as `m x len(radices)` classes.

    Examples
    --------
    >>> unpacked(np.array([_packed((3, 1, 0, 6), BOND_RADICES)]), BOND_RADICES).tolist()
    [[3, 1, 0, 6]]
    """
    return np.column_stack(np.unravel_index(codes, tuple(radices))).astype(np.int64)


def _packed(classes: Sequence[int], radices: Sequence[int]) -> int:
    code = 0
    for place, radix in zip(classes, radices, strict=True):
        code = code * radix + place
    return code


def _atom(atom: Chem.Atom) -> tuple[int, ...]:
    return (
        _ELEMENTS.get(atom.GetAtomicNum(), 37),
        min(atom.GetTotalDegree(), 6),
        _CHARGES.get(atom.GetFormalCharge(), 5),
        min(int(atom.GetChiralTag()), 4),
        min(atom.GetTotalNumHs(), 5),
        _HYBRIDS.get(atom.GetHybridization(), 7),
        int(atom.GetIsAromatic()),
    )


def _bond(bond: Chem.Bond) -> tuple[int, ...]:
    return (
        _TYPES.get(bond.GetBondType(), 4),
        int(bond.GetIsConjugated()),
        int(bond.IsInRing()),
        _STEREO.get(bond.GetStereo(), 6),
    )


def _ends(bond: Chem.Bond) -> tuple[int, int]:
    return bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
