"""Running the service: logging, signals, the server."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from model_zoo.errors import ConfigError
from serving.app import create_app
from serving.auth.guard import require_protection
from serving.metrics import LOG_DROPS
from serving.runtime.workers import SIGNALS, supervise
from serving.settings import Settings
from serving.telemetry.logs import logging_to_stderr

WAITING_CONNECTIONS = 4096
"""Of which the system keeps those that have not been accepted yet."""
OTHER_FILES = 200
SWITCH_SECONDS = 0.0005
"""How long a thread that runs Python keeps the event loop waiting: a tenth of what it is by default."""
logger = logging.getLogger("serving")


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests finish.

    Both must be blocked in every thread (see `__main__.py`), so that waiting for them is the one way they arrive.
    A worker also ends when the process that started it is gone.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(settings)
    server = Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # while it may still become either version, a silent connection has no time limit
        http1_settings=HTTP1Settings(header_read_timeout=round(1000 * settings.idle_seconds)),
        backlog=WAITING_CONNECTIONS,
        backpressure=open_files_for(settings.max_connections),
        websockets=False,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.state.jobs.stopping.set()  # the server waits for its requests: those that follow a job would not end
        app.state.patience.stop()
        server.stop()  # type: ignore[no-untyped-call]
        loop.call_later(settings.drain_seconds, give_up)

    def give_up() -> None:
        logger.warning("requests were still running after %g s: they are not waited for", settings.drain_seconds)
        if (written := app.state.engine.prediction_logger) is not None:
            written.stop()
        os._exit(0)

    def wait_for_signal() -> None:
        signal.sigwait(SIGNALS)
        loop.call_soon_threadsafe(stop)
        signal.sigwait(SIGNALS)
        os._exit(1)  # a second signal: do not wait for the running requests

    def wait_for_the_end(lifeline: int) -> None:
        os.read(lifeline, 1)
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    if settings.worker is not None:
        threading.Thread(
            target=wait_for_the_end, args=(settings.worker.lifeline,), name="lifeline", daemon=True
        ).start()
    logger.info("the service listens on http://%s:%d", settings.host, settings.port)
    await server.serve()
    logger.info("the service has stopped")


def open_files_for(connections: int) -> int:
    """Let the process have as many files open as connections need, and return how many connections that makes.

    A server that is out of files accepts nothing, and neither reads its store nor writes its record.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    possible = connections if soft == resource.RLIM_INFINITY else min(connections, max(1, soft - OTHER_FILES))
    if possible < connections:
        logger.warning("the system allows %d open files: at most %d connections, not %d", soft, possible, connections)
    return possible


def require_free(host: str, port: int) -> None:
    """Refuse an address that somebody else listens on.

    Granian sets SO_REUSEPORT: a second service on the same port would start, and take half of the requests.

    Raises
    ------
    OSError
        When the address is taken or is not this machine's.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def run() -> int:
    """Run the service with the environment's settings, in one process or in several.

    Returns
    -------
    int
        0 after a signal, 1 when the address is not available, 2 for a setting that makes no sense.
    """
    try:
        settings = Settings.from_environment()
    except ConfigError as error:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logger.error("%s", error)  # noqa: TRY400  a message for the user, not a trace
        return 2
    with logging_to_stderr(settings.log_format, settings.log_level, LOG_DROPS.inc):
        return _run(settings)


def _run(settings: Settings) -> int:
    try:
        if settings.worker is None:
            require_protection(settings)
            require_free(settings.host, settings.port)
            if settings.workers > 1:
                return supervise(settings)
        asyncio.run(serve(settings))
    except OSError as error:
        logger.error(  # noqa: TRY400  a message for the user, not a trace
            "the service cannot listen on %s:%d (AIDRUG_SERVICE_HOST, AIDRUG_SERVICE_PORT): %s",
            settings.host,
            settings.port,
            error.strerror,
        )
        return 1
    except ConfigError as error:
        logger.error("%s", error)  # noqa: TRY400  the same
        return 2
    return 0
