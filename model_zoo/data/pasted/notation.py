"""What one text is: a structure in some notation, a name that can be looked up, or something that is no structure.

The order of the questions matters: what can be mistaken for a SMILES is asked for first.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rdkit import Chem

from model_zoo.chemistry.molecules import EXTENSION, Limits
from model_zoo.chemistry.standardisation import cxsmiles
from model_zoo.data.pasted import drug_names
from model_zoo.data.tables.headers import NAMES, plain_name
from model_zoo.data.tables.row import Row
from model_zoo.data.tables.structure_cells import looks_like_smiles

MOST_CHARACTERS = 2000 * EXTENSION
"""Longer texts are not looked at."""
_SIGNS = str.maketrans(
    {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{NON-BREAKING HYPHEN}": "-", "\N{HYPHEN}": "-",
     "\N{FULLWIDTH EQUALS SIGN}": "=", "\N{FULLWIDTH LEFT PARENTHESIS}": "(", "\N{FULLWIDTH RIGHT PARENTHESIS}": ")"}
)  # fmt: skip
_KEY = re.compile(r"(?:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]", re.IGNORECASE)
_CAS = re.compile(r"(?:CAS(?:[- ]?(?:RN|no\.?))?[:# ]*)?(\d{2,7}-\d\d-\d)", re.IGNORECASE)
_REGISTERED = re.compile(
    r"(?:S?CHEMBL|ZINC|MFCD|CHEBI:|DTXSID|UNII-)[0-9A-Z]+|(?:CID|SID|PubChem)[: ]*\d+|DB\d{5}", re.IGNORECASE
)
_REACTION = re.compile(r"[^>]*>[^>]*>[^>]*")
_HELM = re.compile(r"(?:PEPTIDE|RNA|CHEM|BLOB)\d+\{")
_RESIDUES = "Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Ser|Thr|Trp|Tyr|Val"
_THREE_LETTERS = re.compile(
    rf"(?:[A-Za-z]+-)?(?:[DL]-)?(?:{_RESIDUES})(?:-(?:[DL]-)?(?:{_RESIDUES}))+(?:-[A-Za-z0-9]+)?"
)
_ONE_LETTER = re.compile(r"[ACDEFGHIKLMNPQRSTVWYX*]{6,}")
_BASES = re.compile(r"[ACGTUN]{8,}")
_R_GROUP = re.compile(r"\[R\d*'?\]|(?<![A-Za-z])R\d+|\[X\d+\](?![^\[]*\])")
_PATTERN = re.compile(r"[~!&;,$]|\[[^\]]*(?:#\d|[RXDHvxr]\d)[^\]]*\]")
_NUMBER = re.compile(r"[<>=~≤≥]*\s*[-+]?[\d.,']+(?:[eE][-+]?\d+)?\s*(?:%|[µun]M|mM|mg|g|kcal/mol)?")
_FORMULA = re.compile(r"(?:[A-Z][a-z]?\d*){2,}")
_BLOCK_END = re.compile(r"^M  END", re.MULTILINE)
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("\u2018", "\u2019"), ("«", "»"), ("`", "`"))

_SENTENCES = {
    "inchikey": "an InChIKey is a digest: no structure can be made from it. Paste the SMILES or the InChI",
    "identifier": "this service has no database of identifiers and asks no other service. Paste the structure",
    "sequence": "sequences are not read. Paste the structure as SMILES, if it is small enough for these models",
    "rich-text": "this is the source of a formatted document. Copy its plain text",
    "reaction": "a reaction is not a molecule. Paste the molecule that is meant: a reactant or the product",
    "number": "expected a structure, got a number",
    "incomplete-structure": "an R-group represents many molecules. Write the group that is meant",
    "pattern": "a pattern matches many molecules. Write one of them as SMILES",
    "formula": "many molecules have one formula. Paste the structure",
    "invalid-inchi": "RDKit cannot read this InChI: is it whole?",
    "invalid-structure": "RDKit cannot read this structure block",
    "invalid-smiles":
        "expected a SMILES, got a text that RDKit cannot read as one: check brackets, ring numbers, valences",
}  # fmt: skip
"""What is said of a text that is refused, by its code."""


class Notation(NamedTuple):
    """What a text is."""

    kind: str
    """What it is called: `SMILES`, `InChI`, `CAS number`."""
    smiles: str = ""
    """The structure; empty where there is none."""
    code: str = ""
    detail: str = ""
    """`code` and `detail`: why there is none: stable, and a sentence."""
    note: str = ""
    """What was done to read it, where a reader should know."""

    @property
    def is_structure(self) -> bool:
        """Whether it holds one."""
        return bool(self.smiles)

    @property
    def is_known(self) -> bool:
        """Whether the text is clearly something, be it no structure."""
        return self.is_structure or self.code not in ("invalid-smiles", "unknown-name", "empty", "number")


def recognise(text: str) -> Notation:
    """Return what a text without a name beside it is.

    Examples
    --------
    >>> recognise("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3").smiles, recognise("aspirin").kind, recognise("50-78-2").code
    ('CCO', 'name', 'cas-number')
    """
    text = unquoted(text)
    if not text:
        return Notation("nothing", code="empty", detail="expected a structure, got nothing")
    if len(text) > MOST_CHARACTERS:
        return _refused("text", "too-long", f"expected a structure, got a text of {len(text)} characters")
    found = _special(text)
    if found is None and _reads(text):
        found = Notation("CXSMILES" if text.endswith("|") else "SMILES", text)
    if found is None and (plain := text.translate(_SIGNS)) != text and (again := recognise(plain)).is_structure:
        return again._replace(note="typographic dashes or signs were read as those of a SMILES")
    return found or _named(text) or _no_structure(text)


def recognise_block(block: str) -> Notation:
    """Return what a structure block (a MOL file, V2000 or V3000) holds; of several RDKit would read the first."""
    if len(_BLOCK_END.findall(block)) > 1:
        return _refused("structure blocks", "invalid-structure", "expected one structure block, got several")
    try:
        mol = Chem.MolFromMolBlock(block)
        smiles = cxsmiles.written(mol) if mol is not None else ""
    except Exception:  # noqa: BLE001  RDKit raises various C++ exceptions on hostile text
        smiles = ""
    if not smiles:
        return _refused("structure block", "invalid-structure")
    return Notation("structure block", smiles)


def recognise_row(row: Row) -> Notation:
    """Return what a row of a file holds: a structure block, or a text in any notation."""
    if row.fault is not None:
        return _refused("row", *row.fault)
    return recognise_block(row.structure) if "\n" in row.structure.strip() else recognise(row.structure)


def unquoted(text: str) -> str:
    """Take blanks, quotes and a comma of a list away from around a text.

    Examples
    --------
    >>> unquoted(' "CCO", '), unquoted("CCO")
    ('CCO', 'CCO')
    """
    text = cxsmiles.bare(text).rstrip(",;").strip()
    text = text[1:] if text.startswith('="') else text
    for start, end in _QUOTES:
        if len(text) > 1 and text.startswith(start) and text.endswith(end):
            return text[1:-1].strip()
    return text


def _reads(text: str) -> bool:
    """Return whether RDKit reads a text as a SMILES; too long ones pass, for those who limit them say so better."""
    plain = text.partition("|")[0].rstrip() if text.endswith("|") else text
    if cxsmiles.odd_sign(plain):
        return False
    if len(plain) > Limits().max_characters:
        return looks_like_smiles(plain)
    try:
        return Chem.MolFromSmiles(plain) is not None
    except Exception:  # noqa: BLE001  the same
        return False


def _special(text: str) -> Notation | None:
    """Recognise what is known by its form, before it is tried as a SMILES; none where it is nothing of that kind."""
    if text[:6].lower() == "inchi=":
        return _inchi(text)
    if _KEY.fullmatch(text):
        return _refused("InChIKey", "inchikey")
    if (cas := _CAS.fullmatch(text)) is not None:
        return _cas(cas[1])
    if _REGISTERED.fullmatch(text):
        return _refused("database identifier", "identifier")
    if _HELM.match(text):
        return _refused("HELM", "sequence")
    if re.match(r"\{?\\rtf|<[!/a-zA-Z]", text):
        return _refused("formatted text", "rich-text")
    if _REACTION.fullmatch(text) and (">>" in text or (text.count(">") == 2 and not text.startswith(">"))):
        return _refused("reaction", "reaction")
    return None


def _named(text: str) -> Notation | None:
    drug = drug_names.find_drug(text)
    if drug is None:
        return None
    where = f"looked up among the {drug_names.count()} names installed here"
    return Notation("name", drug.smiles, note=f"{drug.name}: {where}")


def _no_structure(text: str) -> Notation:
    """Say what a text is that is neither a structure nor a name of the list."""
    if _NUMBER.fullmatch(text):
        return _refused("number", "number")
    if _R_GROUP.search(text) and " " not in text:
        return _refused("R-group", "incomplete-structure")
    if plain_name(text) in NAMES:
        return _refused("heading", "unknown-name", "a heading, not a molecule. Paste what is below it")
    if _THREE_LETTERS.fullmatch(text) or text.startswith(">") or _BASES.fullmatch(text) or _ONE_LETTER.fullmatch(text):
        return _refused("sequence", "sequence")
    if _PATTERN.search(text) and " " not in text and _is_pattern(text):
        return _refused("SMARTS", "pattern")
    if _FORMULA.fullmatch(text) and any(letter.isdigit() for letter in text) and "H" in text:
        return _refused("formula", "formula")
    if looks_like_smiles(text):
        return _refused("SMILES", "invalid-smiles")
    near = drug_names.similar(text)
    hint = f" Is {near} meant?" if near else ""
    detail = (
        f"neither a structure nor one of the {drug_names.count()} names of drugs installed here; other names, such as"
    )
    code = "unknown-name" if any(each.isalpha() for each in text) else "invalid-smiles"
    return _refused("text", code, f"{detail} IUPAC names, are not translated: paste or draw the structure.{hint}")


def _inchi(text: str) -> Notation:
    try:
        mol = Chem.MolFromInchi("InChI=" + text[6:])  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001  the same
        mol = None
    written = "" if mol is None else str(Chem.MolToInchi(mol))  # type: ignore[no-untyped-call]
    if not written or _main_layer(written) != _main_layer(text):
        return _refused("InChI", "invalid-inchi")  # one that was cut off may still read as something
    return Notation("InChI", str(Chem.MolToSmiles(mol)))


def _main_layer(inchi: str) -> list[str]:
    """Return the formula, the connections and the hydrogens of an InChI."""
    formula, *layers = inchi.split("/")[1:] or [""]
    return [formula, *(layer for layer in layers[:2] if layer[:1] in "ch")]


def _cas(number: str) -> Notation:
    digits = number.replace("-", "")
    good = sum(place * int(digit) for place, digit in enumerate(reversed(digits[:-1]), start=1)) % 10 == int(digits[-1])
    wrong = "" if good else "; its check digit does not fit either"
    detail = f"a CAS number holds no structure, and none is looked up here{wrong}. Paste the structure"
    return _refused("CAS number", "cas-number", detail)


def _is_pattern(text: str) -> bool:
    try:
        return Chem.MolFromSmarts(text) is not None
    except Exception:  # noqa: BLE001  the same
        return False


def _refused(kind: str, code: str, detail: str = "") -> Notation:
    return Notation(kind, code=code, detail=detail or _SENTENCES[code])
