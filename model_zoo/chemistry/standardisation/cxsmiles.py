"""Reading SMILES with an extension: `C[C@H](N)O |&1:1|`."""

from __future__ import annotations

import re
import unicodedata

from rdkit import Chem

from model_zoo.chemistry.standardisation.outcome import RefusedError

_LINE = re.compile(r"^\s*(\S+(?:\s+\|[^|]*\|)?)(?:\s+(.*?))?\s*$", re.DOTALL)
_SEVERAL = re.compile(r"(?:^|,)(?:m:|LN:|Sg:|RG:|LO:|s:|u:|rb:)")
_LABELS = re.compile(r"\$[^$]*\$|\([^)]*\)")


_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


def bare(text: str) -> str:
    r"""Take blanks and signs that nobody sees away from around a text.

    Examples
    --------
    >>> bare(" CCO\u200b\ufeff ")
    'CCO'
    """
    return re.sub(rf"^[\s{_INVISIBLE}]+|[\s{_INVISIBLE}]+$", "", text)


def odd_sign(smiles: str) -> str:
    """Name the first sign that no SMILES holds; empty where there is none.

    RDKit drops such signs at the ends of a text and reads the rest: of `CCO…`, which a program cut, ethanol.

    Examples
    --------
    >>> odd_sign("CCO\u2026"), odd_sign("\u00c9CO"), odd_sign("CCO")
    ("'…' (HORIZONTAL ELLIPSIS)", "'É' (LATIN CAPITAL LETTER E WITH ACUTE)", '')
    """
    sign = next((each for each in smiles if not ("!" <= each <= "~")), "")
    return f"{sign!r} ({unicodedata.name(sign, 'a control character')})" if sign else ""


def split_line(line: str) -> tuple[str, str]:
    """Cut a line into a SMILES, with its extension if it has one, and the name that follows.

    Examples
    --------
    >>> split_line("CCO ethanol"), split_line("C[C@H](N)O |&1:1| an amine")
    (('CCO', 'ethanol'), ('C[C@H](N)O |&1:1|', 'an amine'))
    """
    match = _LINE.match(line)
    return (match[1], match[2] or "") if match else ("", "")


def read(text: str) -> Chem.Mol | None:
    """Read a SMILES, with an extension or without; none where RDKit cannot.

    Raises
    ------
    RefusedError
        `incomplete-structure` for an extension that makes many molecules of one: polymers, links, positions that vary.
    """
    smiles, _, extension = text.partition("|")
    if not extension:
        return Chem.MolFromSmiles(text)
    if _SEVERAL.search(_LABELS.sub("", extension[:-1])):
        raise RefusedError(
            "incomplete-structure",
            "expected one definite molecule, got an extension of CXSMILES for polymers, repeating links or positions "
            "that vary. Write one of the molecules that are meant.",
        )
    settings = Chem.SmilesParserParams()
    settings.strictCXSMILES = True  # type: ignore[assignment]
    settings.parseName = False  # type: ignore[assignment]
    return Chem.MolFromSmiles(f"{smiles.strip()} |{extension}", settings)


def written(mol: Chem.Mol) -> str:
    """Write a structure that came as a block: with its stereo groups, repeating units and link nodes where it has them.

    An atom that is a list or a query, that is called otherwise than its element (`Boc`, `R1`) or that has an open end
    is written as `*`, which nobody takes for an element.
    """
    queries = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() and _represents_another(atom)]
    if queries:
        made = Chem.RWMol(mol)
        for place in queries:
            made.ReplaceAtom(place, Chem.Atom(0))
        mol = made.GetMol()
    if not (mol.GetStereoGroups() or Chem.GetMolSubstanceGroups(mol) or mol.HasProp("_molLinkNodes")):
        return str(Chem.MolToSmiles(mol))
    fields = Chem.CXSmilesFields
    wanted = fields.CX_ENHANCEDSTEREO | fields.CX_POLYMER | fields.CX_LINKNODES
    return str(Chem.MolToCXSmiles(mol, Chem.SmilesWriteParams(), int(wanted)))


def _represents_another(atom: Chem.Atom) -> bool:
    """Return whether an atom of a block represents something else than its element."""
    if atom.HasQuery() or atom.HasProp("molAttchpt"):
        return True
    label = atom.GetProp("molFileAlias").strip() if atom.HasProp("molFileAlias") else ""
    known = rf"\d*|{atom.GetSymbol()}[\d']*|\d*(H\d*)?{atom.GetSymbol()}(H\d*)?\d*[-+]?" + (
        "|Me" if atom.GetSymbol() == "C" else ""
    )
    return re.fullmatch(known, label) is None
