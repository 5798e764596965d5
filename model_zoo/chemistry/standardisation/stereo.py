"""Configurations that a file marks as mixed or unknown (`&1`, `o1` of CXSMILES and V3000), kept for what they are.

Both mirror images beside each other, as two components, are the racemate that `&1` on all centres of one writes.

One centre of unknown or mixed configuration is a centre without configuration. Several centres of one group still say
how they are to each other (a racemate of the cis form is no racemate of the trans form): of the two mirror images the
models see the one whose SMILES sorts first, whichever was drawn, and the mark keeps it apart from a pure enantiomer.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from rdkit import Chem

from model_zoo.chemistry.standardisation.outcome import Note

MOST_GROUPS = 4
"""Two drawings per group are compared; a structure with more groups loses its configurations instead."""
_MIRRORED = {
    Chem.ChiralType.CHI_TETRAHEDRAL_CW: Chem.ChiralType.CHI_TETRAHEDRAL_CCW,
    Chem.ChiralType.CHI_TETRAHEDRAL_CCW: Chem.ChiralType.CHI_TETRAHEDRAL_CW,
}


def settled(mol: Chem.Mol) -> tuple[Chem.Mol, list[Note], str]:
    """Return the molecule as models see it, the notes, and a mark such as `&2` for its identity (or nothing)."""
    if not mol.GetStereoGroups():
        return mol, [], ""
    groups = [
        (group.GetGroupType(), [atom.GetIdx() for atom in group.GetAtoms()])
        for group in mol.GetStereoGroups()
        if group.GetGroupType() != Chem.StereoGroupType.STEREO_ABSOLUTE
    ]
    made = Chem.RWMol(mol)
    made.SetStereoGroups([])
    if not groups:
        return made.GetMol(), [], ""
    linked = [(kind, atoms) for kind, atoms in groups if len(atoms) > 1]
    for _, atoms in groups if len(linked) > MOST_GROUPS else [group for group in groups if len(group[1]) == 1]:
        for place in atoms:
            made.GetAtomWithIdx(place).SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    linked = [] if len(linked) > MOST_GROUPS else linked
    drawings = [
        _turned(made, [place for (_, atoms), turn in zip(linked, turns, strict=True) if turn for place in atoms])
        for turns in product((False, True), repeat=len(linked))
    ]
    written = [Chem.MolToSmiles(drawing) for drawing in drawings]
    best = drawings[written.index(min(written))]
    if len(set(written)) == 1:
        linked = []  # meso forms: a mirror image that is the same molecule
    kinds = {kind for kind, _ in groups}
    notes = []
    if Chem.StereoGroupType.STEREO_AND in kinds:
        detail = "a mixture of two configurations (&): the value is predicted without knowing which"
        notes.append(Note("stereo-mixture", detail))
    if Chem.StereoGroupType.STEREO_OR in kinds:
        detail = "one of two configurations, not known which (o): the value is predicted without knowing which"
        notes.append(Note("stereo-unknown", detail))
    signs = (("&" if kind == Chem.StereoGroupType.STEREO_AND else "o", len(atoms)) for kind, atoms in linked)
    return best, notes, ",".join(f"{sign}{size}" for sign, size in sorted(signs))


def racemate(one: Chem.Mol, other: Chem.Mol) -> Chem.Mol | None:
    """Return the racemate of two components, its centres marked as mixed; none where they are no mirror images."""
    centres = [atom.GetIdx() for atom in one.GetAtoms() if atom.GetChiralTag() in _MIRRORED]
    made = Chem.RWMol(one)
    if not centres or Chem.MolToSmiles(_turned(made, centres)) != Chem.MolToSmiles(other):
        return None
    mixed = Chem.CreateStereoGroup(Chem.StereoGroupType.STEREO_AND, made, centres)
    made.SetStereoGroups([mixed])
    return made.GetMol()


def _turned(mol: Chem.RWMol, places: Iterable[int]) -> Chem.Mol:
    turned = Chem.Mol(mol)
    for place in places:
        atom = turned.GetAtomWithIdx(place)
        atom.SetChiralTag(_MIRRORED.get(atom.GetChiralTag(), atom.GetChiralTag()))
    Chem.AssignStereochemistry(turned, cleanIt=True, force=True)
    return turned
