"""Traces for OpenTelemetry, when a setting asks for them.

Where traces go is said by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`).

Needs the extra `telemetry`; without the setting nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.plugins import InitPluginProtocol

from model_zoo.errors import ConfigError
from model_zoo.type_aliases import Json

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

_ADDRESSES = ("http.url", "http.target", "url.full", "url.query")


def telemetry_plugins(*, on: bool, provider: TracerProvider | None = None) -> list[InitPluginProtocol]:
    """Return the plugin that traces requests, or none.

    Raises
    ------
    ConfigError
        When traces are asked for and OpenTelemetry is not installed.
    """
    if not on:
        return []
    try:
        from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            f"AIDRUG_TELEMETRY=on needs OpenTelemetry ({error.name} is missing): install the extra `telemetry`"
        ) from error
    if provider is None:
        made = SdkProvider()
        made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        provider = made
    config = OpenTelemetryConfig(
        tracer_provider=provider,
        server_request_hook_handler=_without_query,
        exclude=["/health", "/metrics", "/static"],
        exclude_spans=["receive", "send"],
    )
    return [OpenTelemetryPlugin(config)]


def _without_query(span: Span, scope: dict[str, Json]) -> None:
    """Take the query out of a span: the page's pictures are asked for by structure."""
    for name in _ADDRESSES:
        span.set_attribute(name, "" if name == "url.query" else scope["path"])
