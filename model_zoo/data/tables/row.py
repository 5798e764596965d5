"""A row of a table."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A row of a table.

    Attributes
    ----------
    cells
        As they came, one per column.
    structure
        A SMILES, or the structure block of an SDF record.
    fault
        Code and detail, when the row itself cannot be used.
    """

    cells: list[str]
    structure: str
    fault: tuple[str, str] | None = None
