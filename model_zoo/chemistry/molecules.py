"""From text to a standardised molecule, or to a value that says why not.

Belongs here: parsing, limits, the order of the steps of standardisation (version 3), identifiers, scaffolds.
Does not belong here: the steps (see `chemistry/standardisation/`), earlier versions (see `policies/molecules_1.py`,
`policies/molecules_2.py`), files (see `data/sources.py`), numbers for models (see `featurizers/`).

An invalid molecule is a value with a code and a reason, never `None` and never an exception, so that
no caller can shift rows by dropping it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from rdkit import Chem, RDLogger
from rdkit.Chem.Scaffolds import MurckoScaffold

from model_zoo.chemistry.standardisation import cxsmiles, stereo, tautomers
from model_zoo.chemistry.standardisation.components import chosen, cleaned
from model_zoo.chemistry.standardisation.notation import without_labels
from model_zoo.chemistry.standardisation.outcome import ErrorCode, Note, RefusedError
from model_zoo.chemistry.standardisation.whole import cut_salts, require_closed

# RDKit writes the structures it cannot read to stderr: noise in curation, and a leak in the service's logs.
RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]


class Standardise(BaseModel):
    """How a parsed molecule is brought to one form, the same for training and for prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    largest_fragment: bool = True
    """Keep the one component that is meant: counter-ions and solvents are left out, mixtures refused."""
    uncharge: bool = True
    """Neutralise charges that protons can neutralise."""
    canonical_tautomer: bool = True
    """Read every tautomer of a molecule as the same one, where it has not too many to choose among."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it can cost time: RDKit took 11 s to parse one 900-unit polymer."""

    max_characters: int = 600
    max_heavy_atoms: int = 150


EXTENSION = 10
"""An extended SMILES may be this many times as long as a SMILES: it may hold coordinates."""
CURATION_LIMITS = Limits(max_characters=2000, max_heavy_atoms=300)


@dataclass(frozen=True, slots=True)
class Molecule:
    """A standardised molecule."""

    smiles: str
    mol: Chem.Mol
    """`smiles` and `mol`: its canonical SMILES and its RDKit object."""
    notes: tuple[Note, ...] = ()
    """What was left out or not read of the structure that came."""
    mark: str = ""
    """Keeps a racemate apart from the enantiomer that it is drawn as; empty for nearly every molecule."""


@dataclass(frozen=True, slots=True)
class InvalidMolecule:
    """Why a text is not a molecule that can be worked with."""

    code: ErrorCode
    detail: str


def weight_as_written(text: str) -> float:
    """Return the weight in g/mol of a SMILES as it is written, with its salts: what was weighed. NaN if unreadable.

    Examples
    --------
    >>> round(weight_as_written("CC(=O)[O-].[Na+]"), 2)
    82.03
    """
    from rdkit.Chem.rdMolDescriptors import _CalcMolWt

    mol = Chem.MolFromSmiles(text)
    return float("nan") if mol is None else float(_CalcMolWt(mol))


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


def is_plain(mol: Chem.Mol) -> bool:
    """Return whether standardising changes nothing, which four real molecules of five need not pay for.

    One fragment of common, neutral, closed-shell atoms has no salt to drop, no metal to cut off, no charge to move, and
    none of the groups that RDKit's normalisation rewrites. A test compares both ways on real and on hostile molecules.
    """
    return (
        mol.GetNumAtoms() > 1
        and not any(mol.HasSubstructMatch(query) for query in _UNPLAIN)
        and len(Chem.GetMolFrags(mol)) == 1
    )


