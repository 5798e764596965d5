"""What is known beside a prediction: values measured for the same molecule, and twins that no model tells apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rdkit import Chem

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.display_unit import Display
from model_zoo.inference.answers import Answer, Fault
from serving.champions.champion_registry import Champion
from serving.page.axis import number, places
from serving.page.shown import shown_number

SAME_FINGERPRINT = 0.9999
"""From this similarity on a training molecule may be the same one: its fingerprint is."""
LOOKED_AT = 16
"""Training molecules with the same fingerprint that are compared: stereoisomers, homologues of long chains."""
MIRROR, EPIMER, GEOMETRY = "its mirror image", "its epimer at one centre", "its other E/Z form"
_OTHER = {
    Chem.BondStereo.STEREOE: Chem.BondStereo.STEREOZ,
    Chem.BondStereo.STEREOZ: Chem.BondStereo.STEREOE,
    Chem.BondStereo.STEREOCIS: Chem.BondStereo.STEREOTRANS,
    Chem.BondStereo.STEREOTRANS: Chem.BondStereo.STEREOCIS,
}


class Measured(NamedTuple):
    """A value that was measured, of the molecule itself or of another stereoisomer."""

    amount: str
    """The value as it is shown, a bound with its sign."""
    own_amount: str
    """The same in the endpoint's own unit."""
    same: bool
    """Whether it is of this very molecule, salts and solvents left aside."""
    smiles: str
    """What was measured."""


def measured_values(champion: Champion, smiles: str, similarity: float) -> tuple[Measured, ...]:
    """Return what the training data of a champion holds for a standardised SMILES and its stereoisomers."""
    if similarity < SAME_FINGERPRINT:
        return ()
    mol = Chem.MolFromSmiles(smiles)
    flat = Chem.MolToSmiles(mol, isomericSmiles=False)
    (near,) = champion.bundle.nearest([Molecule(smiles, mol)], LOOKED_AT)
    found = [
        Measured(amount(each, champion), amount(each, champion, own=True), each.smiles == smiles, each.smiles)
        for each in near
        if each.similarity >= SAME_FINGERPRINT and (each.smiles == smiles or without_stereo(each.smiles) == flat)
    ]
    return tuple(sorted(found, key=lambda each: not each.same))


def amount(each: Neighbour, champion: Champion, *, own: bool = False) -> str:
    """Write a measured value in the unit that people read; a bound with its sign, a class as yes or no.

    With `own` in the endpoint's own unit.
    """
    if champion.manifest.target.task == "binary":
        return "yes" if each.value >= 0.5 else "no"
    value, sign = each.value, each.relation
    display: Display | None = None if own else champion.manifest.display
    if display is not None:
        value, sign = shown_number(display, value), display.relation(sign)
    shown = number(value, places(value))
    return shown if sign == "=" else f"{sign} {shown}"


def without_stereo(smiles: str) -> str:
    """Return a SMILES without configurations; the text itself where RDKit cannot read it."""
    mol = Chem.MolFromSmiles(smiles)
    return smiles if mol is None else str(Chem.MolToSmiles(mol, isomericSmiles=False))


def twins(smiles: str) -> dict[str, str]:
    r"""Return a molecule's mirror image, an epimer, and the form with all double bonds reversed, where they differ.

    Examples
    --------
    >>> twins("C[C@H](O)[C@@H](C)O")
    {'its epimer at one centre': 'C[C@@H](O)[C@@H](C)O'}
    >>> twins("C[C@H](N)C(=O)O"), twins("C/C=C/C"), twins("CCO")
    ({'its mirror image': 'C[C@@H](N)C(=O)O'}, {'its other E/Z form': 'C/C=C\\C'}, {})
    """
    mol = Chem.MolFromSmiles(smiles)
    if mol is None or not set("@/\\") & set(smiles):
        return {}
    mirrored, epimer, turned = Chem.Mol(mol), Chem.Mol(mol), Chem.Mol(mol)
    for atom in mirrored.GetAtoms():
        atom.InvertChirality()
    centres = [atom for atom in epimer.GetAtoms() if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED]
    if len(centres) > 1:
        centres[0].InvertChirality()
    for bond in turned.GetBonds():
        if bond.GetStereo() in _OTHER:
            bond.SetStereo(_OTHER[bond.GetStereo()])
    canonical = Chem.MolToSmiles(mol)
    made = {MIRROR: Chem.MolToSmiles(mirrored), EPIMER: Chem.MolToSmiles(epimer), GEOMETRY: Chem.MolToSmiles(turned)}
    return {name: str(other) for name, other in made.items() if other != canonical}


def not_told_apart(
    champions: Mapping[str, Champion], answer: Answer, of_twins: Sequence[tuple[str, Answer]]
) -> tuple[str, ...]:
    """Say which properties are predicted alike for a molecule and its twins."""
    kinds: dict[str, list[str]] = {}
    for what, other in of_twins:
        if isinstance(answer, Fault) or isinstance(other, Fault):
            continue
        alike = [
            champions[name].manifest.title
            for name, estimate in answer.items()
            if name in other and abs(other[name].value - estimate.value) <= 1e-9 * max(1.0, abs(estimate.value))
        ]
        if alike:
            which = ", ".join(alike) if len(alike) < len(answer) else "all"
            kinds.setdefault(which, []).append(what)
    return tuple(
        f"Predicted alike for {' and '.join(filter(None, [', '.join(whats[:-1]), whats[-1]]))}, which these models do "
        f"not tell apart: {which}."
        for which, whats in kinds.items()
    )


def left_open(smiles: str) -> tuple[str, ...]:
    """Say how many configurations a structure leaves open.

    Examples
    --------
    >>> left_open("CC(N)C(=O)O")
    ('Configuration left open: 1 centre. The value is of no isomer in particular.',)
    >>> left_open("C[C@H](N)C(=O)O"), left_open("CC=CC")[0][:40]
    ((), 'Configuration left open: 1 double bond. ')
    """
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return ()
    kinds = {Chem.StereoType.Atom_Tetrahedral: "centre", Chem.StereoType.Bond_Double: "double bond"}
    unknown = [
        kinds[each.type]
        for each in Chem.FindPotentialStereo(mol)
        if each.type in kinds and each.specified == Chem.StereoSpecified.Unspecified
    ]
    counts = [(unknown.count(kind), kind) for kind in kinds.values() if kind in unknown]
    words = " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for count, kind in counts)
    return (f"Configuration left open: {words}. The value is of no isomer in particular.",) if words else ()
