"""What the guide tells of chaos is what was measured."""

from __future__ import annotations

from tests.chaos.record import Healed, Record
from tests.chaos.report import BEGIN, DOCUMENT, END, RESULTS, report


def test_the_tables_are_those_of_the_results() -> None:
    """`python -m tests.chaos.report` writes them, and nobody else."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document.count(BEGIN) == document.count(END) == 1
    assert report(document, RESULTS.read_bytes()) == document


def test_what_did_not_heal_is_counted() -> None:
    """A fault that left something is in no median, and stands in a column of its own."""
    record = Record(3)
    record.healed += [Healed("kill run", 20.0, 15.0), Healed("kill run", 40.0), Healed("commit", 9.0)]
    record.healed.append(Healed("kill run", 600.0, None, ["a run is STARTED", "an orphan: x"]))
    told = record.as_markdown()
    assert "4 faults" in told
    assert "1 did not heal" in told
    assert "| kill run | 3 | 30 s | 40 s | 15 s | 1 |" in told
    assert "| commit | 1 | 9 s | 9 s |  |  |" in told
    assert "| an orphan after 60 s | 1 |" in told
    assert "| a stale asset | 0 |" in told
