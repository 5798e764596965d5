"""What a file is: its format, its delimiter, whether it has a header, which column holds the structures.

Belongs here: guessing from a file's first lines and from what the caller says, and refusing an unclear guess.
Does not belong here: reading the whole file (see `reading.py`), what numbers and columns mean (see `data/assays/`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem

from model_zoo.chemistry.standardisation.cxsmiles import bare, odd_sign, split_line
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import DELIMITERS, ENDINGS, TEXT_FORMATS, Format, delimiter_of
from model_zoo.data.tables.names import numbered, unique

SAMPLE_ROWS = 50
PREAMBLE = 20
"""In so many first rows the header is looked for: titles and notes are above it."""
SHORT = 3
"""Structures of so many characters on average are as likely words or initials."""
_MEDIA_TYPES: dict[str, Format] = {
    "text/csv": "csv", "application/csv": "csv", "text/tab-separated-values": "tsv",
    "chemical/x-mdl-sdfile": "sdf", "chemical/x-mdl-molfile": "sdf", "chemical/x-daylight-smiles": "smi",
}  # fmt: skip
_DECLARED = re.compile(r"\"?sep=([^\r\n])\"?[ \t]*(?:[\r\n]|$)", re.IGNORECASE)
"""The line by which Excel writes, above the header, what separates cells."""
_NUMBER = re.compile(r"[<>=~≤≥]*\s*[-+]?[\d.,]+(?:[eE][-+]?\d+)?")
_BRACKET_ATOM = re.compile(r"\[[^\[\]\s]*\]")
_SMILES_LIKE = re.compile(r"(?:Br|Cl|[BCNOPSFIbcnops]|[-=#$:/\\.%()+\d@*~\[\]])+")
_NAMES = ("smiles", "isomericsmiles", "canonicalsmiles", "standardizedsmiles", "smi", "structure", "molecule")
"""Beside one of isomers PubChem's `CanonicalSMILES` is without configurations."""


@dataclass(frozen=True)
class TableOptions:
    """What the caller says of an upload; whatever is none is guessed."""

    format: str | None = None
    delimiter: str | None = None
    column: str | None = None
    header: bool | None = None
    name: str | None = None
    media_type: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Layout:
    """How a delimited file is laid out: `columns` are unique names, `above` counts the rows before all that counts."""

    delimiter: str
    columns: tuple[str, ...]
    smiles: int
    header: bool
    above: int


def guess_format(options: TableOptions, head: str) -> Format:
    r"""Return what a file is: by what the caller says, its name, its media type, or its first lines.

    Raises
    ------
    TableError
        `invalid` for a format that is not one of ours, `unreadable` for one that we do not read.

    Examples
    --------
    >>> guess_format(TableOptions(name="a.SDF.gz"), ""), guess_format(TableOptions(), "CCO ethanol\nCCN ethylamine\n")
    ('sdf', 'smi')
    """
    if options.format is not None:
        for known in TEXT_FORMATS:
            if options.format == known:
                return known
        raise TableError("invalid", f"format: expected one of {', '.join(TEXT_FORMATS)}, got {options.format!r}")
    extension = re.sub(r"\.gz$", "", (options.name or "").lower()).rpartition(".")[2]
    if extension == "xlsx":  # a workbook that is one was found by its content
        raise TableError(
            "unreadable", "its name says Excel (.xlsx), and its content is something else: rename it, or save it as CSV"
        )
    if extension in ("xls", "xlsb", "ods"):
        wanted = "CSV, TSV, SMILES, SDF or a whole workbook (XLSX)"
        raise TableError("unreadable", f"expected {wanted}, got .{extension}: save it as CSV")
    by_name = ENDINGS.get(extension) or _MEDIA_TYPES.get(options.media_type or "")
    said = options.delimiter is not None or options.column is not None or options.header is not None
    if by_name in ("csv", "tsv") and not said and _are_smiles_lines(head):
        return "smi"  # as a table the first molecule would be the title of the only column
    if by_name is not None:
        return by_name
    if re.search(r"^(\$\$\$\$|M  END)|V[23]000\s*$", head, re.MULTILINE):
        return "sdf"
    if said:
        return "csv"
    if declared_delimiter(head) is not None:
        return "csv"
    first = head.lstrip().partition("\n")[0]
    if any(_plain(cell) in _NAMES for cell in re.split(r"[,;|\t]", first)) or re.search(r"[,;|]", first):
        return "csv"
    return "smi"


