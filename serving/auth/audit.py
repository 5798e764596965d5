"""The record of what administrators did: one JSON line each, appended, never rewritten.

The command `aidrug keys` writes here too, so it imports nothing of HTTP.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

logger = logging.getLogger(__name__)


class Audit:
    """A file that lines are appended to."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def note(self, action: str, target: str, *, who: str, where: str, result: str, request_id: str = "") -> None:
        """Append a line. A disk that takes none is logged: putting a champion back must work in an emergency."""
        if self._path is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "action": action,
            "target": target,
            "who": who,
            "where": where,
            "result": result,
            "request_id": request_id,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:  # one write, so that lines of several processes never mix
                os.write(handle, json.dumps(line).encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            logger.error(  # noqa: TRY400  what happened matters, not where in this file
                "the audit log cannot be written (%s): %s %s by %s: %s", error.strerror, action, target, who, result
            )
