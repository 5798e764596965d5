"""Which row of a table names its columns, and what is above it.

Belongs here: headers, titles and notes, by names and by where structures are. Does not belong here: which column the
structures are in (see `guessing.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from model_zoo.data.tables.structure_cells import (
    has_structures,
    holds_a_structure,
    is_smiles,
    looks_like_smiles,
    looks_like_structures,
)

SAMPLE_ROWS = 50
PREAMBLE = 20
"""In so many first rows the header is looked for: titles and notes are above it."""
_NUMBER = re.compile(r"[<>=~≤≥]*\s*[-+]?[\d.,]+(?:[eE][-+]?\d+)?")
NAMES = ("smiles", "isomericsmiles", "canonicalsmiles", "standardizedsmiles", "smi", "structure", "molecule")
"""Beside one of isomers PubChem's `CanonicalSMILES` is without configurations."""


def rows_above(rows: Sequence[list[str]], column: str | None = None) -> int:
    """Return how many rows are above the one that names columns: a title, notes, blank rows; zero where none does.

    None of them may hold a structure, nor may the header: such a row is a molecule, whatever else it says.

    Examples
    --------
    >>> rows_above([["Results of 2025"], [], ["SMILES", "pIC50"], ["CCO", "5.1"]])
    2
    >>> rows_above([["Results"], ["SMILES"], ["CCO"]]), rows_above([["Structure", ""], ["SMILES", "pIC50"]])
    (1, 1)
    >>> rows_above([["CC", "first"], ["CCO", "not the SMILES of May"]])
    0
    """
    for place, row in enumerate(rows[:PREAMBLE]):
        below = rows[place + 1 : place + SAMPLE_ROWS]
        widest = max(map(_filled, below), default=1)
        # Above several columns one word is a title, though it be `Structure`; a single column is named by exactly that.
        named = _filled(row) > 1 if widest > 1 else any(plain_name(cell) in NAMES for cell in row)
        if named and is_header(row, column, below=below):
            holds = any(is_smiles(cell.strip()) for above in rows[:place] for cell in above)
            return 0 if holds or any(len(cell.strip()) > 2 and is_smiles(cell.strip()) for cell in row) else place
    return 0


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def is_header(
    row: list[str], column: str | None = None, *, strict: bool = True, below: Sequence[list[str]] = ()
) -> bool:
    """Return whether a row names columns: one of structures, or, where not `strict`, anything but structures.

    The rows `below` it say where structures are expected: a remark on a molecule (`SMILES unclear`) names no column.

    Examples
    --------
    >>> is_header(["ID", "Canonical SMILES"]), is_header(["Results of 2025", ""]), is_header(["1", "CCO"], strict=False)
    (True, False, False)
    >>> is_header(["CCO", "SMILES unclear"], below=[["CCCCN", "ordered"], ["CCCCO", ""]])
    False
    """
    return names_structures(row, column, below) or (not strict and not is_molecule(row, column, below))


def telling_rows(rows: Sequence[list[str]], *, header: bool) -> list[list[str]]:
    """Return the rows by which the column of structures is found: not the first, if the others suffice.

    It names the columns, or its structure may be short or wrong.
    """
    below = list(rows[1:])
    return below if header or has_structures(below) else list(rows)


def plain_name(name: str) -> str:
    """Return the letters and digits of a name, in small letters.

    Examples
    --------
    >>> plain_name("Canonical SMILES")
    'canonicalsmiles'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_molecule(first: list[str], column: str | None, below: Sequence[list[str]] = ()) -> bool:
    """Return whether the first row is a molecule already: no known name in it, and a structure where they are below.

    There it may be short (`CC`) or wrong (`c1cccc`): taken for a name it would be lost. Elsewhere a name such as `BBB`
    or `CNS` reads as a structure.
    """
    if names_structures(first, column, below):
        return False
    if len(first) == 1 and 2 * sum(len(row[0].split()) > 1 for row in below if row) > len(below):
        # Structures, and names after them.
        first, below = first[0].split()[:1], [row[0].split()[:1] for row in below if row]
    places = [place for place in range(len(first)) if looks_like_structures(place, below)]
    if places and not any(first[place].strip() for place in places):
        return not _names_numbers(first, below)
    if places:
        return any(is_smiles(cell := first[place].strip()) or looks_like_smiles(cell) for place in places)
    return any(len(cell.strip()) > 2 and is_smiles(cell) for cell in first)


def names_structures(row: Sequence[str], column: str | None, below: Sequence[list[str]]) -> bool:
    """Return whether a cell of a row names a column of structures.

    None below it, but some below a structure beside it: then it is a remark on that (`CCO`, `SMILES unclear`). What
    only has the word in it names none either where structures are below others.
    """
    if column is not None and column in row:
        return True
    if len(row) == 1:
        row, below = row[0].split(), [cell.split() for cells in below for cell in cells]
    exact = any(plain_name(cell) in NAMES for cell in row)
    called = [place for place, cell in enumerate(row) if "smiles" in plain_name(cell) or plain_name(cell) in NAMES]
    if not called or not below or any(holds_a_structure(place, below) for place in called):
        return bool(called)
    beside = [place for place, cell in enumerate(row) if len(cell.strip()) > 2 and is_smiles(cell)]
    return (exact or not has_structures(below)) and not any(holds_a_structure(place, below) for place in beside)


def _names_numbers(first: Sequence[str], below: Sequence[list[str]]) -> bool:
    """Return whether a row has a word above a column of numbers, as a header has that names not all of its columns."""
    return any(
        cell.strip() and not _NUMBER.fullmatch(cell.strip())
        and (cells := [row[place].strip() for row in below if place < len(row) and row[place].strip()])
        and all(map(_NUMBER.fullmatch, cells))
        for place, cell in enumerate(first)
    )  # fmt: skip