def _are_smiles_lines(head: str) -> bool:
    """Return whether lines are structures and names with blanks between them, and nothing that a table has."""
    lines = [line.split() for line in head.splitlines()[:SAMPLE_ROWS] if line.strip()]
    if re.search(r"[,;|\t]", head) or not lines or _names_structures(lines[0], None, lines[1:]):
        return False
    good = sum(len(words) > 1 and (is_smiles(words[0]) or is_smiles(words[-1])) for words in lines)
    return 2 * good >= len(lines)


def guess_layout(options: TableOptions, head: str, *, tabs: bool) -> Layout:
    """Return how a delimited file is laid out.

    Raises
    ------
    TableError
        `unclear-column` when no column, or more than one, can be the structures: with the columns there are.
    """
    declared = declared_delimiter(head)
    delimiter = declared if declared and options.delimiter is None else _delimiter(options, head, tabs=tabs)
    every = _cells(head, delimiter)
    above = 1 if declared else 0
    if options.header is not False:
        above += rows_above(every[above:], options.column)
    rows = [row for row in every[above:] if row]
    if not rows:
        raise TableError("unreadable", "expected a header and rows, got an empty file")
    first, rest = rows[0], rows[1:]
    header = options.header if options.header is not None else not _is_data(first, options.column, rest)
    columns = unique(first) if header else numbered(len(first))
    place = find_smiles_column(options.column, columns, telling_rows(rows, header=header))
    if header and options.column is None and sum(name.strip() == columns[place] for name in first) > 1:
        what = f"there are two columns {columns[place]!r}"
        raise TableError("unclear-column", f"name the SMILES column with the parameter column: {what}", columns)
    return Layout(delimiter, columns, place, header, above)


def declared_delimiter(head: str) -> str | None:
    r"""Return what separates cells by a text's first line, which Excel writes; none where it is a row.

    Examples
    --------
    >>> declared_delimiter("sep=;\r\nSMILES;pIC50\r\n"), declared_delimiter("SMILES;pIC50\r\n")
    (';', None)
    """
    found = _DECLARED.match(head)
    return None if found is None else found[1]


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
        named = _filled(row) > 1 if widest > 1 else any(_plain(cell) in _NAMES for cell in row)
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
    return _names_structures(row, column, below) or (not strict and not _is_data(row, column, below))


def telling_rows(rows: Sequence[list[str]], *, header: bool) -> list[list[str]]:
    """Return the rows by which the column of structures is found: not the first, if the others suffice.

    It names the columns, or its structure may be short or wrong.
    """
    below = list(rows[1:])
    return below if header or _has_structures(below) else list(rows)


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


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _delimiter(options: TableOptions, head: str, *, tabs: bool) -> str:
    if options.delimiter is not None:
        return delimiter_of(options.delimiter)
    if tabs:
        return "\t"
    best, most = ",", (False, 1)
    for delimiter in DELIMITERS.values():
        every = _cells(head, delimiter)
        rows = [row for row in every[rows_above(every, options.column) :] if row]
        widths = {len(row) for row in rows}
        if len(widths) == 1 and rows:
            named = any(_plain(cell) in _NAMES for cell in rows[0]) or _has_structures(rows[1:])
            # A decimal comma also cuts every row alike: a delimiter that yields a column of structures wins.
            if len(rows[0]) > 1 and (named, len(rows[0])) > most:
                best, most = delimiter, (named, len(rows[0]))
    if most[1] > 1:
        return best
    first = head.partition("\n")[0]
    return max(DELIMITERS.values(), key=first.count)  # rows of unequal length: each will say so itself


