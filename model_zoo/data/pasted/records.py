"""Where the records of a pasted text begin and end: structure blocks, sequences, and runs of lines between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import NamedTuple

from rdkit import Chem

from model_zoo.data.tables.row import Row
from model_zoo.data.tables.sdf import property_names, read_sdf

_COUNTS = re.compile(r"^.{0,40}\bV[23]000\s*$")
_HEADER = 3
"""Lines of a structure block before its counts."""
_NAMING = re.compile(r"name|title|code|id$", re.IGNORECASE)
_PROPERTY = re.compile(r"^>.*<.+>")
_SEQUENCE = re.compile(r"[A-Za-z*-]+")
_FRAMED = re.compile(r"\|.*\|")
_INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u00ad\0]")
_BLANKS = re.compile("[\u00a0\u2007\u202f\u2002-\u200a\u3000]")
_CELLS, _LINES = ("td", "th"), ("tr", "p", "br", "div", "li", "h1", "h2", "h3")


class Record(NamedTuple):
    """One structure block with its properties, one sequence, or a run of lines."""

    kind: str
    """`block`, `sequence` or `lines`."""
    line: int
    """Its first line, from 1."""
    lines: list[str]
    """As they came."""


def cleaned(text: str) -> str:
    r"""Take away what nobody sees, write hard blanks as blanks, and read a table that was copied as HTML.

    Examples
    --------
    >>> cleaned("\ufeffCCO\u00a0ethanol\r\nCCN"), cleaned("<table><tr><td>CCO</td><td>ethanol</td></tr></table>")
    ('CCO ethanol\nCCN', 'CCO\tethanol')
    >>> cleaned("| name | SMILES |\n|---|---|\n| ethanol | CCO |")  # a table of Markdown
    'name\tSMILES\n---\t---\nethanol\tCCO'
    """
    text = _BLANKS.sub(" ", _INVISIBLE.sub("", text)).replace("\r\n", "\n").replace("\r", "\n")
    if re.match(r"\s*<(?:!doctype|html|meta|table|body|div|p|ul|ol|span)\b", text, re.IGNORECASE):
        reader = _Html()
        reader.feed(text)
        reader.close()
        text = reader.text
    lines = [line.strip() for line in text.split("\n")]
    if all(_FRAMED.fullmatch(line) for line in lines if line) and sum(map(bool, lines)) > 1:
        text = "\n".join(re.sub(r" *\| *", "\t", line[1:-1].strip()) for line in lines)
    return text


def records(text: str) -> Iterator[Record]:
    """Cut a text that is cleaned into its records, in order; every line belongs to one."""
    lines = text.split("\n")
    begin = place = 0
    while place < len(lines):
        if _COUNTS.match(lines[place]):
            kind, (start, end) = "block", _block(lines, place, begin)
        elif lines[place].startswith(">") and ">" not in lines[place][1:]:
            kind, start = "sequence", place
            end = next((at for at in range(place + 1, len(lines)) if not _is_sequence(lines[at])), len(lines))
        else:
            place += 1
            continue
        if begin < start:
            yield Record("lines", begin + 1, lines[begin:start])
        yield Record(kind, start + 1, lines[start:end])
        begin = place = end
    if begin < len(lines):
        yield Record("lines", begin + 1, lines[begin:])


def block_of(lines: Sequence[str]) -> tuple[Row, str]:
    """Return the row of a structure block, its header made whole, and its name: the title, or a property like it."""
    counts = next(place for place, line in enumerate(lines) if _COUNTS.match(line))
    whole = [f"{line}\n" for line in [*[""] * (_HEADER - counts), *lines]]
    names = property_names(iter(whole))
    row = next(read_sdf(iter(whole), names))
    title, *values = row.cells
    named = (value for name, value in zip(names, values, strict=True) if _NAMING.search(name) and value)
    return row, title or next(named, "").split("\n")[0]


def _block(lines: Sequence[str], counts: int, begin: int) -> tuple[int, int]:
    """Return where the structure block with its counts in this line begins, and where its record ends."""
    start = max(begin, counts - _HEADER)
    # Headers lose their empty lines when they are copied: a line that is a structure is no program's stamp.
    whole = counts - start == _HEADER
    start = next((at + 1 for at in reversed(range(start + whole, counts)) if _is_structure(lines[at])), start)
    end = next((at + 1 for at in range(counts, len(lines)) if lines[at].startswith("M  END")), len(lines))
    while end < len(lines):
        following = next((at for at in range(end, len(lines)) if lines[at].strip()), len(lines))
        if following < len(lines) and lines[following].startswith("$$$$"):
            return start, following + 1
        if following == len(lines) or not _PROPERTY.match(lines[following]):
            break
        end = next((at for at in range(following, len(lines)) if not lines[at].strip()), len(lines))
    return start, end


def _is_structure(line: str) -> bool:
    token = line.split(maxsplit=1)[0] if line.split() else ""
    return len(token) > 2 and Chem.MolFromSmiles(token, sanitize=False) is not None


def _is_sequence(line: str) -> bool:
    return _SEQUENCE.fullmatch(line.strip()) is not None and Chem.MolFromSmiles(line.strip()) is None


class _Html(HTMLParser):
    """The text of a document: a line per row or paragraph, a tab between cells."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._hidden = 0

    @property
    def text(self) -> str:
        joined = re.sub(r"[ ]*\n[\s]*", "\n", "".join(self._parts)).strip("\n")
        return "\n".join(line.strip("\t ") if line.strip() else "" for line in joined.split("\n"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in ("style", "script", "title"):
            self._hidden += 1
        elif tag in _LINES:
            self._parts.append("\n")
        elif tag in _CELLS and self._parts and not self._parts[-1].endswith("\n"):
            self._parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self._parts.append(re.sub(r"\s+", " ", data))
