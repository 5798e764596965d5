"""Is it one whole molecule: no open ends, no unpaired electrons, no metal that chemistry holds in place."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import BondType

from model_zoo.chemistry.standardisation.outcome import RefusedError

NON_METALS = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54, 85, 86))
"""Hydrogen to radon, with boron, silicon, germanium, arsenic, selenium and tellurium: their compounds are molecules."""
_ALKALI = frozenset((3, 11, 19, 37, 55))
SALT_METALS = _ALKALI | {12, 20, 30, 38, 56, 13}
"""Li, Na, K, Rb, Cs, Mg, Ca, Zn, Sr, Ba, Al: as bare ions, or bonded to O, S or a halogen, they only balance charge."""
_IONIC_PARTNERS = frozenset((8, 9, 16, 17, 35, 53))
_BONDS = frozenset((BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC, BondType.DATIVE))


def require_closed(mol: Chem.Mol) -> None:
    """Refuse what represents many molecules, or for a part of one."""
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        raise RefusedError(
            "incomplete-structure",
            "expected one whole molecule, got an atom '*': an R-group, an attachment point or a polymer's end. "
            "Draw the group that is meant.",
        )
    odd = next((bond for bond in mol.GetBonds() if not _is_definite(bond)), None)
    if odd is not None or any(atom.HasQuery() for atom in mol.GetAtoms()):
        raise RefusedError(
            "incomplete-structure",
            "expected one definite molecule, got an atom or a bond of a search pattern. Write every bond as single, "
            "double, triple or aromatic, and every atom as an element.",
        )
    if any(atom.GetNumRadicalElectrons() and atom.GetAtomicNum() in NON_METALS for atom in mol.GetAtoms()):
        raise RefusedError(
            "radical",
            "expected a molecule without unpaired electrons, got a radical: an atom in brackets has only the hydrogens "
            "written in it, so write [CH2] for [C], or leave the brackets out.",
        )


def cut_salts(mol: Chem.Mol) -> Chem.Mol:
    """Make ions of salts drawn with bonds, like `CC(=O)O[Na]`; refuse every other metal that is not a counter-ion.

    Raises
    ------
    RefusedError
        `metal`.
    """
    metals = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() not in NON_METALS]
    if not metals:
        return mol
    for metal in metals:
        partners = [neighbour.GetAtomicNum() for neighbour in metal.GetNeighbors()]
        bonds = {bond.GetBondType() for bond in metal.GetBonds()}
        allowed = _IONIC_PARTNERS | {7} if metal.GetAtomicNum() in _ALKALI else _IONIC_PARTNERS
        if metal.GetAtomicNum() not in SALT_METALS or not allowed.issuperset(partners) or bonds - {BondType.SINGLE}:
            held = f"{metal.GetSymbol()} bonded in a complex" if partners else metal.GetSymbol()
            raise RefusedError(
                "metal",
                f"expected an organic molecule, with Li, Na, K, Mg, Ca, Zn or Al as a counter-ion, got {held}. "
                "The models know no metal complexes, and a ligand alone is another substance.",
            )
        if not partners and metal.GetFormalCharge() == 0:
            raise RefusedError(
                "metal",
                f"expected an organic molecule, got the element {metal.GetSymbol()}. Write a counter-ion charged.",
            )
    cut = Chem.RWMol(mol)
    for metal in metals:
        for bond in list(metal.GetBonds()):
            partner = cut.GetAtomWithIdx(bond.GetOtherAtomIdx(metal.GetIdx()))
            partner.SetFormalCharge(partner.GetFormalCharge() - 1)
            cut.GetAtomWithIdx(metal.GetIdx()).SetFormalCharge(cut.GetAtomWithIdx(metal.GetIdx()).GetFormalCharge() + 1)
            cut.RemoveBond(metal.GetIdx(), partner.GetIdx())
    Chem.SanitizeMol(cut)
    return cut.GetMol()


def _is_definite(bond: Chem.Bond) -> bool:
    kind = bond.GetBondType()
    return kind in _BONDS and (kind != BondType.AROMATIC or bond.IsInRing()) and not bond.HasQuery()
