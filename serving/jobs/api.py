"""Batch jobs over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.response import ServerSentEvent, Stream
from litestar.types import ControllerRouterHandler

from model_zoo.inference.suggestion import EXPLORATION
from model_zoo.io.spreadsheets import BOM
from serving.auth.guard import holder_of
from serving.http.once import require_once
from serving.http.parameters import HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.inference.engine import Engine
from serving.inference.requests import chosen
from serving.jobs.events import LAST_ID, events
from serving.jobs.intake import FIELDS
from serving.jobs.parquet import MEDIA_TYPE as PARQUET
from serving.jobs.schemas import JobInfo, JobList, JobRequest
from serving.jobs.service import Jobs, seen_by
from serving.jobs.suggestion import Suggestion, suggest

FORMATS = {
    "csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": PARQUET, "sdf": "chemical/x-mdl-sdfile",
}  # fmt: skip
MAX_PAGE_ROWS = 10_000
MAX_BATCH = 1_000
_FAULT = problem_response()
_OPT = {"scope": "jobs"}
_SEEN = {"scope": ("jobs", "admin")}
"""An administrator sees every job, and removes it; submitting takes the scope of its own."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
JobId = Annotated[str, PathParameter(description="Identity of a job.", pattern="^[0-9a-f]{32}$")]
_OPTIONS = {
    "endpoints": "Names of endpoints, separated by commas; all that have a champion when left out.",
    "include": "What to add, separated by commas: neighbours, explanation, alerts.",
    "column": "The column of a CSV, TSV or XLSX file that holds the SMILES.",
    "format": "csv, tsv, smi or sdf, when the file's name and type do not say so; XLSX says so itself.",
    "delimiter": "comma, tab, semicolon, pipe, or one character.",
    "header": "Whether the first row of a CSV or TSV file names the columns: true or false.",
    "name": "Name of the file.",
    "sheet": "The sheet of a workbook (XLSX), where it has several.",
}
assert tuple(_OPTIONS) == FIELDS


@dataclass
class _Submission(Operation):
    """The description of the body, which Litestar cannot see: the handler reads it as a stream."""

    def __post_init__(self) -> None:
        text, binary = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        texts = Schema(type=OpenAPIType.ARRAY, items=text)
        options = {
            name: Schema(type=OpenAPIType.STRING, description=description) for name, description in _OPTIONS.items()
        }
        listed = Schema(
            type=OpenAPIType.OBJECT,
            properties=dict.fromkeys(JobRequest.__struct_fields__, texts),
            required=["smiles"],
            additional_properties=False,
        )
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": binary, **options}, required=["file"])
        files = dict.fromkeys(("text/csv", "chemical/x-mdl-sdfile", "chemical/x-daylight-smiles"), binary)
        bodies = {"application/json": listed, "multipart/form-data": form, **files}
        self.request_body = RequestBody(
            {media_type: OpenAPIMediaType(schema=schema) for media_type, schema in bodies.items()},
            description="Molecules as JSON; or a file, alone (its options in the address) or in a form.",
            required=True,
        )


def _file(media_type: str) -> Schema:
    """Describe a file: generated clients fail on a text that is said to be binary."""
    return Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY if media_type == PARQUET else None)


@dataclass
class _Result(Operation):
    """The description of an answer that is a file in one of several formats."""

    def __post_init__(self) -> None:
        found = (self.responses or {}).get("200")
        if isinstance(found, OpenAPIResponse):
            found.content = {media_type: OpenAPIMediaType(schema=_file(media_type)) for media_type in FORMATS.values()}


@dataclass
class _Events(Operation):
    """The description of an answer that is a stream of events."""

    def __post_init__(self) -> None:
        found = (self.responses or {}).get("200")
        if isinstance(found, OpenAPIResponse):
            found.content = {"text/event-stream": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}