def _cells(head: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(head.splitlines(keepends=True), delimiter=delimiter):
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # reading the file says where
    return rows


def _is_data(first: list[str], column: str | None, below: Sequence[list[str]] = ()) -> bool:
    """Return whether the first row is a molecule already: no known name in it, and a structure where they are below.

    There it may be short (`CC`) or wrong (`c1cccc`): taken for a name it would be lost. Elsewhere a name such as `BBB`
    or `CNS` reads as a structure.
    """
    if _names_structures(first, column, below):
        return False
    if len(first) == 1 and 2 * sum(len(row[0].split()) > 1 for row in below if row) > len(below):
        first, below = (
            first[0].split()[:1],
            [row[0].split()[:1] for row in below if row],
        )  # structures, names after them
    places = [place for place in range(len(first)) if _looks_like_structures(place, below)]
    if places and not any(first[place].strip() for place in places):
        return not _names_numbers(first, below)
    if places:
        return any(is_smiles(cell := first[place].strip()) or looks_like_smiles(cell) for place in places)
    return any(len(cell.strip()) > 2 and is_smiles(cell) for cell in first)


def _names_structures(row: Sequence[str], column: str | None, below: Sequence[list[str]]) -> bool:
    """Return whether a cell of a row names a column of structures.

    None below it, but some below a structure beside it: then it is a remark on that (`CCO`, `SMILES unclear`). What
    only has the word in it names none either where structures are below others.
    """
    if column is not None and column in row:
        return True
    if len(row) == 1:
        row, below = row[0].split(), [cell.split() for cells in below for cell in cells]
    exact = any(_plain(cell) in _NAMES for cell in row)
    called = [place for place, cell in enumerate(row) if "smiles" in _plain(cell) or _plain(cell) in _NAMES]
    if not called or not below or any(_holds_a_structure(place, below) for place in called):
        return bool(called)
    beside = [place for place, cell in enumerate(row) if len(cell.strip()) > 2 and is_smiles(cell)]
    return (exact or not _has_structures(below)) and not any(_holds_a_structure(place, below) for place in beside)


def _names_numbers(first: Sequence[str], below: Sequence[list[str]]) -> bool:
    """Return whether a row has a word above a column of numbers, as a header has that names not all of its columns."""
    return any(
        cell.strip() and not _NUMBER.fullmatch(cell.strip())
        and (cells := [row[place].strip() for row in below if place < len(row) and row[place].strip()])
        and all(map(_NUMBER.fullmatch, cells))
        for place, cell in enumerate(first)
    )  # fmt: skip


def find_smiles_column(column: str | None, columns: Sequence[str], rows: list[list[str]]) -> int:
    """Find the place of the column with the structures: by what the caller says, by its name, or by what is in it.

    Raises
    ------
    TableError
        `unclear-column` when no column, or more than one, can be it: with the columns there are.
    """
    shown = ", ".join(repr(name) for name in columns[:50])
    if column is not None:
        if column in columns:
            return columns.index(column)
        raise TableError("unclear-column", f"column: expected one of {shown}, got {column!r}")
    if len(columns) == 1:
        return 0
    called = [place for place, name in enumerate(columns) if "smiles" in _plain(name)]
    for wanted in _NAMES:
        named = [place for place, name in enumerate(columns) if _plain(name) == wanted]
        if len(named) == 1 and ("smi" in wanted or not called or _holds_a_structure(named[0], rows)):
            return named[0]
    named = called
    if len(named) == 1:
        return named[0]
    likely = named or [place for place in range(len(columns)) if _looks_like_structures(place, rows)]
    if len(likely) == 1:
        return likely[0]
    what = "none of them looks like SMILES" if not likely else "more than one of them could hold the SMILES"
    raise TableError(
        "unclear-column", f"name the SMILES column with the parameter column: the columns are {shown}; {what}", columns
    )


def _holds_a_structure(place: int, rows: Sequence[list[str]]) -> bool:
    """Return whether any cell of a column is a structure in some notation: names of molecules are none."""
    cells = [row[place].strip() for row in rows if place < len(row)]
    return any(is_smiles(cell) or cell[:6].lower() == "inchi=" or "\n" in cell for cell in cells)


def _has_structures(rows: Sequence[list[str]]) -> bool:
    return any(_looks_like_structures(place, rows) for place in range(max(map(len, rows), default=0)))


def _looks_like_structures(place: int, rows: Sequence[list[str]]) -> bool:
    """Return whether most cells of a column are structures, and not just words such as `C`, `CO` or `N`."""
    cells = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
    good = [cell for cell in cells if is_smiles(cell)]
    return bool(cells) and len(good) >= 0.7 * len(cells) and sum(map(len, good)) > 3 * len(good)
