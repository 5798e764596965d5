"""From text to a standardised molecule, or to a value that says why not.

Belongs here: parsing, limits, standardisation, identifiers, scaffolds.
Does not belong here: files (see `sources.py`), numbers for models (see `featurizers/`).

An invalid molecule is a value with a code and a reason, never `None` and never an exception, so that
no caller can shift rows by dropping it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rdkit import Chem, RDLogger
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

# RDKit writes the structures it cannot read to stderr: noise in curation, and a leak in the service's logs.
RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]

ErrorCode = Literal["empty", "too-long", "invalid-smiles", "too-large", "no-atoms", "standardise-failed"]


class Standardise(BaseModel):
    """How a parsed molecule is brought to one form, the same for training and for prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    largest_fragment: bool = True
    """Keep the largest organic fragment: salts and solvents are dropped."""
    uncharge: bool = True
    """Neutralise charges that protons can neutralise."""
    canonical_tautomer: bool = False
    """Off by default: measured at 13 molecules/s per core, too slow for a request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it can cost time: RDKit took 11 s to parse one 900-unit polymer."""

    max_characters: int = 600
    max_heavy_atoms: int = 150


CURATION_LIMITS = Limits(max_characters=2000, max_heavy_atoms=300)


@dataclass(frozen=True, slots=True)
class Molecule:
    """A standardised molecule: its canonical SMILES and its RDKit object."""

    smiles: str
    mol: Chem.Mol


@dataclass(frozen=True, slots=True)
class InvalidMolecule:
    """Why a text is not a molecule that can be worked with."""

    code: ErrorCode
    detail: str


def weight_as_written(text: str) -> float:
    """Give the weight in g/mol of a SMILES as it is written, with its salts: what was weighed. NaN if unreadable.

    Examples
    --------
    >>> round(weight_as_written("CC(=O)[O-].[Na+]"), 2)
    82.03
    """
    from rdkit.Chem import Descriptors

    mol = Chem.MolFromSmiles(text)
    return float("nan") if mol is None else float(Descriptors.MolWt(mol))  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def _tools() -> tuple[
    rdMolStandardize.LargestFragmentChooser, rdMolStandardize.Uncharger, rdMolStandardize.TautomerEnumerator
]:
    return (
        rdMolStandardize.LargestFragmentChooser(preferOrganic=True),
        rdMolStandardize.Uncharger(),
        rdMolStandardize.TautomerEnumerator(),
    )


# Atoms and bonds that `Cleanup` and the steps after it may change: charges, metals and other rare elements, hydrogens
# that are atoms of their own, and valences beyond the common ones (radicals, sulfoxides, nitrogen of five bonds).
_UNPLAIN = tuple(
    Chem.MolFromSmarts(text)
    for text in (
        "[!#6!#7!#8!#9!#16!#17!#35!#53,!+0,#6!v4,#7!v3,#8!v2,#9!v1,#17!v1,#35!v1,#53!v1,#16!v2!v6,#16v2!D1!D2,#16v6!D4]",
        "*!-!=!#!:*",
    )
)


def _is_plain(mol: Chem.Mol) -> bool:
    """Tell whether standardising changes nothing, which four real molecules of five need not pay for.

    One fragment of common, neutral, closed-shell atoms has no salt to drop, no metal to cut off, no charge to move, and
    none of the groups that RDKit's normalisation rewrites. A test compares both ways on real and on hostile molecules.
    """
    return (
        mol.GetNumAtoms() > 1
        and not any(mol.HasSubstructMatch(query) for query in _UNPLAIN)
        and len(Chem.GetMolFrags(mol)) == 1
    )


def parse_molecule(
    smiles: str, standardise: Standardise | None = None, limits: Limits | None = None
) -> Molecule | InvalidMolecule:
    """Parse one SMILES and standardise it.

    Parameters
    ----------
    smiles
        One SMILES. White space around it is ignored; a name after a blank is not accepted.
    standardise
        The policy; the default one when omitted.
    limits
        Longest text and largest molecule accepted; the service's limits when omitted.

    Returns
    -------
    Molecule or InvalidMolecule
        Never raises for bad input.

    Examples
    --------
    >>> parse_molecule("CC(=O)[O-].[Na+]").smiles
    'CC(=O)O'
    >>> parse_molecule("not a molecule").code
    'invalid-smiles'
    """
    standardise = standardise or Standardise()
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


def inchikey(mol: Chem.Mol) -> str:
    """Give the full InChIKey (27 characters), the identity of a molecule with its stereochemistry.

    Examples
    --------
    >>> inchikey(parse_molecule("CCO").mol)
    'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'
    """
    return str(Chem.MolToInchiKey(mol))  # type: ignore[no-untyped-call]


def scaffold(mol: Chem.Mol) -> str:
    """Give the Bemis-Murcko scaffold without stereochemistry, as SMILES; empty for an acyclic molecule.

    Source: Bemis & Murcko, J. Med. Chem. 1996, 39, 2887.

    Examples
    --------
    >>> scaffold(parse_molecule("Cc1ccccc1").mol), scaffold(parse_molecule("CCO").mol)
    ('c1ccccc1', '')
    """
    return str(MurckoScaffold.MurckoScaffoldSmiles(mol=mol, includeChirality=False))  # type: ignore[no-untyped-call]
