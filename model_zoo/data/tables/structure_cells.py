"""Which cells hold a structure, and which of the words of a line does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rdkit import Chem

from model_zoo.chemistry.standardisation.cxsmiles import bare, odd_sign, split_line

SHORT = 3
"""Structures of so many characters on average are as likely words or initials."""
_BRACKET_ATOM = re.compile(r"\[[^\[\]\s]*\]")
_SMILES_LIKE = re.compile(r"(?:Br|Cl|[BCNOPSFIbcnops]|[-=#$:/\\.%()+\d@*~\[\]])+")


def names_come_first(lines: Sequence[str]) -> bool:
    """Return whether the structures of lines are their last words, by how many of those are structures, and how long.

    Examples
    --------
    >>> names_come_first(["A-1 CCO", "A-2 CCN"]), names_come_first(["CCO A-1"])
    (True, False)
    """
    pairs = [(words[0], words[-1]) for line in lines if len(words := line.split()) > 1]
    first, last = ([token for pair in pairs if is_smiles(token := pair[place])] for place in (0, 1))
    if len(first) != len(last):
        return len(last) > len(first)
    lengths = [sum(map(len, tokens)) for tokens in (first, last)]
    return bool(pairs) and lengths[0] <= SHORT * len(pairs) < lengths[1]


def is_smiles(text: str) -> bool:
    """Return whether a text can be read as a structure."""
    text, name = split_line(bare(text))
    if name or not 0 < len(text) <= 1000 or odd_sign(text.partition("|")[0].rstrip()):
        return False
    try:
        return Chem.MolFromSmiles(text.partition(" ")[0], sanitize=False) is not None
    except Exception:  # noqa: BLE001  RDKit raises various C++ exceptions on hostile text
        return False


def looks_like_smiles(text: str) -> bool:
    """Return whether a text is written with the signs of a SMILES, be it a wrong one."""
    return _SMILES_LIKE.fullmatch(_BRACKET_ATOM.sub("*", text)) is not None


def holds_a_structure(place: int, rows: Sequence[list[str]]) -> bool:
    """Return whether any cell of a column is a structure in some notation: names of molecules are none."""
    cells = [row[place].strip() for row in rows if place < len(row)]
    return any(is_smiles(cell) or cell[:6].lower() == "inchi=" or "\n" in cell for cell in cells)


def has_structures(rows: Sequence[list[str]]) -> bool:
    """Return whether most cells of a column are structures.

    Examples
    --------
    >>> has_structures([["a", "CCCO"], ["b", "CCCN"]]), has_structures([["a", "5.1"]])
    (True, False)
    """
    return any(looks_like_structures(place, rows) for place in range(max(map(len, rows), default=0)))


def looks_like_structures(place: int, rows: Sequence[list[str]]) -> bool:
    """Return whether most cells of a column are structures, and not just words such as `C`, `CO` or `N`."""
    cells = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
    good = [cell for cell in cells if is_smiles(cell)]
    return bool(cells) and len(good) >= 0.7 * len(cells) and sum(map(len, good)) > 3 * len(good)
