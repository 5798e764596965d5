"""Runs the service: `python -m serving`.

Belongs here: logging, signals, the server.
Does not belong here: the application (see `app.py`).

One process, because the table of champions and the remembered results live in it: several processes
would each show a new champion at a moment of their own.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from granian.constants import Interfaces
from granian.server.embed import Server

from model_zoo.errors import ConfigError
from serving.app import create_app
from serving.settings import Settings

logger = logging.getLogger("serving")


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests finish."""
    server = Server(
        create_app(settings),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    logger.info("the service listens on http://%s:%d", settings.host, settings.port)
    await server.serve()
    logger.info("the service has stopped")


def main() -> int:
    """Run the service with the environment's settings; 2 tells of a setting that makes no sense."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(Settings.from_environment()))
    except ConfigError as error:
        logger.error("%s", error)  # noqa: TRY400  a message for the user, not a trace
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
