"""Parquet files as text, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_zoo.data.tables.fault import TableError


def read_parquet(path: Path, decimal: str = ".") -> Iterator[list[str]]:
    """Read the names of the columns, and then row by row; a null or NaN is an empty cell.

    Raises
    ------
    TableError
        When it is no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError("unreadable", f"expected a Parquet file: {error}") from error
    yield list(table.column_names)
    for batch in table.to_batches(10_000):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield [_text(value, decimal) for value in values]


def _text(value: Any, decimal: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value).replace(".", decimal) if isinstance(value, float) else str(value)
