"""A row of a table."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A row of a table."""

    cells: list[str]
    """As they came, one per column."""
    structure: str
    """A SMILES, or the structure block of an SDF record."""
    fault: tuple[str, str] | None = None
    """Code and detail, when the row itself cannot be used."""
