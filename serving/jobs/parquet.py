"""A result as Parquet.

pyarrow is as large as all the rest of the service. It is its own extra, and is imported when a first result is asked
for as Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from serving.http.problems import ProblemError
from serving.jobs.writing import Chunk, Columns

if TYPE_CHECKING:
    import pyarrow as pa

MEDIA_TYPE = "application/vnd.apache.parquet"
GROUP_ROWS = 20_000
"""Rows written together: more make smaller files, fewer less memory."""


def require_pyarrow() -> None:
    """Refuse Parquet where it cannot be written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        detail = "Parquet needs pyarrow, which this service is installed without: ask for csv, ndjson or sdf"
        raise ProblemError("not-acceptable", detail) from error


def write_parquet(columns: Columns, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Yield a Parquet file: the columns that came as text, ours typed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string()}
    types = [pa.string()] * len(columns.sent) + [kinds[kind] for kind in columns.kinds]
    schema = pa.schema(list(zip((*columns.sent, *columns.made), types, strict=True)))
    sink = _Sink()
    writer = pq.ParquetWriter(sink, schema, compression="zstd")
    waiting: list[list[Any]] = []
    for rows, entries in chunks:
        waiting += ([*row.cells, *columns.cells(entry)] for row, entry in zip(rows, entries, strict=True))
        if len(waiting) >= GROUP_ROWS:
            writer.write_table(_as_table(waiting, schema))
            waiting = []
            yield sink.taken()
    if waiting:
        writer.write_table(_as_table(waiting, schema))
    writer.close()
    yield sink.taken()


def _as_table(rows: list[list[Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    arrays = [pa.array(cells, kind) for cells, kind in zip(zip(*rows, strict=True), schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


class _Sink(io.RawIOBase):
    """A file that keeps only what nobody has taken yet."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, piece: Any) -> int:
        content = bytes(piece)
        self._pieces.append(content)
        self._position += len(content)
        return len(content)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content
