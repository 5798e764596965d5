"""A pasted text, understood: one entry per molecule, in order, and every line accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model_zoo.data.pasted.columns import Line, Reading, choose
from model_zoo.data.pasted.notation import Notation, recognise, recognise_row, unquoted
from model_zoo.data.pasted.records import Record, block_of, cleaned, records

_COMMENT = re.compile(r"\s*(?:#(?![A-Za-z\[(])|//)")
_PUNCTUATION = re.compile(r"[\s\[\](){},;`=_|+-]*")


@dataclass(frozen=True)
class Entry:
    """One molecule of a text, or what is in its place."""

    line: int
    """Where it begins in the text, from 1."""
    text: str
    """As it came."""
    name: str
    """What it is called; empty where nothing is said."""
    notation: Notation
    """What it was read as, or why it is refused."""


@dataclass(frozen=True)
class LeftOut:
    """A line that holds no molecule, and what it is: `headings`, `above the headings`, `comment`, `punctuation`."""

    line: int
    what: str
    text: str


@dataclass(frozen=True)
class Paste:
    """What was understood of a text."""

    entries: tuple[Entry, ...]
    """Molecules and refused lines, in order."""
    left_out: tuple[LeftOut, ...] = ()
    """Lines without one, but for empty ones."""
    empty: int = 0
    """How many lines are empty."""
    notes: tuple[str, ...] = ()
    """What is to be known of the whole, as which column was taken."""


def read_paste(text: str) -> Paste:
    r"""Understand a text in any of the ways in which molecules are written.

    Examples
    --------
    >>> paste = read_paste("Name,SMILES\nethanol,CCO\n\n# base\namine;\n50-78-2")
    >>> [(entry.line, entry.name, entry.notation.kind) for entry in paste.entries]
    [(2, 'ethanol', 'SMILES'), (5, '', 'text'), (6, '', 'CAS number')]
    >>> [(each.line, each.what) for each in paste.left_out], paste.empty
    ([(1, 'headings'), (4, 'comment')], 1)
    """
    if re.match(r"\s*\{\\rtf", text):
        return Paste((Entry(1, text, "", recognise(text.strip())),))
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    notes: list[str] = []
    empty = 0
    for record in records(cleaned(text)):
        if record.kind == "lines":
            rows, left, blank = _sorted_out(record)
            reading = choose(rows)
            left_out += left
            empty += blank
            if reading.headings is not None:
                left_out.append(LeftOut(reading.headings.number, "headings", reading.headings.text))
            left_out += [LeftOut(line.number, "above the headings", line.text) for line in reading.above]
            notes += [note for note in reading.notes if note not in notes]
            entries += _entries(reading)
        else:
            entries.append(_of_record(record))
    return Paste(tuple(entries), tuple(sorted(left_out, key=lambda each: each.line)), empty, tuple(notes))


def _sorted_out(record: Record) -> tuple[list[Line], list[LeftOut], int]:
    """Set apart the lines of a record that hold no molecule."""
    rows: list[Line] = []
    left: list[LeftOut] = []
    empty = 0
    for number, text in enumerate(record.lines, start=record.line):
        if not text.strip():
            empty += 1
        elif _COMMENT.match(text) and not re.search("smiles", text, re.IGNORECASE):
            left.append(LeftOut(number, "comment", text))
        elif _PUNCTUATION.fullmatch(text) or text.strip() in ("$$$$", "```"):
            left.append(LeftOut(number, "punctuation", text))
        else:
            rows.append(Line(number, text))
    return rows, left, empty


def _entries(reading: Reading) -> Iterator[Entry]:
    for line, name, notation in reading.found:
        yield Entry(line.number, line.text, unquoted(name), notation)


def _of_record(record: Record) -> Entry:
    text = "\n".join(record.lines)
    if record.kind == "sequence":
        return Entry(record.line, text, record.lines[0][1:].strip(), recognise(">"))
    row, name = block_of(record.lines)
    return Entry(record.line, text, name, recognise_row(row))


def kinds(entries: Sequence[Entry]) -> dict[str, int]:
    """Count what the molecules of a text were written as, in order of first appearance."""
    counts: dict[str, int] = {}
    for entry in entries:
        if entry.notation.is_structure:
            counts[entry.notation.kind] = counts.get(entry.notation.kind, 0) + 1
    return counts
