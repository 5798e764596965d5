"""One notation of one molecule: labels that are no chemistry are cleared, charge-separated drawings rewritten."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import BondType, rdqueries

from model_zoo.chemistry.standardisation.outcome import Note

_PAIRS = Chem.MolFromSmarts(
    "[#15+,#33+,$([#16+X4]),$([#16+X3][#7-]),Cl+,Cl+2,Cl+3,Br+,Br+2,Br+3,I+,I+2]-[#8-,#16-,#7-,#6-]"
)
"""A cation that takes a double bond, and its anion: P+-O-, S+-N-, Cl+3(O-)3. Sulfoxides stay S+-O-, as in RDKit."""
_DIAZONIUM = Chem.MolFromSmarts("[N-X2,C-]-[N+X2]#[NX1+0]")
_DIAZOENOL = Chem.MolFromSmarts("[O-X1]-[C]=[C]-[N+X2]#[NX1+0]")
_HYDROXYLAMINE = Chem.MolFromSmarts("[#7+;!H0]-[O-X1]")
_LABELLED = Chem.MolFromSmarts("[!0*,#1]")
_MAPPED = rdqueries.HasPropQueryAtom("molAtomMapNumber")
_HYDROGENS = Chem.RemoveHsParameters()
_HYDROGENS.removeDefiningBondStereo = True  # type: ignore[assignment]


def without_labels(mol: Chem.Mol) -> tuple[Chem.Mol, list[Note]]:
    """Clear atom maps and isotopes, and take hydrogens that are atoms of their own into their neighbours."""
    if not (mol.HasSubstructMatch(_LABELLED) or len(mol.GetAtomsMatchingQuery(_MAPPED))):
        return mol, []
    labelled = sorted({f"{atom.GetIsotope()}{atom.GetSymbol()}" for atom in mol.GetAtoms() if atom.GetIsotope()})
    plain = Chem.Mol(mol)
    for atom in plain.GetAtoms():
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    plain = Chem.RemoveHs(plain, _HYDROGENS)
    Chem.AssignStereochemistry(plain, cleanIt=True, force=True)
    if not labelled:
        return plain, []
    detail = f"isotope labels ({', '.join(labelled)}) are not read: the models see the molecule of natural composition"
    return plain, [Note("isotopes-ignored", detail)]


def one_notation(mol: Chem.Mol) -> Chem.Mol:
    """Rewrite azides, diazo compounds, phosphine oxides, ylides and halogen oxides that are drawn charge-separated.

    Examples
    --------
    >>> [Chem.MolToSmiles(one_notation(Chem.MolFromSmiles(text))) for text in ("C[N-][N+]#N", "C[P+](C)(C)[O-]")]
    ['CN=[N+]=[N-]', 'CP(C)(C)=O']
    """
    if not any(mol.HasSubstructMatch(query) for query in (_PAIRS, _DIAZONIUM, _DIAZOENOL, _HYDROXYLAMINE)):
        return mol
    made = Chem.RWMol(mol)
    Chem.Kekulize(made, clearAromaticFlags=True)
    while match := made.GetSubstructMatch(_DIAZOENOL):
        oxygen, carbon, other, _, _ = match
        _shift(made, oxygen, carbon, +1)
        _shift(made, carbon, other, -1)
        made.GetAtomWithIdx(oxygen).SetFormalCharge(0)
        made.GetAtomWithIdx(other).SetFormalCharge(-1)
        made.UpdatePropertyCache(strict=False)
    while match := made.GetSubstructMatch(_DIAZONIUM):
        anion, middle, end = match
        _shift(made, anion, middle, +1)
        _shift(made, middle, end, -1)
        made.GetAtomWithIdx(anion).SetFormalCharge(0)
        made.GetAtomWithIdx(end).SetFormalCharge(-1)
        made.UpdatePropertyCache(strict=False)
    while match := made.GetSubstructMatch(_HYDROXYLAMINE):
        nitrogen, oxygen = (made.GetAtomWithIdx(place) for place in match)
        nitrogen.SetNumExplicitHs(max(0, nitrogen.GetTotalNumHs() - 1))
        nitrogen.SetFormalCharge(0)
        oxygen.SetFormalCharge(0)
        oxygen.SetNumExplicitHs(1)
        made.UpdatePropertyCache(strict=False)
    while match := made.GetSubstructMatch(_PAIRS):
        cation, anion = (made.GetAtomWithIdx(place) for place in match)
        _shift(made, match[0], match[1], +1)
        cation.SetFormalCharge(cation.GetFormalCharge() - 1)
        anion.SetFormalCharge(anion.GetFormalCharge() + 1)
        made.UpdatePropertyCache(strict=False)
    Chem.SanitizeMol(made)
    Chem.AssignStereochemistry(made, cleanIt=True, force=True)
    return made.GetMol()


def _shift(mol: Chem.RWMol, begin: int, end: int, by: int) -> None:
    order = {1: BondType.SINGLE, 2: BondType.DOUBLE, 3: BondType.TRIPLE}
    bond = mol.GetBondBetweenAtoms(begin, end)
    bond.SetBondType(order[int(bond.GetBondTypeAsDouble()) + by])
