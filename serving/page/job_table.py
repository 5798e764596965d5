"""A job's stored result as the page's table: its headings, its rows part by part, and files of chosen rows.

The place in an address is a job's identity, for callers who may see that job, or the token of a link to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

import msgspec
from litestar import MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Struct
from rdkit import Chem

from model_zoo.chemistry.molecules import Limits
from model_zoo.data.tables.names import unique
from model_zoo.io.spreadsheets import BOM
from serving.champions.champion_registry import Champion
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.jobs.database import Job
from serving.jobs.folder import JobFolder
from serving.jobs.service import Jobs, seen_by
from serving.jobs.shares import Share
from serving.jobs.writing import WRITERS as JOB_WRITERS
from serving.jobs.writing import Chunk, chunks_of, columns_of
from serving.page.categories import in_categories
from serving.page.drawing import structure_svg
from serving.page.export import FORMATS, Sheet
from serving.page.headings import Heading, headings
from serving.page.project_score import COLUMNS, NO_SCORE, Score, read_scores
from serving.page.stored_rows import rows_shown, stored_rows, units_of
from serving.page.templates import render

_OPT = {"scope": "jobs"}
_JOB = re.compile(r"[0-9a-f]{32}")
MOST_DRAWN = 40
"""Structures that are drawn in one answer."""


class Chosen(Struct, frozen=True):
    """Rows of a job, from 0; none means all. What the file is written as, and the project score of each row."""

    pick: list[int] | int = []
    format: str = "csv"
    score: str = ""

    @property
    def picks(self) -> set[int]:
        """The rows picked."""
        return set(self.pick) if isinstance(self.pick, list) else {self.pick}


class Structures(Struct, frozen=True):
    """SMILES to draw, one a line."""

    smiles: str = ""


@get("/page/jobs/{place:str}", media_type=MediaType.HTML, include_in_schema=False, opt=_OPT)
async def job_table(
    request: HttpRequest, place: FromPath[str], jobs: NamedDependency[Jobs], engine: NamedDependency[Engine]
) -> Response[str]:
    """Return the headings of a job's table; the page fetches its rows."""
    job, share = await job_at(request, jobs, place)
    return Response(await table_of(jobs, engine, job, place, share), media_type=MediaType.HTML)


@get("/page/jobs/{place:str}/rows", include_in_schema=False, opt=_OPT)
async def rows_of_job(
    request: HttpRequest,
    place: FromPath[str],
    jobs: NamedDependency[Jobs],
    engine: NamedDependency[Engine],
    start: Annotated[int, QueryParameter(ge=0)] = 0,
) -> Response[bytes]:
    """Return some rows of a job from `start` on, as far as they are done."""
    job, _ = await job_at(request, jobs, place)
    folder, champions = JobFolder(jobs.settings.folder, job.id), engine.champion_registry.champions
    shown = engine.settings.show_neighbours
    try:
        rows = await engine.work(stored_rows, job, folder, start, champions, measured=shown)
        content = await engine.work(msgspec.json.encode, rows)
    except FileNotFoundError as error:
        raise ProblemError("job-gone", "the job was removed while its rows were read") from error
    return Response(content, media_type=MediaType.JSON)


@post("/page/jobs/{place:str}", include_in_schema=False, status_code=200, opt=_OPT)
async def chosen_rows(
    request: HttpRequest,
    place: FromPath[str],
    data: URLEncodedBody[Chosen],
    jobs: NamedDependency[Jobs],
    engine: NamedDependency[Engine],
) -> Response[bytes]:
    """Return the chosen rows of a job's result as a file, in the order of the upload."""
    job, _ = await job_at(request, jobs, place)
    jobs.result(job, "csv", None, None)  # refuses a result that is not whole
    if data.format not in FORMATS:
        raise ProblemError("invalid-request", f"format: expected one of {', '.join(FORMATS)}, got {data.format[:20]!r}")
    scores = read_scores(data.score)
    chunks = _picked(job, JobFolder(jobs.settings.folder, job.id), data.picks, scores)
    content = await engine.work(_written, job, chunks, data.format, scored=bool(scores))
    headers = {"Content-Disposition": f'attachment; filename="predictions.{data.format}"'}
    return Response(content, media_type=FORMATS[data.format][0], headers=headers)


