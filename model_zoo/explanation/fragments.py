"""Groups of a molecule and what they are worth: the sums of their atoms, and what a model loses without them.

Source of where a molecule is cut: Degen et al., ChemMedChem 2008, 3, 1503 (BRICS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import BRICS

from model_zoo.chemistry.molecules import Molecule

SMALLEST_REST = 6
"""Heavy atoms that have to be left for a molecule without a group to be one that a model can be asked about."""


@dataclass(frozen=True)
class Fragment:
    """A part of a molecule."""

    smiles: str
    """Its SMILES; `*` is where it was bound to other parts."""
    atoms: tuple[int, ...]
    """Numbers of its atoms in the molecule."""
    worth: float
    """The sum of what these atoms are worth."""
    lost: float | None = None
    """What the model itself loses where hydrogen takes its place; none where it was not asked."""


def fragments_of(
    mol: Chem.Mol, worth: Sequence[float], lost: Mapping[tuple[int, ...], float] | None = None
) -> tuple[Fragment, ...]:
    """Cut a molecule where a chemist would, and sum its atoms; none where there is nothing to cut.

    Parameters
    ----------
    mol
        A molecule of `n` atoms.
    worth
        What each of them is worth.
    lost
        What a model loses without some of the groups, by their atoms.

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
        sums = float(sum(worth[atom] for atom in atoms))
        found.append(Fragment(smiles, atoms, sums, (lost or {}).get(atoms)))
    return tuple(sorted(found, key=lambda each: (-abs(each.worth), each.atoms)))


def without(mol: Chem.Mol, atoms: Sequence[int]) -> Molecule | None:
    """Return the molecule with hydrogen in the place of a group.

    None where the group is bound by more than one bond or by another one than a single bond, where fewer than
    `SMALLEST_REST` heavy atoms are left, and where that is not a molecule.

    Examples
    --------
    >>> aspirin = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")
    >>> [each and each.smiles for each in (without(aspirin, (10, 11, 12)), without(aspirin, (3,)))]
    ['CC(=O)Oc1ccccc1', None]
    """
    inside = set(atoms)
    bonds = [each for each in mol.GetBonds() if (each.GetBeginAtomIdx() in inside) != (each.GetEndAtomIdx() in inside)]
    if len(bonds) != 1 or bonds[0].GetBondType() != Chem.BondType.SINGLE:
        return None
    cut = Chem.FragmentOnBonds(mol, [bonds[0].GetIdx()], addDummies=False)
    rest = [atom for atom in range(mol.GetNumAtoms()) if atom not in inside]
    if sum(mol.GetAtomWithIdx(atom).GetAtomicNum() > 1 for atom in rest) < SMALLEST_REST:
        return None
    read = Chem.MolFromSmiles(Chem.MolFragmentToSmiles(cut, rest))
    # An atom that was written in brackets does not get its hydrogen by itself: then it is a radical, or not read.
    if read is None or any(atom.GetNumRadicalElectrons() for atom in read.GetAtoms()):
        return None
    smiles = Chem.MolToSmiles(read)
    return Molecule(smiles, Chem.MolFromSmiles(smiles))
