"""What a run is making: which models of which endpoints are done, running and next, and how long that takes.

It is news, not a record: nothing is decided by it, and one that is missing, damaged or old is no news.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

FRESH = timedelta(seconds=60)
"""A run repeats its news every ten seconds; one that was not heard of for longer than this has been killed."""

State = Literal["waiting", "making", "made", "failed"]


class _News(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer pipeline may say more than this service reads


class ModelProgress(_News):
    """One model of an endpoint, by the name of its YAML."""

    name: str
    state: State


class EndpointProgress(_News):
    """One endpoint: `made` means that all its models are, and were judged.

    `failed` means that nothing more will be made of it in this run, and that it has no champion.
    """

    name: str
    title: str
    state: State
    models: tuple[ModelProgress, ...] = ()


class Progress(_News):
    """What a run has made so far, and what is left."""

    began: str
    at: str
    """`began` and `at`: when the run began and when this was written, ISO 8601 in UTC."""
    done: int
    total: int
    """`done` and `total`: how many assets of all endpoints are made, of how many that the run set out to make."""
    remaining_s: float | None = None
    """An estimate of the time that is left; none while there is nothing to go by."""
    learnt: bool = False
    """Whether the estimate comes from how long the same assets took before; else it is a first guess."""
    endpoints: tuple[EndpointProgress, ...] = ()
    """Those that the run makes anything of, in the order in which it turns to them."""


def as_bytes(progress: Progress) -> bytes:
    """Return the file's content."""
    return f"{progress.model_dump_json(indent=1)}\n".encode()


def parse_progress(content: bytes | None, now: datetime | None = None) -> Progress | None:
    """Read the file's content; none when no run is at work, whatever the reason.

    Examples
    --------
    >>> news = Progress(began="2026-01-31T12:00:00+00:00", at="2026-01-31T12:01:00+00:00", done=3, total=71)
    >>> parse_progress(as_bytes(news), datetime.fromisoformat("2026-01-31T12:01:05+00:00")).done
    3
    >>> parse_progress(as_bytes(news), datetime.fromisoformat("2026-01-31T13:00:00+00:00")) is None
    True
    """
    if not content:
        return None
    try:
        progress = Progress.model_validate_json(content)
        age = (now or datetime.now(UTC)) - datetime.fromisoformat(progress.at)
    except (ValidationError, ValueError, TypeError):
        return None
    return progress if age < FRESH else None