def parse_molecule(
    smiles: str, standardise: Standardise | None = None, limits: Limits | None = None, *, racemates: bool = True
) -> Molecule | InvalidMolecule:
    """Parse one SMILES and standardise it.

    Parameters
    ----------
    smiles
        One SMILES, with the extension of CXSMILES or without. White space around it is ignored; a name after a blank is
        not accepted.
    standardise
        The policy; the default one when omitted.
    limits
        Longest text and largest molecule accepted; the service's limits when omitted.
    racemates
        Whether both mirror images beside each other are one racemate, as from version 3 on, or a mixture.

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
    text = cxsmiles.bare(smiles)
    if not text:
        return InvalidMolecule("empty", "expected a SMILES, got an empty text")
    extended = text.endswith("|")
    plain = text.partition("|")[0].rstrip() if extended else text
    if len(plain) > limits.max_characters or len(text) > EXTENSION * limits.max_characters:
        return InvalidMolecule("too-long", f"expected at most {limits.max_characters} characters, got {len(text)}")
    if odd := cxsmiles.odd_sign(plain):
        blank = any(character.isspace() or character == "\0" for character in plain)
        wanted = "one SMILES without blanks or names" if blank else f"the letters and signs of a SMILES, got {odd}"
        return InvalidMolecule("invalid-smiles", f"expected {wanted}")
    try:
        mol = cxsmiles.read(text) if extended else Chem.MolFromSmiles(text)
    except RefusedError as error:
        return InvalidMolecule(error.code, error.detail)
    except Exception:  # noqa: BLE001 - RDKit raises various C++ exceptions on hostile text
        mol = None
    if mol is None:
        return InvalidMolecule(
            "invalid-smiles",
            "expected a SMILES, got a text that RDKit cannot read as one: check brackets, ring numbers, valences",
        )
    if mol.GetNumHeavyAtoms() == 0:
        return InvalidMolecule("no-atoms", "expected at least one heavy atom, got none")
    if mol.GetNumHeavyAtoms() > limits.max_heavy_atoms:
        return InvalidMolecule(
            "too-large", f"expected at most {limits.max_heavy_atoms} heavy atoms, got {mol.GetNumHeavyAtoms()}"
        )
    return standardise_molecule(mol, standardise, racemates=racemates)


def standardise_molecule(
    mol: Chem.Mol, standardise: Standardise, *, racemates: bool = True
) -> Molecule | InvalidMolecule:
    """Bring an already parsed molecule to its standard form.

    The result is read back from its own SMILES, so that a molecule's features do not depend on the atom
    order in which it was written. Two mirror images are one racemate; where `racemates` are not read, a mixture.
    """
    try:
        canonical, notes, mark = _standard_form(mol, standardise, racemates=racemates)
        mol = Chem.MolFromSmiles(canonical)
    except RefusedError as error:
        return InvalidMolecule(error.code, error.detail)
    except Exception as error:  # noqa: BLE001 - the same
        return InvalidMolecule("standardise-failed", f"standardisation failed: {type(error).__name__}")
    if mol is None or mol.GetNumHeavyAtoms() == 0:
        return InvalidMolecule("standardise-failed", "nothing readable was left after standardisation")
    return Molecule(canonical, mol, notes, mark)


def _standard_form(mol: Chem.Mol, standardise: Standardise, *, racemates: bool) -> tuple[str, tuple[Note, ...], str]:
    """One whole molecule, in one notation, without labels, and its component, charge and tautomer by stated rules."""
    mol, isotopes = without_labels(mol)
    mol, mixtures, mark = stereo.settled(mol)
    left_out: list[Note] = []
    if is_plain(mol):
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    else:
        require_closed(mol)
        mol = cut_salts(mol)
        if standardise.largest_fragment:
            mol, left_out = chosen(mol, uncharge=standardise.uncharge, racemates=racemates)
            if mol.GetStereoGroups():  # mirror images beside each other
                mol, mixtures, mark = stereo.settled(mol)
        else:
            mol = cleaned(mol, uncharge=standardise.uncharge)
    canonical = Chem.MolToSmiles(mol)
    notes = [*left_out, *isotopes, *mixtures]
    if standardise.canonical_tautomer:
        settled = tautomers.standard_tautomer(canonical)
        canonical = settled or canonical
        if settled is None:
            detail = "it has too many tautomers to choose among: another tautomer of it may get other values"
            notes.append(Note("tautomer-as-drawn", detail))
    return canonical, tuple(notes), mark


def inchikey(mol: Chem.Mol) -> str:
    """Return the full InChIKey (27 characters), the identity of a molecule with its stereochemistry.

    Examples
    --------
    >>> inchikey(parse_molecule("CCO").mol)
    'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'
    """
    return str(Chem.MolToInchiKey(mol))  # type: ignore[no-untyped-call]


def molecule_key(molecule: Molecule) -> str:
    """Return the key by which measurements are of one molecule: its InChIKey, and its mark after a blank."""
    return f"{inchikey(molecule.mol) or molecule.smiles} {molecule.mark}".rstrip()


def scaffold(mol: Chem.Mol) -> str:
    """Return the Bemis-Murcko scaffold without stereochemistry, as SMILES; empty for an acyclic molecule.

    Source: Bemis & Murcko, J. Med. Chem. 1996, 39, 2887.

    Examples
    --------
    >>> scaffold(parse_molecule("Cc1ccccc1").mol), scaffold(parse_molecule("CCO").mol)
    ('c1ccccc1', '')
    """
    return str(MurckoScaffold.MurckoScaffoldSmiles(mol=mol, includeChirality=False))  # type: ignore[no-untyped-call]