@post(
    "/v1/jobs",
    status_code=202,
    tags=["jobs"],
    opt=_OPT,
    summary="Submit a job",
    operation_class=_Submission,
    request_max_body_size=None,
    responses={400: _FAULT, 409: _FAULT, 413: _FAULT, 422: _FAULT, 503: _FAULT, 507: _FAULT, **REFUSALS},
)
async def submit_job(
    request: HttpRequest,
    jobs: NamedDependency[Jobs],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key", description="The same request with the same key again is the same job."
        ),
    ] = None,
) -> Response[JobInfo]:
    """Submit molecules as JSON, or as a CSV, TSV, SMILES or SDF file (also packed by gzip), or a workbook (XLSX)."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise ProblemError("invalid-request", "Idempotency-Key: expected 1 to 255 visible ASCII characters")
    job = await jobs.submit(request, idempotency_key, holder_of(request.scope))
    return Response(jobs.info(job), status_code=202, headers={"Location": f"/v1/jobs/{job.id}"})


@get("/v1/jobs", tags=["jobs"], opt=_SEEN, summary="List jobs", responses={400: _FAULT, 422: _FAULT, **REFUSALS})
async def list_jobs(
    request: HttpRequest,
    jobs: NamedDependency[Jobs],
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")] = 20,
    before: Annotated[str | None, QueryParameter(description="The last job of the page before.")] = None,
) -> JobList:
    """List jobs, newest first."""
    found = await asyncio.to_thread(jobs.table.newest, seen_by(request), before, limit + 1)
    more = len(found) > limit
    following = f"/v1/jobs?limit={limit}&before={found[limit - 1].id}" if more else None
    return JobList([jobs.info(job) for job in found[:limit]], following)


@get(
    "/v1/jobs/{job_id:str}",
    tags=["jobs"],
    opt=_SEEN,
    summary="Show a job",
    responses={400: _FAULT, 404: _FAULT, 410: _FAULT, 422: _FAULT, **REFUSALS},
)
async def show_job(request: HttpRequest, job_id: JobId, jobs: NamedDependency[Jobs]) -> JobInfo:
    """Show how far a job is."""
    return jobs.info(await jobs.find(job_id, seen_by(request)))


@delete(
    "/v1/jobs/{job_id:str}",
    status_code=204,
    tags=["jobs"],
    opt=_SEEN,
    summary="Cancel or remove a job",
    responses={400: _FAULT, 404: _FAULT, 410: _FAULT, 422: _FAULT, **REFUSALS},
)
async def cancel_job(request: HttpRequest, job_id: JobId, jobs: NamedDependency[Jobs]) -> None:
    """Cancel a job that is not finished, or remove one that is; what was predicted is deleted."""
    await jobs.cancel(await jobs.find(job_id, seen_by(request)))


@get(
    "/v1/jobs/{job_id:str}/events",
    tags=["jobs"],
    opt=_SEEN,
    summary="Follow a job",
    operation_class=_Events,
    media_type="text/event-stream",
    responses={400: _FAULT, 404: _FAULT, 410: _FAULT, 422: _FAULT, **REFUSALS},
)
async def follow_job(
    request: HttpRequest,
    job_id: JobId,
    jobs: NamedDependency[Jobs],
    last_event_id: Annotated[
        str | None, HeaderParameter(name="Last-Event-ID", description="Where an earlier connection ended.")
    ] = None,
) -> Response[Any]:
    """Follow a job as server-sent events: `progress` with the rows done as id, `done` at the end."""
    await jobs.find(job_id, seen_by(request))
    if last_event_id == LAST_ID:
        return Response(None, status_code=204)  # what makes a browser stop coming back
    return ServerSentEvent(events(partial(jobs.table.get, job_id), last_event_id, jobs.stopping))


@get(
    "/v1/jobs/{job_id:str}/result",
    tags=["jobs"],
    opt=_SEEN,
    summary="Download a result",
    operation_class=_Result,
    responses={400: _FAULT, 404: _FAULT, 406: _FAULT, 409: _FAULT, 410: _FAULT, 422: _FAULT, **REFUSALS},
)
async def download_result(
    request: HttpRequest,
    job_id: JobId,
    jobs: NamedDependency[Jobs],
    wanted: Annotated[str | None, QueryParameter(name="format", description="csv, ndjson, parquet or sdf.")] = None,
    start: Annotated[int | None, QueryParameter(ge=0, description="First row wanted, from 0.")] = None,
    rows: Annotated[int | None, QueryParameter(ge=1, le=MAX_PAGE_ROWS, description="How many rows at most.")] = None,
    *,
    bom: Annotated[bool, QueryParameter(description="Begin a CSV with a byte order mark, for Excel.")] = False,
) -> Stream:
    """Download a result as CSV, NDJSON, Parquet or SDF: every row that came, in its place.

    With `start` or `rows` also of a job that is still running, as far as it is done.
    """
    require_once(request)
    job = await jobs.find(job_id, seen_by(request))
    form = _format(wanted, request.headers.get("accept", "*/*"))
    media_type, pieces = jobs.result(job, form, start, rows)
    stem = re.sub(r"\.(gz|[a-z]{2,6})$", "", re.sub(r"\.gz$", "", job.plan.name or "job"))
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:80].strip("._") or "job"
    disposition = f'attachment; filename="{safe}.predictions.{form}"'
    first = await asyncio.to_thread(next, pieces, b"")
    if bom and form == "csv":
        first = BOM.encode() + first
    return Stream(_streamed(first, pieces), media_type=media_type, headers={"Content-Disposition": disposition})


@get(
    "/v1/jobs/{job_id:str}/suggestion",
    tags=["jobs"],
    opt=_SEEN,
    summary="Suggest what to measure next",
    responses={400: _FAULT, 404: _FAULT, 409: _FAULT, 410: _FAULT, 422: _FAULT, 503: _FAULT, **REFUSALS},
)
async def suggest_batch(
    request: HttpRequest,
    job_id: JobId,
    jobs: NamedDependency[Jobs],
    engine: NamedDependency[Engine],
    batch: Annotated[int, QueryParameter(ge=1, le=MAX_BATCH, description="How many molecules.")] = 24,
    endpoints: Annotated[
        str | None, QueryParameter(description="The endpoints that count, separated by commas; all when left out.")
    ] = None,
    exploration: Annotated[
        float, QueryParameter(ge=0, le=10, description="How much uncertainty counts; 0 takes the best as it is.")
    ] = EXPLORATION,
) -> Suggestion:
    """Choose, among a finished job's molecules, a batch that promises much and would teach much.

    What is wanted of an endpoint is in its YAML: a range (`desirable`) or a direction. Equal jobs have equal batches.
    """
    require_once(request)
    job = await jobs.find(job_id, seen_by(request))
    names = [name.strip() for name in endpoints.split(",")] if endpoints else list(job.champions)
    if missing := [name for name in names if job.over and name not in job.champions]:
        known = ", ".join(job.champions)
        raise ProblemError(
            "invalid-request", f"endpoints: expected some of the job's, {known}, got {missing[0][:60]!r}"
        )
    jobs.result(job, "ndjson", None, None)  # refuses what is not done
    champions = chosen(engine.champion_registry, names, engine.training_progress.progress)
    read = lambda: jobs.result(job, "ndjson", None, None)[1]  # noqa: E731
    return await engine.work(suggest, read, champions, batch, exploration)


async def _streamed(first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces one by one, each made on a thread when the one before was sent."""
    piece: bytes | None = first
    while piece is not None:
        yield piece
        piece = await asyncio.to_thread(next, pieces, None)


def _format(wanted: str | None, accept: str) -> str:
    """Return the format of a result: the one named, else the first of ours that the caller accepts.

    Examples
    --------
    >>> _format(None, "text/html, application/x-ndjson;q=0.9"), _format(None, "*/*")
    ('ndjson', 'csv')
    """
    if wanted is not None:
        if wanted not in FORMATS:
            raise ProblemError("invalid-request", f"format: expected one of {', '.join(FORMATS)}, got {wanted[:40]!r}")
        return wanted
    ranges = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for accepted in ranges:
        for form, media_type in FORMATS.items():
            if accepted == media_type:
                return form
    if any(accepted in ("*/*", "text/*", "") for accepted in ranges):
        return "csv"
    raise ProblemError("not-acceptable", f"Accept: expected one of {', '.join(FORMATS.values())}")


JOB_HANDLERS: list[ControllerRouterHandler] = [
    submit_job, list_jobs, show_job, cancel_job, follow_job, download_result, suggest_batch,
]  # fmt: skip
