"""Links that show a result to others: made, opened and taken back, each with a line in the audit log.

A link holds no structure. Where keys are on, its reader needs one that may see jobs, too; it opens this one
result and nothing else, until its time is over.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import MediaType, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta, Struct

from serving.auth.guard import audited, holder_of
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.jobs.retention import DAY
from serving.jobs.service import Jobs, as_time, seen_by
from serving.jobs.shares import MOST_DAYS, MOST_LINKS
from serving.page.job_table import table_of
from serving.page.templates import render

_OPT = {"scope": "jobs"}
JobId = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")]
Token = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{20,64}$")]


class Wanted(Struct, frozen=True):
    """For how many days a link is to open."""

    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)] = 7


class Made(Struct, frozen=True):
    """A link that was made."""

    address: str
    name: str
    until: str


@post("/page/jobs/{job_id:str}/links", include_in_schema=False, status_code=201, opt=_OPT)
async def make_link(
    request: HttpRequest, job_id: JobId, data: URLEncodedBody[Wanted], jobs: NamedDependency[Jobs]
) -> Made:
    """Make a link to a result of one's own; it ends with the result, if that is before its time."""
    with audited(request, "share a result", job_id):
        job = await jobs.find(job_id, seen_by(request))
        jobs.result(job, "csv", None, None)  # refuses a result that is not whole
        if len(jobs.shares.of_job(job.id)) >= MOST_LINKS:
            raise ProblemError("invalid-request", f"expected at most {MOST_LINKS} links to a result: take some back")
        seconds = data.days * DAY
        token, share = await asyncio.to_thread(jobs.shares.create, job.id, holder_of(request.scope), seconds)
    ends = min(share.until, (job.finished or share.since) + jobs.settings.keep_days * DAY)
    return Made(f"/shared/{token}", share.name, as_time(ends))


@delete("/page/jobs/{job_id:str}/links", include_in_schema=False, status_code=204, opt=_OPT)
async def take_back(
    request: HttpRequest,
    job_id: JobId,
    jobs: NamedDependency[Jobs],
    name: Annotated[str | None, QueryParameter()] = None,
) -> None:
    """Take back the links to a result, or the one of that name."""
    with audited(request, "take back a link", f"{job_id} {name or 'all'}"):
        job = await jobs.find(job_id, seen_by(request))
        if not await asyncio.to_thread(jobs.shares.revoke, job.id, name):
            raise ProblemError("unknown-job", "there is no such link: it was taken back, or it has expired")


@get("/shared/{token:str}", media_type=MediaType.HTML, include_in_schema=False, opt=_OPT)
async def show_shared(
    request: HttpRequest, token: Token, jobs: NamedDependency[Jobs], engine: NamedDependency[Engine]
) -> Response[str]:
    """Show a result that somebody shared."""
    try:
        job, share = await jobs.find_shared(token)
    except ProblemError as error:
        html = render("shared.html", here="", table="", fault=error.detail, until="", what="")
        return Response(html, status_code=404, media_type=MediaType.HTML)
    with audited(request, "open a shared result", f"{job.id} {share.name}"):
        table = await table_of(jobs, engine, job, token, share)
    ends = min(share.until, (job.finished or share.since) + jobs.settings.keep_days * DAY)
    html = render("shared.html", here="", table=table, fault="", until=as_time(ends), what=job.plan.name or "")
    return Response(html, media_type=MediaType.HTML)


SHARING_HANDLERS: list[ControllerRouterHandler] = [make_link, take_back, show_shared]
