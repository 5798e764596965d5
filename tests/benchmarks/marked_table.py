"""Putting what a benchmark measured between two marks of a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model_zoo.io.files import atomic_write


def write_between(document: Path, mark: str, lines: Sequence[str]) -> None:
    """Put lines between `<!-- mark -->` and `<!-- end of mark -->`, in place of what is there.

    Raises
    ------
    ValueError
        When the document lacks either mark: the table would land at its end, and what follows would be lost.
    """
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    before, begun, rest = document.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{document}: expected {begin.strip()} and {end} around the table, got one or none of them")
    atomic_write(document, (before + begin + "\n".join(lines) + "\n" + end + after).encode())
