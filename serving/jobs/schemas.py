"""The bodies of the interface of jobs, as typed structures.

Fields may be added; none may be renamed or removed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from serving.http.schemas import EndpointNames, SmilesList

Time = Annotated[str, Meta(description="ISO 8601, UTC.")]


class JobRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Molecules to predict as a job; a list that is larger than a request may be comes as a file."""

    smiles: SmilesList
    ids: Annotated[
        list[str] | None,
        Meta(description="Your own name of each molecule; comes back as the column `id`.", examples=[None]),
    ] = None
    endpoints: EndpointNames = None
    include: Annotated[
        list[str],
        Meta(description="What to add: `neighbours`, `explanation`, `alerts`, as in a prediction.", examples=[[]]),
    ] = []


class JobError(Struct, frozen=True):
    """Why a job failed."""

    code: Annotated[str, Meta(description="Stable, for programs.")]
    detail: str


class JobLinks(Struct, frozen=True):
    """Where to continue."""

    self: str
    events: str
    result: str


class JobInfo(Struct, frozen=True):
    """A job: what it is, how far it is, what answers it."""

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    done: Annotated[int, Meta(description="Rows predicted so far, failed ones among them.")]
    total: Annotated[int, Meta(description="Rows in all.")]
    failed: Annotated[int, Meta(description="Rows that have an error instead of predictions.")]
    created: Time
    started: Time | None
    finished: Time | None
    expires: Annotated[str | None, Meta(description="When the result is deleted; null while the job is not finished.")]
    champions: Annotated[
        dict[str, str],
        Meta(description="The version that answers each endpoint, for every row; empty until the job starts."),
    ]
    include: Annotated[list[str], Meta(description="What was asked for beside the numbers.")]
    name: Annotated[str | None, Meta(description="Name of the uploaded file.")]
    format: Annotated[str, Meta(description="What was sent: json, csv, tsv, smi, sdf or xlsx.")]
    encoding: Annotated[str | None, Meta(description="How the file's text was read.")]
    columns: Annotated[list[str], Meta(description="The columns that came; they come back unchanged, in this order.")]
    smiles_column: Annotated[str | None, Meta(description="The column taken for the structures; null for SDF.")]
    error: JobError | None
    links: JobLinks


class JobList(Struct, frozen=True):
    """Jobs, newest first."""

    jobs: list[JobInfo]
    next: Annotated[str | None, Meta(description="Address of the next page, or null.")]


class JobProgress(Struct, frozen=True):
    """What an event of a running job says."""

    status: str
    done: int
    total: int
    failed: int