@post("/page/drawings", include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def drawings(data: URLEncodedBody[Structures], engine: NamedDependency[Engine]) -> Response[bytes]:
    """Draw structures; one that cannot be drawn is empty."""
    texts = data.smiles.split("\n")[:MOST_DRAWN]
    drawn = await engine.work(lambda: [_drawn(text, engine.settings.limits) for text in texts])
    return Response(msgspec.json.encode(drawn), media_type=MediaType.JSON)


JOB_TABLE_HANDLERS: list[ControllerRouterHandler] = [job_table, rows_of_job, chosen_rows, drawings]


async def job_at(request: HttpRequest, jobs: Jobs, place: str) -> tuple[Job, Share | None]:
    """Return the job at a place, and the link by which it is seen.

    Raises
    ------
    ProblemError
        `unknown-job` where there is none, it is another one's, or the link opens nothing; `job-gone` when removed.
    """
    found, share = (
        (await jobs.find(place, seen_by(request)), None) if _JOB.fullmatch(place) else await jobs.find_shared(place)
    )
    if found.status == "cancelled":
        raise ProblemError("job-gone", "the job was cancelled, and what was predicted was deleted")
    return found, share


async def table_of(jobs: Jobs, engine: Engine, job: Job, place: str, share: Share | None) -> str:
    """Print the table of a job without its rows."""
    champions = engine.champion_registry.champions
    shown = await engine.work(_headings, job, JobFolder(jobs.settings.folder, job.id), champions)
    newer = sum(name in champions and champions[name].manifest.version != pin.version
                for name, pin in job.champions.items())  # fmt: skip
    links = [] if share else jobs.shares.of_job(job.id)
    serving = {
        name: (each.manifest.title, each.manifest.version, each.manifest.model, each.provisional)
        for name, each in champions.items()
    }
    return render(
        "job.html", cards=(), headings=shown, categories=in_categories(shown), job=job, place=place, share=share,
        links=links, newer=newer, shown_rows=rows_shown(job), provisional="", serving=serving, text="",
    )  # fmt: skip


def _drawn(text: str, limits: Limits) -> str:
    mol = Chem.MolFromSmiles(text) if 0 < len(text) <= limits.max_characters else None
    return "" if mol is None or mol.GetNumHeavyAtoms() > limits.max_heavy_atoms else str(structure_svg(text))


def _headings(job: Job, folder: JobFolder, champions: Mapping[str, Champion]) -> tuple[Heading, ...]:
    """Describe the endpoints of a result: in the units that it holds, whatever is shown by now."""
    now = headings({name: champions[name] for name in job.champions if name in champions})
    try:
        known, units = {each.endpoint: each for each in now}, units_of(job, folder)
    except FileNotFoundError as error:
        raise ProblemError("job-gone", "the job's result was removed: submit it again") from error
    found = []
    for name, pin in job.champions.items():
        heading = known.get(name, Heading(name, name, "", "", ""))
        unit = "" if pin.task == "binary" else units.get(name, heading.unit)
        wanted = heading.wanted if unit == heading.unit else ""
        found.append(replace(heading, unit=unit, wanted=wanted, binary=pin.task == "binary"))
    return tuple(found)


def _picked(job: Job, folder: JobFolder, picks: set[int], scores: Mapping[int, Score]) -> Iterator[Chunk]:
    """Yield the chunks of a result with the rows that were picked alone, all where none were; with their scores."""
    number = 0
    for rows, entries in chunks_of(job, folder, 0, job.done):
        kept = [at for at in range(len(rows)) if not picks or number + at in picks]
        chosen = [rows[at] for at in kept]
        if scores:
            more = (scores.get(number + at, NO_SCORE).cells for at in kept)
            chosen = [
                row._replace(cells=[*row.cells, "" if value is None else str(value), front])
                for row, (value, front) in zip(chosen, more, strict=True)
            ]
        number += len(rows)
        yield chosen, [entries[at] for at in kept]


def _written(job: Job, chunks: Iterator[Chunk], form: str, *, scored: bool) -> bytes:
    columns = columns_of(job)
    if scored:
        more = unique(COLUMNS, (*columns.sent, *columns.made))
        columns = replace(columns, sent=(*columns.sent, *more))
    if form == "xlsx":
        rows = [
            [*row.cells, *columns.cells(entry)]
            for some, entries in chunks
            for row, entry in zip(some, entries, strict=True)
        ]
        return FORMATS[form][1](Sheet([*columns.sent, *columns.made], rows))
    content = b"".join(JOB_WRITERS[form][1](columns, chunks))
    return BOM.encode() + content if form == "csv" else content
