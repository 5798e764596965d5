"""What was understood of the box: a line per molecule or refusal, shown before anything is predicted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup
from rdkit.Chem.rdMolDescriptors import CalcMolFormula, Properties

from model_zoo.chemistry.molecules import InvalidMolecule, Limits, Molecule
from model_zoo.data.pasted.paste import Entry, Paste, kinds, read_paste
from model_zoo.inference.answers import Fault
from model_zoo.inference.chemistry import Reading
from model_zoo.policies import standardise
from serving.page import wording
from serving.page.drawing import structure_svg

MOST_CHECKED = 500
"""Lines of a long text that are standardised to find what will be refused; the others are read alone."""


@dataclass(frozen=True)
class Line:
    """One molecule of the box, or what is in its place."""

    smiles: str
    """The structure as SMILES; what came, where it is refused."""
    name: str
    """What it is called."""
    note: str = ""
    """How it was read, where a reader should know."""
    fault: Fault | None = None
    """Why nothing can be predicted for it."""

    @property
    def title(self) -> str:
        """What the molecule is called on the page."""
        return self.name or self.smiles


@dataclass(frozen=True)
class UnderstoodLine:
    """How a line was understood: what it was read as, and the structure, or why it is refused."""

    line: int
    name: str
    kind: str
    smiles: str
    note: str
    fault: str


@dataclass(frozen=True)
class Understood:
    """All that is shown of the box before anything is predicted."""

    rows: tuple[UnderstoodLine, ...]
    """Per molecule, in order."""
    counted: str
    """How many molecules there are, by what they were written as."""
    aside: tuple[str, ...]
    """Lines that hold no molecule, and what was done to read the others."""

    @property
    def refused(self) -> tuple[UnderstoodLine, ...]:
        """Those for which nothing can be predicted."""
        return tuple(row for row in self.rows if row.fault)


@dataclass(frozen=True)
class Preview:
    """The line that the cursor is in, drawn, and all lines as they were understood."""

    title: str
    drawing: Markup | None
    facts: str
    fault: str
    understood: Understood


def lines_of(text: str) -> list[Line]:
    r"""Read the box: a line per molecule, in order, refused ones in their places.

    Examples
    --------
    >>> [(line.smiles, line.name) for line in lines_of("CCO ethanol\n\n c1ccccc1 \n50-78-2")]
    [('CCO', 'ethanol'), ('c1ccccc1', ''), ('50-78-2', '')]
    """
    return [_line(entry) for entry in read_paste(text).entries]


def preview(text: str, at: int, readings: Collection[Reading], limits: Limits) -> Preview:
    """Return what was understood, and draw the molecule that line `at`, from 1, belongs to. Slow: it draws."""
    paste = read_paste(text)
    checked = [_checked(entry, frozenset(readings), limits, place) for place, entry in enumerate(paste.entries)]
    understood = _understood(paste, checked)
    before = [place for place, entry in enumerate(paste.entries) if entry.line <= max(at, 1)]
    if not paste.entries:
        return Preview("", None, "", "", understood)
    place = before[-1] if before else 0
    row, (parsed, _) = understood.rows[place], checked[place]
    if not isinstance(parsed, Molecule):
        return Preview(row.name, None, "", row.fault, understood)
    facts = f"{CalcMolFormula(parsed.mol)}, {Properties(['amw']).ComputeProperties(parsed.mol)[0]:.1f} g/mol"
    notes = [row.note, *(note.detail for note in parsed.notes)]
    return Preview(
        row.name, structure_svg(parsed.smiles), "; ".join([facts, *filter(None, notes)]), "", understood
    )  # fmt: skip


def _line(entry: Entry) -> Line:
    notation = entry.notation
    if notation.is_structure:
        name = entry.name or (entry.text.strip() if notation.kind == "name" else "")
        return Line(notation.smiles, name, notation.note)
    shown = next((line.strip() for line in entry.text.split("\n") if line.strip()), "")
    given = shown if "\n" in entry.text.strip() else entry.text.strip()
    if entry.name and given.endswith(entry.name):
        given = given.removesuffix(entry.name).strip()
    return Line(given, entry.name, fault=Fault(notation.code, notation.detail))


def _checked(
    entry: Entry, readings: frozenset[Reading], limits: Limits, place: int
) -> tuple[Molecule | InvalidMolecule | None, str]:
    """Return the molecule as models see it, or why there is none; nothing where the line itself is refused."""
    notation = entry.notation
    if not notation.is_structure:
        return None, wording.fault_words(notation.code, notation.detail)
    if place >= MOST_CHECKED:
        return None, ""
    parsed = _as_champions_read(notation.smiles, readings, limits)
    return parsed, wording.fault_words(parsed.code, parsed.detail) if isinstance(parsed, InvalidMolecule) else ""


def _understood(paste: Paste, checked: Sequence[tuple[Molecule | InvalidMolecule | None, str]]) -> Understood:
    first: dict[str, int] = {}
    rows = []
    for entry, (parsed, fault) in zip(paste.entries, checked, strict=True):
        note = entry.notation.note
        if isinstance(parsed, Molecule):
            same = first.setdefault(parsed.smiles + parsed.mark, entry.line)
            note = "; ".join(filter(None, [note, f"the same molecule as line {same}" if same != entry.line else ""]))
        line = _line(entry)
        rows.append(UnderstoodLine(entry.line, line.name, entry.notation.kind, line.smiles, note, fault))
    aside = [f"line {each.line} is not a molecule: {each.what}" for each in paste.left_out[:10]]
    if len(paste.left_out) > len(aside):
        aside.append(f"{len(paste.left_out) - len(aside)} more such lines")
    counts = ", ".join(
        f"{count} {kind}{'s' if count > 1 and kind.islower() else ''}" for kind, count in kinds(paste.entries).items()
    )
    return Understood(tuple(rows), counts, (*paste.notes, *aside))


@lru_cache(maxsize=4096)
def _as_champions_read(text: str, readings: frozenset[Reading], limits: Limits) -> Molecule | InvalidMolecule:
    """Read a structure as champions do: by the rules of the most recent version among theirs, and by none newer.

    One that some champions cannot read has no predictions; its fault comes first.
    """
    newest_first = sorted(readings, key=lambda reading: reading[1], reverse=True)
    read = [standardise(text, options, limits, policy=version) for options, version in newest_first]
    faults = (each for each in read if isinstance(each, InvalidMolecule))
    return next(faults, read[0] if read else standardise(text, limits=limits))
