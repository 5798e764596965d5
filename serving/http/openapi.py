"""The API's documentation page, without the network.

Litestar's own plugin puts a script into the page, which the content security policy refuses, and
loads an icon from a CDN.
"""

from __future__ import annotations

from typing import Any

from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme

from model_zoo.type_aliases import Json
from serving.http.parameters import HttpRequest

VENDOR = "/static/vendor/swagger-ui-5.35.0"
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API of the inference service</title>
<link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{VENDOR}/swagger-ui.css">
<script src="{VENDOR}/swagger-ui-bundle.js" defer></script>
<script src="/static/docs.js" defer></script>
</head>
<body>
<div id="docs"></div>
<noscript>The description itself: <a href="/schema/openapi.json">openapi.json</a></noscript>
</body>
</html>
"""


class OfflineSwagger(OpenAPIRenderPlugin):
    """Swagger UI from our own files."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: HttpRequest, openapi_schema: dict[str, Json]) -> bytes:
        """Return the page; it fetches the description by itself."""
        return _PAGE.encode()


class MarkedJson(JsonRenderPlugin):
    """The description as JSON, with the mark of OpenAPI on every field whose text begins with "Deprecated"."""

    def render(self, request: HttpRequest, openapi_schema: dict[str, Json]) -> bytes:
        """Return the JSON."""
        description: Any = openapi_schema
        for schema in description["components"]["schemas"].values():
            for field in schema.get("properties", {}).values():
                if field.get("description", "").startswith("Deprecated"):
                    field["deprecated"] = True
        return super().render(request, openapi_schema)


def openapi_config() -> OpenAPIConfig:
    """Describe the API and where its description is served: `/schema` and `/schema/openapi.json`."""
    return OpenAPIConfig(
        title="Inference service",
        version="1",
        description="Predictions of molecular properties by the current champion models. Every prediction names the "
        "version that made it. One bad molecule is an error entry at its own index; a fault of the whole request is "
        "problem details (RFC 9457) with a stable `code`.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"key": []}, {}],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, opt={"scope": "open"}),
        render_plugins=[OfflineSwagger(), MarkedJson()],
    )
