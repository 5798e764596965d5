"""Molecules of the page's table as files: CSV, an Excel workbook, SDF."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import rdDepictor

from model_zoo.chemistry.physchem import physchem
from model_zoo.inference.answers import Estimate, Fault
from model_zoo.io.spreadsheets import BOM, safe_cell
from serving.champions.champion_registry import Champion
from serving.page.known import measured_values
from serving.page.project_score import COLUMNS, NO_SCORE, Score
from serving.page.understood import Line
from serving.page.views import ShownMolecule, notes_of

FIELDS = (
    "value", "lower", "upper", "unit", "percentile", "label", "domain", "reliability", "usual_error", "similarity",
    "champion", "provisional", "measured",
)  # fmt: skip
SHOWN = ("display_value", "display_lower", "display_upper", "display_unit", "display_measured")
"""Further fields of an endpoint that people read in another unit."""
CALCULATED = ("mw", "clogp", "tpsa", "hbd", "hba", "rotatable_bonds", "fsp3", "aromatic_rings", "qed", "sa_score")
"""What is calculated from the structure, see `model_zoo.chemistry.physchem`."""

MOST_CHARACTERS = 32_767
"""In a cell of a workbook."""
CUT = " ... (cut: Excel holds 32,767 characters; CSV holds all)"
ILLEGAL = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")

Cell = str | float | bool | None


class Sheet(NamedTuple):
    """A table: its columns, and a row per molecule in their order; nothing is rounded but as it is written."""

    columns: list[str]
    rows: list[list[Cell]]


def sheet_of(
    lines: Sequence[Line],
    molecules: Sequence[ShownMolecule],
    places: Sequence[int],
    champions: Mapping[str, Champion],
    scores: Mapping[int, Score],
) -> Sheet:
    """Make a table: a row each, also for those that were not predicted, in the order of the request."""
    columns = ["smiles", "name", "standardised", "error_code", "error_detail", "notes"]
    columns += [f"{name}_{field}" for name, champion in champions.items() for field in _fields(champion)]
    columns += [*CALCULATED, "rules_broken"]
    scored = COLUMNS if scores else ()
    rows: list[list[Cell]] = []
    for place in places:
        line, shown = lines[place], molecules[place]
        answer = shown.answer
        row: list[Cell] = [line.smiles, line.name]
        if isinstance(answer, Fault):
            row += ["", answer.code, answer.detail, line.note]
        else:
            standardised = next(iter(answer.values())).smiles
            row += [standardised, "", "", "; ".join([*filter(None, [line.note]), *notes_of(answer)])]
            for name in champions:
                row += (
                    _predicted(shown, name, answer[name]) if name in answer else [None] * len(_fields(champions[name]))
                )
            found = physchem(Chem.MolFromSmiles(standardised))
            broken = (f"{rule.name}: {', '.join(rule.broken)}" for rule in found.rules if not rule.passed)
            row += [
                *(None if each.value is None else float(each.shown) for each in found.properties),
                "; ".join(broken),
            ]
        given = scores.get(place, NO_SCORE).cells if scores else ()
        rows.append([*row, *[None] * (len(columns) - len(row)), *given])
    return Sheet([*columns, *scored], rows)


def as_csv(sheet: Sheet) -> bytes:
    """Write a table as CSV that a spreadsheet opens as what it is."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(sheet.columns)
    writer.writerows([_text(cell) for cell in row] for row in sheet.rows)
    return (BOM + file.getvalue()).encode()


def as_workbook(sheet: Sheet) -> bytes:
    """Write a table as an Excel workbook: numbers as numbers, and no text is a formula."""
    import openpyxl

    book = openpyxl.Workbook(write_only=False)
    page = book.active
    assert page is not None
    page.title = "Predictions"
    every: list[Sequence[Cell]] = [sheet.columns, *sheet.rows]
    for number, row in enumerate(every, start=1):
        for place, cell in enumerate(row, start=1):
            if cell in (None, ""):
                continue
            if isinstance(cell, str):
                page.cell(number, place, _printable(cell)).data_type = "s"
            else:
                page.cell(number, place, cell)
    page.freeze_panes = "C2"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def as_sdf(sheet: Sheet) -> bytes:
    """Write a table as SDF: drawn as the models see it, one without a structure as a record without atoms."""
    records = []
    for row in sheet.rows:
        cells = dict(zip(sheet.columns, row, strict=True))
        mol = Chem.MolFromSmiles(str(cells["standardised"] or ""))
        rdDepictor.Compute2DCoords(mol)
        mol.SetProp("_Name", " ".join(str(cells["name"] or cells["smiles"]).split())[:80])
        parts = [Chem.MolToMolBlock(mol)]
        for name, cell in cells.items():
            if text := " ".join(_text(cell, safe=False).split()):
                parts.append(f">  <{name}>\n{text}\n\n")
        records.append("".join([*parts, "$$$$\n"]))
    return "".join(records).encode()


FORMATS: Mapping[str, tuple[str, Callable[[Sheet], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_workbook),
    "sdf": ("chemical/x-mdl-sdfile", as_sdf),
}
"""Media type and writer of each format."""


def _predicted(shown: ShownMolecule, name: str, estimate: Estimate) -> list[Cell]:
    champion = shown.champions[name]
    manifest = champion.manifest
    domain = "inside" if estimate.inside else "outside"
    known = measured_values(champion, estimate.smiles, estimate.similarity) if shown.measured else ()
    same = [each for each in known if each.same]
    numbers = (estimate.value, estimate.lower, estimate.upper)
    cells: list[Cell] = [*numbers, manifest.unit, estimate.percentile, estimate.label, domain]
    cells += [estimate.reliability or "", estimate.usual_error]
    cells += [round(estimate.similarity, 4), manifest.version, champion.provisional]
    cells.append("; ".join(each.own_amount for each in same))
    display = manifest.display
    if display is not None:
        cells += [display.value(estimate.value), *display.interval(*numbers[1:]), manifest.display_unit]
        cells.append("; ".join(each.amount for each in same))
    return cells


def _fields(champion: Champion) -> tuple[str, ...]:
    return FIELDS if champion.manifest.display is None else (*FIELDS, *SHOWN)


def _text(cell: Cell, *, safe: bool = True) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return safe_cell(cell) if safe and isinstance(cell, str) else str(cell)


def _printable(text: str) -> str:
    """Leave out what no workbook may hold, and say where a cell was too long: lines of a cell stay lines."""
    text = ILLEGAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - len(CUT)] + CUT
