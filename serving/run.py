"""Running the service: logging, signals, the server.

Belongs here: what happens between `python -m serving` and the application.
Does not belong here: the application (see `app.py`).

One process, because the table of champions and the remembered results live in it: several processes
would each show a new champion at a moment of their own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading

from granian.constants import Interfaces
from granian.server.embed import Server

from model_zoo.errors import ConfigError
from serving.access import require_protection
from serving.app import create_app
from serving.settings import Settings

SIGNALS = {signal.SIGINT, signal.SIGTERM}
logger = logging.getLogger("serving")


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests finish.

    Both must be blocked in every thread (see `__main__.py`), so that waiting for them is the one way they arrive.
    """
    server = Server(
        create_app(settings),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()

    def wait_for_signal() -> None:
        signal.sigwait(SIGNALS)
        loop.call_soon_threadsafe(server.stop)
        signal.sigwait(SIGNALS)
        os._exit(1)  # told twice: whoever waits does not want the running requests finished

    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    logger.info("the service listens on http://%s:%d", settings.host, settings.port)
    await server.serve()
    logger.info("the service has stopped")


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
    """Run the service with the environment's settings.

    Returns
    -------
    int
        0 after a signal, 1 when the address cannot be had, 2 for a setting that makes no sense.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings.from_environment()
        require_protection(settings)
        require_free(settings.host, settings.port)
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
    try:
        asyncio.run(serve(settings))
    except ConfigError as error:
        logger.error("%s", error)  # noqa: TRY400  a message for the user, not a trace
        return 2
    return 0
