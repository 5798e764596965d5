"""Who may change a champion.

Belongs here: the one guard in front of handlers that change anything.
Does not belong here: accounts and roles; a reverse proxy has those.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from serving.problems import ProblemError
from serving.settings import Settings, is_loopback


def administrator(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let a caller through who shows the token, or, when none is set, who is on this machine.

    Raises
    ------
    ProblemError
        `forbidden`, with what would be needed.
    """
    settings: Settings = connection.app.state.engine.settings
    if settings.admin_token is not None:
        scheme, _blank, shown = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), settings.admin_token.encode()):
            return
        raise ProblemError("forbidden", "expected the header Authorization: Bearer with the service's admin token")
    if not settings.on_loopback:
        raise ProblemError(
            "forbidden",
            f"the service listens on {settings.host}, beyond this machine: set AIDRUG_ADMIN_TOKEN and send it",
        )
    # A page from elsewhere, open in a browser on this machine, can send requests here under its own or a
    # rebound name; a command-line client sends no Origin and names this machine.
    host = connection.headers.get("host", "")
    origin = connection.headers.get("origin")
    if not is_loopback(urlsplit(f"//{host}").hostname or "") or (origin and urlsplit(origin).netloc != host):
        raise ProblemError("forbidden", "expected a request from this machine itself, not from another site's page")
