"""Parameters of addresses that several handlers take."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request
from litestar.params import PathParameter

EndpointName = Annotated[str, PathParameter(description="Name of an endpoint.")]

HttpRequest = Request[Any, Any, Any]
"""A request. Who calls and the application's state are not typed by Litestar; `auth/guard.py` and `Engine` are."""
