"""Parameters of addresses that several handlers take."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter

EndpointName = Annotated[str, PathParameter(description="Name of an endpoint.")]
