"""The document of the service's performance says what was measured."""

from __future__ import annotations

import json

from tests.benchmarks.bench_service import RESULT
from tests.benchmarks.performance_report import DOCUMENT, report


def test_the_document_holds_the_numbers_of_the_result() -> None:
    """`docs/performance.md` is made from the result by `python -m tests.benchmarks.performance_report`."""
    assert DOCUMENT.read_text(encoding="utf-8") == report(json.loads(RESULT.read_text(encoding="utf-8")))
