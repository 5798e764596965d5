"""Groups of a molecule and what they are worth: the sums of their atoms.

Source of where a molecule is cut: Degen et al., ChemMedChem 2008, 3, 1503 (BRICS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import BRICS


@dataclass(frozen=True)
class Fragment:
    """A part of a molecule."""

    smiles: str
    """Its SMILES; `*` is where it was bound to other parts."""
    atoms: tuple[int, ...]
    """Numbers of its atoms in the molecule."""
    worth: float
    """The sum of what these atoms are worth."""


def fragments_of(mol: Chem.Mol, worth: Sequence[float]) -> tuple[Fragment, ...]:
    """Cut a molecule where a chemist would, and sum its atoms; none where there is nothing to cut.

    Parameters
    ----------
    mol
        A molecule of `n` atoms.
    worth
        What each of them is worth.

    Returns
    -------
    tuple
        Every atom in exactly one of them; those that move the prediction most come first.

    Examples
    --------
    >>> aspirin = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")
    >>> [(each.smiles, len(each.atoms)) for each in fragments_of(aspirin, [1.0] * 13)]
    [('*c1ccccc1*', 6), ('*C(C)=O', 3), ('*C(=O)O', 3), ('*O*', 1)]
    """
    bonds = BRICS.FindBRICSBonds(mol)  # type: ignore[no-untyped-call]
    cuts = sorted({mol.GetBondBetweenAtoms(*ends).GetIdx() for ends, _ in bonds})
    if not cuts:
        return ()
    pieces = Chem.FragmentOnBonds(mol, cuts, addDummies=True, dummyLabels=[(0, 0)] * len(cuts))
    size, found = mol.GetNumAtoms(), []
    for piece in Chem.GetMolFrags(pieces):
        atoms = tuple(atom for atom in piece if atom < size)
        smiles = Chem.MolFragmentToSmiles(pieces, piece)
        found.append(Fragment(smiles, atoms, float(sum(worth[atom] for atom in atoms))))
    return tuple(sorted(found, key=lambda each: (-abs(each.worth), each.atoms)))
