"""From an uploaded file to rows: the core's reader, whose faults become problems of the request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from model_zoo.data.tables import reading
from model_zoo.data.tables.fault import Kind, TableError
from model_zoo.data.tables.guessing import Said
from model_zoo.data.tables.reading import Table
from model_zoo.data.tables.row import Row
from serving.http.problems import ProblemError

CODES: dict[Kind, str] = {
    "unreadable": "unreadable-upload",
    "unclear-column": "unclear-column",
    "invalid": "invalid-request",
    "too-large": "body-too-large",
}


def understand(path: Path, options: Said, max_bytes: int) -> Table:
    """Find out what an upload is, and how its rows are read; see `model_zoo.data.tables.reading.understand`."""
    with _as_problems():
        table = reading.understand(path, options, max_bytes)

    def rows() -> Iterator[Row]:
        with _as_problems():
            yield from table.rows()

    return replace(table, rows=rows)


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise ProblemError(CODES[error.kind], str(error)) from error
