"""Plain lines: whether they are rows of a table, and where in each the structure and the name are.

Every way in which lines may be cut is tried on all of them; the one by which most lines hold a structure is taken. A
line that does not fit the way of the others is read alone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from model_zoo.chemistry.standardisation.cxsmiles import split_line
from model_zoo.data.pasted.notation import Notation, recognise, unquoted
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import DELIMITERS
from model_zoo.data.tables.guessing import find_smiles_column
from model_zoo.data.tables.headers import SAMPLE_ROWS, is_header, rows_above
from model_zoo.data.tables.names import unique
from model_zoo.data.tables.structure_cells import SHORT, looks_like_smiles, names_come_first

_BULLET = re.compile(r"^\s*(?:\(?\d{1,5}[.):]|[-*•◦·\u2013\u2014])\s+")
_NAMES = (
    "name", "compoundname", "moleculename", "title", "compound", "id", "compoundid", "moleculechemblid", "chemblid",
    "moleculeid", "code", "sample", "sampleid", "identifier",
)  # fmt: skip
_NUMBER = re.compile(r"[<>=~≤≥]*\s*[-+]?[\d.,]+(?:[eE][-+]?\d+)?\s*%?")
UNCLEAR = "unclear-column"
_FEW = 3
"""A line of more words is a sentence, though it speaks of SMILES, and names no columns."""

_recognise: Callable[[str], Notation] = lru_cache(maxsize=4096)(recognise)


class Line(NamedTuple):
    """A line of a text, and its number from 1."""

    number: int
    text: str


class Reading(NamedTuple):
    """What lines hold."""

    found: list[tuple[Line, str, Notation]]
    """Per molecule, in order: its line, its name, and what it is."""
    headings: Line | None = None
    """The line that names the columns; none where there is none."""
    notes: tuple[str, ...] = ()
    """Which columns were taken."""
    above: tuple[Line, ...] = ()
    """Lines above the headings: a title, notes, what separates cells."""

    @property
    def structures(self) -> int:
        """How many structures were found, those in rows that hold several among them."""
        return sum(notation.is_structure or notation.code == UNCLEAR for _, _, notation in self.found)


def choose(lines: Sequence[Line]) -> Reading:
    """Read lines in the way by which most of them hold a structure; plain lines where several do alike."""
    if not lines:
        return Reading([])
    best = plain = _plain(lines, alone=False)
    for delimiter in ("\t", ";", ",", "|"):
        rows = [_cells(line.text, delimiter) for line in lines]
        above = _above(lines, rows)
        if sum(len(row) > 1 for row in rows[above:]) * 2 < len(rows) - above:
            continue
        reading = _table(lines[above:], rows[above:], tuple(lines[:above]))
        if reading is not None and (
            reading.structures > best.structures
            or (reading.structures == best.structures and best.headings is None and reading.headings is not None)
            or (reading.structures == best.structures > 0 and delimiter == "\t")
        ):
            best = reading
    return _plain(lines) if best is plain else best


def _above(lines: Sequence[Line], rows: Sequence[list[str]]) -> int:
    """Return how many lines are above the one that names columns; none where one of them could be a molecule."""
    above = rows_above(rows)
    texts = [text for line, row in zip(lines[:above], rows, strict=False) for text in (line.text, *row)]
    # Punctuation makes a title (`Plate 3; May`) a pattern.
    return 0 if any(found.is_known and found.code != "pattern" for found in map(_recognise, texts)) else above


def _table(lines: Sequence[Line], rows: Sequence[list[str]], above: tuple[Line, ...] = ()) -> Reading | None:
    """Read rows of cells, and say which lines are `above` them; none where no column holds structures."""
    width = max(len(row) for row in rows)
    titles = _titles(rows, width)
    headings, data = (lines[0], range(1, len(rows))) if titles else (None, range(len(rows)))
    if len(data) == 1 and headings is None and _is_list(rows[0]):
        return Reading([(lines[0], "", _recognise(cell)) for cell in rows[0]])
    columns = [[rows[at][place].strip() if place < len(rows[at]) else "" for at in data] for place in range(width)]
    likely = _structure_columns(titles, columns)
    if not likely:
        return None
    if len(likely) > 1:
        candidates = ", ".join(titles[place] if titles else str(place + 1) for place in likely)
        detail = (
            f"more than one column could hold the structures ({candidates}): "
            "put a first row above them with the word SMILES over the right one"
        )
        fault = Notation("row", code=UNCLEAR, detail=detail)
        return Reading([(lines[at], "", fault) for at in data], headings, above=above)
    (place,) = likely
    naming = _name_column(titles, columns, place)
    found = []
    for at, structure in zip(data, columns[place], strict=True):
        notation = _recognise(structure)
        name = columns[naming][at - data.start] if naming is not None else ""
        whole = notation if notation.is_structure else _recognise(lines[at].text)
        if whole.is_structure:  # an InChI has commas too
            name, notation = (name, whole) if whole is notation else ("", whole)
        elif not notation.is_known and len(rows[at]) != width:
            name, notation = _alone(lines[at].text)
        found.append((lines[at], name, notation))
    note = f"structures from column {_called(titles, place)}"
    note += f", names from column {_called(titles, naming)}" if naming is not None else ""
    return Reading(found, headings, (note,) if width > 1 else (), above)


def _plain(lines: Sequence[Line], *, alone: bool = True) -> Reading:
    """Read lines as a structure and a name, or as a name and a structure; `alone` also as a row each."""
    rows = [[unquoted(word) for word in line.text.split()] for line in lines]
    above = _above(lines, rows)
    if len(rows[above]) > _FEW:
        above = 0
    first = lines[above]
    headed = (
        len(lines) > above + 1
        and len(rows[above]) <= _FEW
        and is_header(rows[above], below=rows[above + 1 : above + 1 + SAMPLE_ROWS])
    )
    rest = lines[above + 1 :] if headed else lines
    swapped = names_come_first([_unlisted(line.text) for line in rest])
    found: list[tuple[Line, str, Notation]] = []
    for line in rest:
        tokens = [unquoted(token) for token in _unlisted(line.text).split()]
        if len(tokens) > 2 and all(_recognise(token).kind == "SMILES" and looks_like_smiles(token) for token in tokens):
            found += [(line, "", _recognise(token)) for token in tokens]
        else:
            name, notation = _alone(line.text, swapped=swapped, cut=alone)
            if name in tokens and not notation.note and looks_like_smiles(name) and _recognise(name).kind == "SMILES":
                notation = notation._replace(note=f"{name} was read as a name, though it could be a SMILES, too")
            found.append((line, name, notation))
    return Reading(found, first if headed else None, above=tuple(lines[:above]) if headed else ())


def _alone(text: str, *, swapped: bool = False, cut: bool = True) -> tuple[str, Notation]:
    """Read one line by itself: the name in it, and what is beside it."""
    whole = _recognise(text.strip())
    if whole.is_structure or (whole.is_known and len(text.split()) == 1):
        return "", whole
    text = _unlisted(text)
    structure, name = split_line(text)
    start, _, last = text.strip().rpartition(" ") if " " in text.strip() else text.strip().rpartition("\t")
    ways = [(name, structure), (start, last)] if name else [("", text)]
    for called, token in reversed(ways) if swapped else ways:
        found = _recognise(token)
        if found.is_structure and found.kind != "name":
            return called, found
    whole = _recognise(text)
    if whole.is_structure:
        return "", whole
    for delimiter in DELIMITERS.values() if cut else ():
        cells = [cell for cell in _cells(text, delimiter) if cell.strip()]
        good = [place for place, cell in enumerate(cells) if _recognise(cell).is_structure]
        if len(cells) > 1 and len(good) == 1:
            others = [
                cell for place, cell in enumerate(cells) if place != good[0] and not _NUMBER.fullmatch(cell.strip())
            ]
            return (others or [""])[0], _recognise(cells[good[0]])
    first = _recognise(structure)
    if name and (first.is_known or looks_like_smiles(unquoted(structure))):
        return name, first
    return "", whole


def _titles(rows: Sequence[list[str]], width: int) -> tuple[str, ...]:
    """Name the columns as the first row does; nothing where it holds a molecule."""
    first = [unquoted(cell).lstrip("#").strip() for cell in rows[0]]
    if len(rows) < 2:
        return ()
    titles = unique(first + [""] * (width - len(first)))
    if is_header(first, below=rows[1 : 1 + SAMPLE_ROWS]):
        return titles
    cells = [cell for cell in first if cell]
    words = all(not _recognise(cell).is_known and not _NUMBER.fullmatch(cell) for cell in cells)
    broken = any(looks_like_smiles(cell) and len(cell) > SHORT for cell in cells)
    return titles if words and cells and not broken else ()


def _structure_columns(titles: Sequence[str], columns: Sequence[list[str]]) -> list[int]:
    """Find the columns that may hold the structures; more than one where that is not clear."""
    if titles:
        rows = [list(cells) for cells in zip(*columns, strict=True)]
        named = [place for place, title in enumerate(titles) if "smiles" in title.lower()]
        try:
            found = find_smiles_column(None, titles, rows)
        except TableError:
            if len(named) > 1:
                return named
        else:
            if len(titles) > 1 and (named or _share(columns[found]) > 0):
                return [found]
    shares = {place: _share(cells) for place, cells in enumerate(columns)}
    most = max(shares.values())
    if not most:
        return []
    likely = [place for place, share in shares.items() if share >= max(0.5, 0.9 * most)] or [
        place for place, share in shares.items() if share == most
    ]
    written = [
        place for place in likely if any(_recognise(cell).kind in ("SMILES", "CXSMILES") for cell in columns[place])
    ]
    likely = written or likely
    long = [place for place in likely if sum(map(len, columns[place])) > SHORT * len(columns[place])]
    return long or likely[:1]


def _name_column(titles: Sequence[str], columns: Sequence[list[str]], structure: int) -> int | None:
    """Find the column with the names: by its title, or the first one of words."""
    plain = [re.sub(r"[^a-z0-9]", "", title.lower()) for title in titles]
    named = [place for wanted in _NAMES for place, title in enumerate(plain) if title == wanted and place != structure]
    filled = [place for place in named if any(columns[place])]
    if filled:
        return filled[0]
    for place, cells in enumerate(columns):
        words = [cell for cell in cells if cell and not _NUMBER.fullmatch(cell)]
        distinct = 2 * len(set(words)) > len(words)  # what is in every row names nothing
        if place != structure and distinct and 2 * len(words) >= len(cells) and _share(cells) < 0.5:
            return place
    numbered = [place for place, cells in enumerate(columns) if place < structure and all(re.fullmatch(r"\d+", cell) for cell in cells)]  # fmt: skip # noqa: E501
    return numbered[0] if numbered and not titles else None


def find_name_column(columns: Sequence[str], structure: str | None) -> str:
    """Find the column of a table that names its molecules, by its title, else the first that is no structure.

    Examples
    --------
    >>> find_name_column(["smiles", "IC50", "Compound ID"], "smiles"), find_name_column(["smiles"], "smiles")
    ('Compound ID', '')
    """
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in columns if name != structure}
    return next((plain[wanted] for wanted in _NAMES if wanted in plain), next(iter(plain.values()), ""))


def _share(cells: Sequence[str]) -> float:
    """Return how many of the cells that are filled are structures."""
    filled = [cell for cell in cells if cell]
    return sum(_recognise(cell).is_structure for cell in filled) / len(filled) if filled else 0.0


def _is_list(cells: Sequence[str]) -> bool:
    """Return whether the cells of a row are molecules each, and no molecule with its name."""
    found = [_recognise(cell) for cell in cells if cell.strip()]
    return (
        len(found) > 1 and all(notation.is_structure for notation in found) and len({each.kind for each in found}) == 1
    )


def _is_smiles(token: str) -> bool:
    return _recognise(token).kind in ("SMILES", "CXSMILES", "InChI") and _recognise(token).is_structure


def _unlisted(text: str) -> str:
    """Take the number or the bullet of a list away, where a structure follows it."""
    return _BULLET.sub("", text, 1)


def _cells(text: str, delimiter: str) -> list[str]:
    """Cut a line at a delimiter outside of quotes; the brackets of a list in a program are none of its cells."""
    stripped = text.strip("\n")
    if re.match(r"\s*\[\s*[\"']", stripped):
        stripped = re.sub(r"^\s*\[|\]\s*[,;]?\s*$", "", stripped)
    cells = next(csv.reader([stripped], delimiter=delimiter, skipinitialspace=True), [])
    while len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    return [unquoted(cell) for cell in cells]


def _called(titles: Sequence[str], place: int) -> str:
    return f"“{titles[place]}”" if titles else str(place + 1)
