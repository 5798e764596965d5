"""Why a table cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from model_zoo.errors import DataError

Kind = Literal["unreadable", "unclear-column", "invalid", "too-large"]


class TableError(DataError):
    """A file is no table that can be read, or it is not clear how.

    Attributes
    ----------
    kind
        `unreadable` for a fault of the file, `unclear-column` where it is not clear which column holds the structures,
        `invalid` for a fault of what was said of it, `too-large`.
    columns
        The columns that there are, where it is not clear.
    """

    def __init__(self, kind: Kind, message: str, columns: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.columns = tuple(columns)
