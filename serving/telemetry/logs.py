"""Logs: one line per event, for people or as JSON, never in the way of an answer.

A thread of its own writes. When the disk is full or the reader of a pipe is stuck, lines are dropped and
counted; answers continue.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

Format = Literal["auto", "json", "text"]
MOST_WAITING = 10_000
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest was given as `extra`."""


class JsonLines(logging.Formatter):
    """A JSON object per line.

    Examples
    --------
    >>> record = logging.makeLogRecord({"msg": "swapped", "levelname": "INFO", "name": "serving", "created": 0.0,
    ...                                 "endpoint": "logp"})
    >>> json.loads(JsonLines().format(record))["endpoint"]
    'logp'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        return json.dumps(line, default=str)


class _Bounded(logging.handlers.QueueHandler):
    """Hands lines to the writing thread, and drops them while too many wait."""

    def __init__(self, waiting: queue.Queue[logging.LogRecord], dropped: Callable[[], None]) -> None:
        super().__init__(waiting)
        self._dropped = dropped

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand a line over, or drop it."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped()


class _Writer(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes lines; one that cannot be written is counted, not reported where reports cannot be written either."""

    def __init__(self, dropped: Callable[[], None]) -> None:
        super().__init__(sys.stderr)
        self._dropped = dropped

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name that logging calls
        """Count the line."""
        self._dropped()


@contextmanager
def logging_to_stderr(form: Format, level: str, dropped: Callable[[], None]) -> Iterator[None]:
    """Send every logger's lines to stderr for as long as the context lasts.

    Parameters
    ----------
    form
        `auto` is text on a terminal and JSON elsewhere.
    level
        Name of the lowest level written.
    dropped
        Called for each line that is lost.
    """
    writer = _Writer(dropped)
    if form == "json" or (form == "auto" and not sys.stderr.isatty()):
        writer.setFormatter(JsonLines())
    else:
        writer.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
    handler = _Bounded(waiting, dropped)
    listener = logging.handlers.QueueListener(waiting, writer)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        listener.stop()
