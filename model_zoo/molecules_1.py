"""Version 1 of the rules by which a text becomes a standardised molecule: the largest organic fragment.

Belongs here: what bundles were trained with that name version 1, unchanged: it never changes.
Does not belong here: the newest rules, and what both versions share (see `molecules.py`).
"""

from __future__ import annotations

from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from model_zoo.molecules import InvalidMolecule, Limits, Molecule, Standardise, is_plain


@lru_cache(maxsize=1)
def _tools() -> tuple[
    rdMolStandardize.LargestFragmentChooser, rdMolStandardize.Uncharger, rdMolStandardize.TautomerEnumerator
]:
    return (
        rdMolStandardize.LargestFragmentChooser(preferOrganic=True),
        rdMolStandardize.Uncharger(),
        rdMolStandardize.TautomerEnumerator(),
    )


def parse_molecule(
    smiles: str, standardise: Standardise | None = None, limits: Limits | None = None
) -> Molecule | InvalidMolecule:
    """Parse one SMILES and standardise it.

    Parameters and what is returned are those of `molecules.parse_molecule`.

    Examples
    --------
    >>> parse_molecule("CNCC(O)CO.CC(=O)O").smiles
    'CNCC(O)CO'
    """
    standardise = standardise or Standardise(canonical_tautomer=False)
    limits = limits or Limits()
    text = smiles.strip()
    if not text:
        return InvalidMolecule("empty", "expected a SMILES, got an empty text")
    if len(text) > limits.max_characters:
        return InvalidMolecule("too-long", f"expected at most {limits.max_characters} characters, got {len(text)}")
    if any(character.isspace() or character == "\0" for character in text):
        return InvalidMolecule("invalid-smiles", "expected one SMILES without blanks or names")
    try:
        mol = Chem.MolFromSmiles(text)
    except Exception:  # noqa: BLE001 - RDKit raises various C++ exceptions on hostile text
        mol = None
    if mol is None:
        return InvalidMolecule("invalid-smiles", "RDKit cannot read this as a SMILES")
    if mol.GetNumHeavyAtoms() == 0:
        return InvalidMolecule("no-atoms", "expected at least one heavy atom, got none")
    if mol.GetNumHeavyAtoms() > limits.max_heavy_atoms:
        return InvalidMolecule(
            "too-large", f"expected at most {limits.max_heavy_atoms} heavy atoms, got {mol.GetNumHeavyAtoms()}"
        )
    return standardise_molecule(mol, standardise)


def standardise_molecule(mol: Chem.Mol, standardise: Standardise) -> Molecule | InvalidMolecule:
    """Bring an already parsed molecule to its standard form.

    The result is read back from its own SMILES, so that a molecule's features do not depend on the atom
    order in which it was written.
    """
    fragment, uncharger, tautomers = _tools()
    try:
        if is_plain(mol):
            Chem.AssignStereochemistry(mol, cleanIt=True, force=True)  # all that is left of `Cleanup`
        else:
            mol = rdMolStandardize.Cleanup(mol)  # first: it also cuts bonds to metals, and so may leave fragments
            if standardise.largest_fragment:
                mol = fragment.choose(mol)
            if standardise.uncharge:
                mol = uncharger.uncharge(mol)
        if standardise.canonical_tautomer:
            mol = tautomers.Canonicalize(mol)
        canonical = Chem.MolToSmiles(mol)
        mol = Chem.MolFromSmiles(canonical)
    except Exception as error:  # noqa: BLE001 - the same
        return InvalidMolecule("standardise-failed", f"standardisation failed: {type(error).__name__}")
    if mol is None or mol.GetNumHeavyAtoms() == 0:
        return InvalidMolecule("standardise-failed", "nothing readable was left after standardisation")
    return Molecule(canonical, mol)
