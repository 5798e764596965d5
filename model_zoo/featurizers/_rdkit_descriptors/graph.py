"""What several descriptor families need of a molecule, read from RDKit once.

Belongs here: properties of atoms and bonds, distance matrices, and whether a molecule is plain enough for short cuts.
Does not belong here: any descriptor.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdPartialCharges

Floats = NDArray[np.float64]

AtomKey = tuple[int, bool, int, int, int, int, int, int]
"""All that a query without recursion can ask of an atom: atomic number, aromatic, formal charge, hydrogens, neighbours,
valence, isotope, rings that it is in."""

BondKey = tuple[float, bool, int]
"""All that such a query can ask of a bond: order, aromatic, size of the smallest ring that it is in (0 for none)."""

_UNUSUAL_BOND = Chem.MolFromSmarts("*!-&!=&!#&!:*")
_MAX_PLAIN_ATOMS = 300
"""Larger molecules take RDKit's own path: a substructure search stops at 1,000 matches, short cuts do not."""


class Graph:
    """A molecule of `n` atoms with the intermediates that descriptor families share.

    Parameters
    ----------
    mol
        A sanitised molecule. It gets partial charges and cached matrices, so give a copy.

    Attributes
    ----------
    atoms, charges, radicals
        Of each atom: its properties, its Gasteiger charge (possibly not finite), its unpaired electrons.
    ends, bonds
        Of each bond in the molecule's order: the indices of its atoms, its properties.
    is_plain
        Whether there is no dummy atom, hydrogen atom or unusual bond, and not too many atoms.
    """

    def __init__(self, mol: Chem.Mol) -> None:
        self.mol = mol
        rdPartialCharges.ComputeGasteigerCharges(mol)
        rings = mol.GetRingInfo()
        atom_rings, bond_ring = [0] * mol.GetNumAtoms(), [0] * mol.GetNumBonds()
        for ring in rings.AtomRings():
            for index in ring:
                atom_rings[index] += 1
        for ring in rings.BondRings():
            size = len(ring)
            for index in ring:
                bond_ring[index] = min(bond_ring[index] or size, size)
        self.atoms: list[AtomKey] = []
        self.charges: list[float] = []
        self.radicals: list[int] = []
        for atom, count in zip(mol.GetAtoms(), atom_rings, strict=True):
            self.atoms.append(
                (
                    atom.GetAtomicNum(),
                    atom.GetIsAromatic(),
                    atom.GetFormalCharge(),
                    atom.GetTotalNumHs(),
                    atom.GetDegree(),
                    atom.GetTotalValence(),
                    atom.GetIsotope(),
                    count,
                )
            )
            self.charges.append(atom.GetDoubleProp("_GasteigerCharge"))
            self.radicals.append(atom.GetNumRadicalElectrons())
        self.ends: list[tuple[int, int]] = []
        self.bonds: list[BondKey] = []
        for bond, smallest in zip(mol.GetBonds(), bond_ring, strict=True):
            self.ends.append((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
            self.bonds.append((bond.GetBondTypeAsDouble(), bond.GetIsAromatic(), smallest))
        self.is_plain = (
            len(self.atoms) <= _MAX_PLAIN_ATOMS
            and min((atom[0] for atom in self.atoms), default=0) > 1
            and not mol.HasSubstructMatch(_UNUSUAL_BOND)
        )

    @cached_property
    def distances(self) -> Floats:
        """Bonds between each two atoms, `n x n`; `1e8` where no path joins them."""
        return np.asarray(Chem.GetDistanceMatrix(self.mol))

    @cached_property
    def order_distances(self) -> Floats:
        """The same with a bond as long as one over its order, `n x n`."""
        return np.asarray(Chem.GetDistanceMatrix(self.mol, useBO=True, useAtomWts=False, force=True, prefix="Balaban"))

    @cached_property
    def neighbours(self) -> list[list[int]]:
        """The neighbours of each atom, in ascending order."""
        found: list[list[int]] = [[] for _ in self.atoms]
        for begin, end in self.ends:
            found[begin].append(end)
            found[end].append(begin)
        for each in found:
            each.sort()
        return found
