"""One line and a few counts for every request, around the whole application.

Belongs here: what is measured of a request from outside. Of what it carries only counts are known here: no body,
no address with its query, no structure.
Does not belong here: the metrics (see `metrics.py`), the log's form (see `logs.py`).
"""

from __future__ import annotations

import logging
from time import perf_counter

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from serving.auth.guard import caller_of
from serving.http.headers import request_id
from serving.metrics import REQUEST_SECONDS, REQUESTS, SERIALISE

_WORKED = "aidrug_worked"
QUIET = ("/health", "/metrics", "/static")
"""Asked all the time by machines: counted, and logged only at level DEBUG."""
logger = logging.getLogger("serving.requests")


def note_worked(scope: Scope, molecules: int) -> None:
    """Remember that the answer is known and only has to be written, and for how many molecules."""
    scope["state"][_WORKED] = (perf_counter(), molecules)


class AccessLog:
    """Wraps an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if worked := scope["state"].get(_WORKED):
                    SERIALISE.observe(perf_counter() - worked[0])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            _tell(scope, status, perf_counter() - begun)


def _tell(scope: HTTPScope, status: int, seconds: float) -> None:
    """Count and log one request. Status 0: the caller left before the answer began."""
    route = str(scope.get("path_template") or "") or ("/" if scope["path"] == "/" else "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route).observe(seconds)
    level = logging.DEBUG if route.startswith(QUIET) else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields: dict[str, object] = {
        "request_id": request_id(scope),
        "method": method,
        "route": route,
        "status": status,
        "duration_ms": round(1000 * seconds, 2),
    }
    if caller := caller_of(scope):
        fields["caller"] = caller.name
    if worked := scope["state"].get(_WORKED):
        fields["molecules"] = worked[1]
    words = " ".join(f"{name}={fields[name]}" for name in ("request_id", "caller", "molecules") if name in fields)
    logger.log(level, "%s %s %d in %.1f ms %s", method, route, status, 1000 * seconds, words, extra=fields)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
