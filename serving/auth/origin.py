"""Requests that a page of another site makes a browser send to us.

Belongs here: recognising them by the headers that a browser sets and no page can change, and by the name that it
believes us to have.
Does not belong here: who asks (see `guard.py`).

A page elsewhere cannot read our answers, but could send: forms, files, whatever passes without our consent. A name of
its own that it points at this machine (DNS rebinding) would even let it read. Rules and reasons:
https://words.filippo.io/csrf.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler
from litestar.params import BodyKwarg

from serving.http import binary_tensors
from serving.http.problems import ProblemError
from serving.settings import is_loopback

Connection = ASGIConnection[Any, Any, Any, Any]
_READING = ("GET", "HEAD", "OPTIONS")


def name_in(host: str) -> str:
    """Return the name or address in a `Host` header, in lower case; an empty text where there is none to be read.

    Examples
    --------
    >>> name_in("Localhost:8000"), name_in("[::1]:8000"), name_in("[::1")
    ('localhost', '::1', '')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def require_own_name(connection: Connection, names: Collection[str], *, on_loopback: bool) -> None:
    """Refuse a request under a name that is not ours.

    Parameters
    ----------
    names
        Those that are, beside this machine's own.
    on_loopback
        Whether other machines are kept out; where they are not, any name will do as long as none is given.
    """
    host = connection.headers.get("host")
    if host is None or not (names or on_loopback):  # every browser sends one
        return
    name = name_in(host)
    if not (is_loopback(name) or name.endswith(".localhost") or name in names):
        raise ProblemError(
            "forbidden",
            "expected a request by this service's own name or address; the setting AIDRUG_ALLOWED_HOSTS adds names",
        )


def require_own_page(connection: Connection) -> None:
    """Refuse what another site's page makes a browser send; programs, which send neither header, are admitted."""
    if connection.scope.get("method") in _READING:
        return
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    own = site in ("same-origin", "none") if site else not origin or _place(origin) == connection.headers.get("host")
    if not own:
        raise ProblemError("forbidden", "expected a request from this service's own page, not from another site's")


def require_json(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a body under another type where JSON is read: a form of any page can send `text/plain`."""
    data = handler.parsed_data_field
    kwarg = data.kwarg_definition if data is not None else None
    if not isinstance(kwarg, BodyKwarg) or kwarg.media_type != RequestEncodingType.JSON:
        return
    sent = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent == "application/octet-stream" and binary_tensors.HEADER in connection.headers:
        return  # no form of another page sends that header
    if sent and sent != "application/json" and not (sent.startswith("application/") and sent.endswith("+json")):
        raise ProblemError("unsupported-media-type", f"Content-Type: expected application/json, got {sent[:80]}")


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
