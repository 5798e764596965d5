"""The document of programmes says what was measured."""

from __future__ import annotations

from tests.benchmarks.programme_report import DOCUMENT, SPLITS, read_results, report


def test_the_document_holds_the_numbers_of_the_results() -> None:
    """`docs/programmes.md` is made from the results by `python -m tests.benchmarks.programme_report`."""
    assert DOCUMENT.read_text(encoding="utf-8") == report(read_results(), read_results(SPLITS))
