"""A job's stored result as the page's table: its headings, and a file of the rows that were chosen."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from litestar import MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from model_zoo.data.pasted.columns import find_name_column
from model_zoo.io.spreadsheets import BOM
from serving.http.parameters import HttpRequest
from serving.inference.engine import Engine
from serving.jobs.service import Jobs, seen_by
from serving.page.project_score import COLUMNS, NO_SCORE, Score, read_scores
from serving.page.templates import render
from serving.page.views import Heading, headings


class Chosen(Struct, frozen=True):
    """Rows of a job, from 0; none means all. `score` is what the page computed of them."""

    pick: list[int] | int = []
    score: str = ""

    @property
    def picks(self) -> set[int]:
        """The rows picked."""
        return set(self.pick) if isinstance(self.pick, list) else {self.pick}


@get("/page/jobs/{job_id:str}", media_type=MediaType.HTML, include_in_schema=False, opt={"scope": "jobs"})
async def job_table(
    request: HttpRequest, job_id: str, jobs: NamedDependency[Jobs], engine: NamedDependency[Engine]
) -> Response[str]:
    """Give the headings of a job's table; the page fetches its rows."""
    job = await jobs.find(job_id, seen_by(request))
    champions = engine.champion_registry.champions
    known = {
        each.endpoint: each for each in headings({name: champions[name] for name in job.champions if name in champions})
    }
    shown = tuple(known.get(name, Heading(name, name, "", "", "")) for name in job.champions)
    place = find_name_column(job.plan.columns, job.plan.smiles_column)
    html = render("grid.html", cards=(), headings=shown, job=job, naming=place, provisional="")
    return Response(html, media_type=MediaType.HTML)


@post("/page/jobs/{job_id:str}", include_in_schema=False, status_code=200, opt={"scope": "jobs"})
async def chosen_rows(
    request: HttpRequest,
    job_id: str,
    data: URLEncodedBody[Chosen],
    jobs: NamedDependency[Jobs],
    engine: NamedDependency[Engine],
) -> Response[str]:
    """Give the chosen rows of a job's result as CSV, in the order of the upload."""
    job = await jobs.find(job_id, seen_by(request))
    _, pieces = jobs.result(job, "csv", None, None)
    text = await engine.work(_picked, pieces, data.picks, read_scores(data.score))
    headers = {"Content-Disposition": 'attachment; filename="predictions.csv"'}
    return Response(BOM + text, media_type="text/csv; charset=utf-8", headers=headers)


JOB_TABLE_HANDLERS: list[ControllerRouterHandler] = [job_table, chosen_rows]


def _picked(pieces: Iterator[bytes], picks: set[int], scores: Mapping[int, Score]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    text = io.StringIO(b"".join(pieces).decode().removeprefix(BOM), newline="")
    for number, row in enumerate(csv.reader(text), start=-1):
        if number < 0 or not picks or number in picks:
            value, front = COLUMNS if number < 0 else scores.get(number, NO_SCORE).cells
            writer.writerow([*row, "" if value is None else value, front] if scores else row)
    return file.getvalue()
