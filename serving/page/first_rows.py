"""The first rows of a file before it is uploaded: which column holds the structures, and what endpoint it could be."""

from __future__ import annotations

import re
import tempfile
import zlib
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from litestar import MediaType, Response, post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from model_zoo.chemistry.standardisation.cxsmiles import bare
from model_zoo.data.assays.proposal import Answers, propose, slug, stem_of
from model_zoo.data.assays.roles import find_roles
from model_zoo.data.assays.whole_table import read_whole
from model_zoo.data.assays.yaml_text import as_one_yaml, as_yaml
from model_zoo.data.pasted.notation import Notation, recognise_row
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.guessing import TableOptions
from model_zoo.data.tables.reading import Table, understand
from model_zoo.data.tables.row import Row
from model_zoo.data.tables.text import ZIP, is_workbook
from model_zoo.data.tables.workbook import sheet_names
from model_zoo.errors import DataError
from serving.http.parameters import HttpRequest
from serving.inference.engine import Engine
from serving.jobs.intake import receive
from serving.jobs.service import Jobs
from serving.page import wording
from serving.page.templates import render

PART_BYTES = 8 << 20
"""The page sends at most so much of a file; a larger one is cut at a line."""
ROWS, COLUMNS = 8, 12
MOST_ENDPOINTS = 30
ORIGIN = "Guessed by the service's page: check it. Put it into configs/endpoints/, the file where `files` says."


@dataclass(frozen=True)
class FirstRow:
    """A row as it came, and what its structure was read as, or why there is none."""

    cells: tuple[str, ...]
    read_as: str
    fault: str


@dataclass(frozen=True)
class Guess:
    """An endpoint that a file could become."""

    name: str
    lines: tuple[str, ...]
    """Every guess with its evidence."""
    questions: tuple[str, ...]
    """What must be answered first; then there is no YAML."""
    yaml: str


@dataclass(frozen=True)
class Guesses:
    """What a file could become.

    Attributes
    ----------
    endpoints
        Each with a YAML of its own.
    together
        The name of one file for all of them.
    yaml
        What it would say; empty for a single endpoint, and while a question is open.
    """

    endpoints: tuple[Guess, ...] = ()
    together: str = ""
    yaml: str = ""


@dataclass(frozen=True)
class FirstRows:
    """What the page shows of a file."""

    form: str
    """How it is written."""
    columns: tuple[str, ...]
    chosen: str | None
    """`columns` and `chosen`: its columns, and the one with the structures; none where somebody has to choose. An SDF
    file has no choice."""
    choice: bool
    sheets: tuple[str, ...]
    sheet: str
    """`sheets` and `sheet`: of a workbook."""
    rows: tuple[FirstRow, ...]
    whole: bool
    guesses: Guesses


@post(
    "/page/file", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"},
    request_max_body_size=None,
)  # fmt: skip
async def file_page(
    request: HttpRequest, engine: NamedDependency[Engine], jobs: NamedDependency[Jobs]
) -> Response[str]:
    """Show the first rows of a file; nothing of it is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        received = await receive(request, path, replace(jobs.settings, max_upload_bytes=PART_BYTES + 10_000), 0)
        named = path.with_name(
            re.sub(r"[^\w.-]+", "_", received.options.name or "file.csv")[-80:].lstrip(".") or "file"
        )
        path.rename(named)
        try:
            shown = await engine.work(first_rows, named, received.options)
        except TableError as error:
            html = render("first_rows.html", shown=None, fault=wording.fault_words("", str(error)))
            return Response(html, media_type=MediaType.HTML)
    return Response(render("first_rows.html", shown=shown, fault=""), media_type=MediaType.HTML)


FILE_HANDLERS: list[ControllerRouterHandler] = [file_page]


def first_rows(path: Path, options: TableOptions) -> FirstRows:
    """Look at the first rows of a file, which may be cut off after `PART_BYTES`.

    Raises
    ------
    TableError
        When it is no table.
    """
    whole = path.stat().st_size < PART_BYTES
    workbook = is_workbook(path)
    if not whole and not workbook:
        _cut_at_a_line(path)
    sheets = tuple(sheet_names(path)) if workbook else ()
    options = replace(options, column=options.column or None, sheet=options.sheet or (sheets[0] if sheets else None))
    table, clear = _understood(path, options)
    rows = []
    for row in islice(table.rows(), ROWS):
        found = _as_a_job_reads(row)
        fault = "" if found.is_structure else wording.fault_words(found.code, found.detail)
        rows.append(FirstRow(tuple(cell.split("\n")[0] for cell in row.cells), found.kind, fault))
    form = [table.format.upper()]
    if table.format in ("csv", "tsv"):
        form.append(f"separated by {table.form.delimiter!r}".replace("'\\t'", "tabs"))
    if not workbook:
        form.append(table.encoding.removesuffix("-sig"))
    if above := table.form.skip_rows:
        form.append(f"{above} {'row' if above == 1 else 'rows'} above the header left out")
    return FirstRows(
        ", ".join(form), table.columns, table.smiles_column if clear else None, table.format != "sdf", sheets,
        options.sheet or "", tuple(rows), whole, guesses(path, options) if whole and clear else Guesses(),
    )  # fmt: skip


def guesses(path: Path, options: TableOptions) -> Guesses:
    """Guess the endpoints that a file could become, as `aidrug endpoint new` does; none where it holds no values."""
    try:
        table = read_whole(path, options, sheet=options.sheet)
        roles = find_roles(table)
        proposals = propose(table, roles, Path(options.name or path.name).name, Answers()) if roles.values else []
    except (DataError, UnicodeDecodeError):
        return Guesses()
    made = []
    for each in proposals[:MOST_ENDPOINTS]:
        lines = tuple(map(each.guess, each.why))
        text = "" if each.questions else as_yaml(each, ORIGIN)
        made.append(Guess(each.name, lines, tuple(each.questions), text))
    several = len(proposals) > 1 and not any(each.questions for each in proposals)
    return Guesses(tuple(made), slug(stem_of(path)), as_one_yaml(proposals, ORIGIN) if several else "")


def _as_a_job_reads(row: Row) -> Notation:
    """Return what a job reads a row as: no names, and no text that would have to be corrected first."""
    found = recognise_row(row)
    if not found.is_structure or found.kind in ("InChI", "structure block") or found.smiles == bare(row.structure):
        return found
    detail = "a file's structures are read as they are: expected a SMILES, an InChI or a structure block"
    return Notation(found.kind, code="other-notation", detail=f"{detail}, and this needs a correction or a look-up")


def _understood(path: Path, options: TableOptions) -> tuple[Table, bool]:
    """Find out what a file is, and whether it is clear which column holds the structures."""
    try:
        return understand(path, options), True
    except TableError as error:
        if not error.columns:
            raise
        return understand(path, replace(options, column=error.columns[0])), False


def _cut_at_a_line(path: Path) -> None:
    """End a file of which the beginning came with a whole line, unpacked; it is not said to be broken.

    Raises
    ------
    TableError
        For a workbook, which has no beginning to be read.
    """
    content = path.read_bytes()
    if content.startswith(ZIP):
        raise TableError(
            "too-large",
            f"the first rows of a workbook are shown up to {PART_BYTES >> 20} MB; it is read whole when it is uploaded",
        )
    if content.startswith(b"\x1f\x8b"):
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, PART_BYTES)
        except zlib.error:
            return  # it is broken, and reading it says so
    path.write_bytes(content[: content.rfind(b"\n") + 1])
