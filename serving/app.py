"""The Litestar application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.exceptions import HTTPException, InternalServerException
from litestar.static_files import create_static_files_router

from model_zoo.bundles.store import Store
from serving.agents.mount import Tools
from serving.api.calibrations import CALIBRATION_HANDLERS
from serving.api.feedback import FEEDBACK_HANDLERS
from serving.api.handlers import HANDLERS
from serving.api.health import HEALTH_HANDLERS
from serving.api.inference_protocol import INFERENCE_PROTOCOL
from serving.api.leaderboards import LEADERBOARD_HANDLERS
from serving.api.metrics import METRICS_HANDLERS
from serving.api.promotion import PROMOTION_HANDLERS
from serving.api.table import TABLE_HANDLERS
from serving.auth.audit import Audit
from serving.auth.guard import Guard, guard
from serving.http.headers import stamp
from serving.http.json_body import StrictRequest
from serving.http.openapi import openapi_config
from serving.http.patience import Patience
from serving.http.problems import ProblemError, no_such_file, on_http, on_problem, on_unexpected
from serving.http.rate_limit import RateLimit
from serving.http.reading import Reading
from serving.inference.engine import Engine
from serving.jobs.api import JOB_HANDLERS
from serving.jobs.service import Jobs
from serving.page.handlers import PAGE_HANDLERS, STATIC
from serving.page.key_page import KEY_HANDLERS
from serving.settings import Settings
from serving.telemetry.access_log import AccessLog
from serving.telemetry.tracing import telemetry_plugins


def create_app(settings: Settings | None = None, store: Store | None = None) -> Litestar:
    """Build the service.

    Raises
    ------
    ConfigError
        When a setting makes no sense.
    """
    settings = settings or Settings.from_environment()
    engine = Engine(settings, store)
    jobs = Jobs(engine, settings.jobs)
    tools = Tools()
    rate_limit = RateLimit(settings.rate_per_minute, settings.rates_file) if settings.rate_per_minute else None

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with engine.running(), jobs.running(), tools.running():
            yield

    async def provide_engine() -> Engine:
        return engine

    async def provide_jobs() -> Jobs:
        return jobs

    app = Litestar(
        route_handlers=[
            *HANDLERS,
            *HEALTH_HANDLERS,
            *JOB_HANDLERS,
            *LEADERBOARD_HANDLERS,
            *PAGE_HANDLERS,
            *FEEDBACK_HANDLERS,
            *CALIBRATION_HANDLERS,
            *KEY_HANDLERS,
            *PROMOTION_HANDLERS,
            *METRICS_HANDLERS,
            *TABLE_HANDLERS,
            *tools.handlers,
            INFERENCE_PROTOCOL,
            create_static_files_router(
                "/static",
                [STATIC],
                include_in_schema=False,
                opt={"scope": "open"},
                cache_control=CacheControlHeader(max_age=86_400, public=True),
                exception_handlers=dict.fromkeys((OSError, ValueError, InternalServerException), no_such_file),
            ),
        ],
        request_class=StrictRequest,
        dependencies={"engine": Provide(provide_engine), "jobs": Provide(provide_jobs)},
        state=State(
            {"engine": engine, "jobs": jobs, "guard": Guard(settings, rate_limit), "audit": Audit(settings.audit_file)}
        ),
        guards=[guard],
        lifespan=[lifespan],
        plugins=telemetry_plugins(on=settings.telemetry),
        exception_handlers={ProblemError: on_problem, HTTPException: on_http, Exception: on_unexpected},
        before_send=[stamp],
        compression_config=CompressionConfig(  # predictions would be packed on the event loop, megabytes at a time
            backend="gzip", gzip_compress_level=5, exclude=["^/v1/(predict|feedback)", "/events$", "^/v2", "^/health"]
        ),
        openapi_config=openapi_config(),
        request_max_body_size=engine.settings.max_body_bytes,
        logging_config=None,  # Litestar's own would log exceptions whole, and their messages may hold structures
    )
    app.state.patience = Patience(Reading(app.asgi_handler), settings.idle_seconds)
    app.asgi_handler = AccessLog(app.state.patience)  # around everything: routing and its faults too
    tools.app = app
    return app
