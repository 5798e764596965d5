"""What several descriptor families need of a molecule, read from RDKit once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors, rdPartialCharges

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
    atoms, masses, charges, radicals, hybridisations
        Of each atom: its properties, mass, Gasteiger charge (possibly not finite), unpaired electrons, hybridisation.
    ends, bonds
        Of each bond in the molecule's order: the indices of its atoms, its properties.
    has_charges
        Whether there are Gasteiger parameters for every atom.
    is_plain
        Whether there is no dummy atom, hydrogen atom or unusual bond, and not too many atoms.
    """

    def __init__(self, mol: Chem.Mol) -> None:
        self.mol = mol
        try:
            rdPartialCharges.ComputeGasteigerCharges(mol, throwOnParamFailure=True)
            self.has_charges = True
        except ValueError:  # no parameters, for example for a metal: RDKit then takes those of another element
            rdPartialCharges.ComputeGasteigerCharges(mol)
            self.has_charges = False
        rings = mol.GetRingInfo()
        atom_rings, bond_ring = [0] * mol.GetNumAtoms(), [0] * mol.GetNumBonds()
        for ring in rings.AtomRings():
            for index in ring:
                atom_rings[index] += 1
        for ring in rings.BondRings():
            size = len(ring)
            for index in ring:
                bond_ring[index] = min(bond_ring[index] or size, size)
        # By index: RDKit's own iterators over atoms and bonds are written in Python and cost half as much again.
        self.atoms: list[AtomKey] = []
        self.charges: list[float] = []
        self.masses: list[float] = []
        self.radicals: list[int] = []
        self.hybridisations: list[Chem.HybridizationType] = []
        for atom, count in zip(map(mol.GetAtomWithIdx, range(len(atom_rings))), atom_rings, strict=True):
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
            self.masses.append(atom.GetMass())
            self.radicals.append(atom.GetNumRadicalElectrons())
            self.hybridisations.append(atom.GetHybridization())
        self.ends: list[tuple[int, int]] = []
        self.bonds: list[BondKey] = []
        for bond, smallest in zip(map(mol.GetBondWithIdx, range(len(bond_ring))), bond_ring, strict=True):
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
    def lipophilicities(self) -> tuple[list[float], list[float]]:
        """The contributions of each atom to logP and to molar refractivity, `n` atoms before the hydrogens.

        One look at the molecule with its hydrogens serves both: beside them, an atom has the contributions that it
        has without them.
        """
        logp, refractivity = zip(*rdMolDescriptors._CalcCrippenContribs(Chem.AddHs(self.mol)), strict=True)  # noqa: SLF001
        return list(logp), list(refractivity)

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
