"""The document of awkward files says what the product says."""

from __future__ import annotations

from tests.awkward_files import CASES, DOCUMENT, document


def test_the_document_tells_what_becomes_of_awkward_files() -> None:
    """`docs/awkward-files.md` is made by `python -m tests.awkward_files`, of twenty files or more."""
    assert len(CASES) >= 20
    assert DOCUMENT.read_text(encoding="utf-8") == document()
