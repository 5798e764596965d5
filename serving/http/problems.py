"""Faults of a whole request, as problem details (RFC 9457), in one place.

Belongs here: the codes, and how each exception becomes one answer.
Does not belong here: single bad molecules (entries in a 200 answer, see `api/handlers.py`).
"""

from __future__ import annotations

import logging
import traceback

from litestar import Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.response import Redirect
from msgspec import UNSET

from model_zoo.errors import AidrugError
from serving.http.headers import request_id
from serving.http.parameters import HttpRequest
from serving.http.schemas import Problem

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)

TITLES = {
    "malformed-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "Not allowed"),
    "not-found": (404, "There is nothing at this address"),
    "unknown-endpoint": (404, "There is no such endpoint"),
    "unknown-version": (404, "There is no such version"),
    "unknown-job": (404, "There is no such job"),
    "no-review": (404, "There is no review yet"),
    "method-not-allowed": (405, "This address does not take that method"),
    "not-acceptable": (406, "The result is not available in that format"),
    "record-off": (409, "The service keeps no record"),
    "nothing-to-promote": (409, "There is no challenger"),
    "nothing-to-roll-back": (409, "There is no earlier champion"),
    "job-not-done": (409, "The job is not done"),
    "idempotency-in-use": (409, "The first request with this key is still being read"),
    "client-left": (499, "The client left"),
    "job-gone": (410, "The job is no longer there"),
    "withdrawn": (404, "The endpoint was withdrawn"),
    "request-timeout": (408, "The request did not arrive whole"),
    "body-too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The content type is not supported here"),
    "invalid-request": (422, "The request is not valid"),
    "unknown-endpoints": (422, "The request names an unknown endpoint"),
    "unreadable-upload": (422, "The file cannot be read"),
    "unclear-column": (422, "The column of structures is not clear"),
    "idempotency-mismatch": (422, "The key belongs to another request"),
    "too-many-requests": (429, "Too many requests"),
    "too-many-jobs": (429, "Too many jobs are waiting"),
    "internal": (500, "The service failed"),
    "store-unavailable": (503, "The bundle store cannot be used"),
    "keys-unavailable": (503, "The file of keys cannot be read"),
    "record-unavailable": (503, "The live record cannot be used"),
    "no-champion": (503, "No champion is loaded yet"),
    "busy": (503, "The service is busy"),
    "overdue": (503, "The request waited too long"),
    "disk-full": (507, "There is no space left"),
    "disk-unwritable": (507, "The disk cannot be written"),
}
"""Status and title of every code. Codes are stable."""

_BY_STATUS = {status: code for code, (status, _) in reversed(TITLES.items())}
"""The first code of each status: the most general one."""


def problem_response() -> ResponseSpec:
    """Describe a fault for OpenAPI."""
    return ResponseSpec(
        Problem, description="Problem details (RFC 9457)", media_type=MEDIA_TYPE, generate_examples=False
    )


REFUSALS = {status: problem_response() for status in (401, 403, 408, 415, 429, 503)}
"""What every handler behind the guard may answer, for its `responses`."""


class ProblemError(Exception):
    """A fault of a whole request: a code of `TITLES`, what was expected and what came."""

    def __init__(self, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.headers = code, detail, headers


def problem(
    request: HttpRequest,
    code: str,
    detail: str,
    headers: dict[str, str] | None = None,
    status: int | None = None,
) -> Response[Problem]:
    """Make the answer for one fault."""
    usual, title = TITLES[code]
    status = status or usual
    error = detail if request.scope["path"].startswith("/v2") else UNSET
    body = Problem(f"urn:ai-drug-assets:problem:{code}", title, status, detail, code, request_id(request.scope), error)
    if status in (429, 503):
        headers = {"Retry-After": "5"} | (headers or {})
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def on_problem(request: HttpRequest, error: ProblemError) -> Response[Problem] | Redirect:
    """Answer a fault that a handler found; a browser that has no key is sent to the page that asks for one."""
    if error.code == "unauthorized" and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        shared = request.scope["path"].startswith("/shared/")
        return Redirect("/key" + (f"?next={request.scope['path']}" if shared else ""), status_code=303)
    return problem(request, error.code, error.detail, error.headers)


def on_http(request: HttpRequest, error: HTTPException) -> Response[Problem]:
    """Answer a fault that Litestar found: routing, reading and validating."""
    if isinstance(error, ValidationException):
        return problem(request, "invalid-request", _validation_detail(error))
    status = error.status_code
    code = _BY_STATUS.get(status, "internal" if status >= 500 else "malformed-request")
    detail = error.detail if status < 500 else "the service could not answer; its log says why"
    if status == 404:
        detail = f"nothing is served at {request.url.path}"
    elif status == 405:
        detail = f"{request.url.path} does not take {request.method}"
    elif status == 413:
        detail = f"expected a body of at most {request.app.request_max_body_size} bytes"
    return problem(request, code, detail, dict(error.headers or {}), status)


def no_such_file(request: HttpRequest, error: Exception) -> Response[Problem]:
    """Answer an address that no file can have: with a null, too long, a file taken for a folder."""
    if isinstance(error, InternalServerException) and not isinstance(error.__cause__, OSError):
        return on_http(request, error)
    return problem(request, "not-found", "no file is served at this address")


def on_unexpected(request: HttpRequest, error: Exception) -> Response[Problem]:
    """Answer a bug: nothing of it goes to the caller, and nothing of the caller's goes into the log.

    The message of an exception may hold a structure, so only its type and place are logged.
    """
    kind = "known fault" if isinstance(error, AidrugError) else "unexpected fault"
    place = "".join(traceback.format_tb(error.__traceback__)[-6:])
    logger.error("%s %s in request %s\n%s", kind, type(error).__name__, request_id(request.scope), place)
    return problem(request, "internal", "the service could not answer; its log says why under this request_id")


def _validation_detail(error: ValidationException) -> str:
    faults = [fault for fault in error.extra if isinstance(fault, dict)] if isinstance(error.extra, list) else []
    texts = []
    for fault in faults:
        where, what = str(fault.get("key") or "body"), str(fault.get("message"))
        if what == "'data'":  # Litestar's words for a body that is not there
            what = "expected a JSON object, got an empty body"
        texts.append(f"{'body' if where == 'data' else where}: {what}")
    return "; ".join(texts) or error.detail
