"""The document of the service's performance says what was measured."""

from __future__ import annotations

from tests.benchmarks.performance_report import DOCUMENT, read_results, report


def test_the_document_holds_the_numbers_of_the_results() -> None:
    """`docs/performance.md` is made from the results by `python -m tests.benchmarks.performance_report`."""
    assert DOCUMENT.read_text(encoding="utf-8") == report(read_results())
