"""The document of suggestions says what was measured."""

from __future__ import annotations

from tests.benchmarks.suggestion_report import DOCUMENT, read_results, report


def test_the_document_holds_the_numbers_of_the_results() -> None:
    """`docs/suggestions.md` is made from the results by `python -m tests.benchmarks.suggestion_report`."""
    assert DOCUMENT.read_text(encoding="utf-8") == report(read_results())
