"""Version 1 of the rules by which a text becomes a standardised molecule: the largest organic fragment."""

from __future__ import annotations

from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from model_zoo.chemistry.molecules import InvalidMolecule, Limits, Molecule, Standardise
from model_zoo.chemistry.standardisation import cxsmiles

# Atoms and bonds that `Cleanup` and the steps after it may change: charges, metals and other rare elements, hydrogens
# that are atoms of their own, and valences beyond the common ones (radicals, sulfoxides, nitrogen of five bonds).
_UNPLAIN = tuple(
    Chem.MolFromSmarts(text)
    for text in (
        "[!#6!#7!#8!#9!#16!#17!#35!#53,!+0,#6!v4,#7!v3,#8!v2,#9!v1,#17!v1,#35!v1,#53!v1,#16!v2!v6,#16v2!D1!D2,#16v6!D4]",
        "*!-!=!#!:*",
        "*:;!@*",
    )
)


def _is_plain(mol: Chem.Mol) -> bool:
    """Return whether standardising changes nothing, which four real molecules of five need not pay for.

    One fragment of common, neutral, closed-shell atoms has no salt to drop, no metal to cut off, no charge to move, and
    none of the groups that RDKit's normalisation rewrites. A test compares both ways on real and on hostile molecules.
    """
    return (
        mol.GetNumAtoms() > 1
        and not any(mol.HasSubstructMatch(query) for query in _UNPLAIN)
        and len(Chem.GetMolFrags(mol)) == 1
    )


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
    text = cxsmiles.bare(smiles)
    if not text:
        return InvalidMolecule("empty", "expected a SMILES, got an empty text")
    if len(text) > limits.max_characters:
        return InvalidMolecule("too-long", f"expected at most {limits.max_characters} characters, got {len(text)}")
    if odd := cxsmiles.odd_sign(text):
        blank = any(character.isspace() or character == "\0" for character in text)
        wanted = "one SMILES without blanks or names" if blank else f"the letters and signs of a SMILES, got {odd}"
        return InvalidMolecule("invalid-smiles", f"expected {wanted}")
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
        if _is_plain(mol):
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
