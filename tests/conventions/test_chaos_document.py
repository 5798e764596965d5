"""What the guide says of chaos is what was measured."""

from __future__ import annotations

import random

from tests.chaos.__main__ import Deck
from tests.chaos.faults import ALL, FAULTS, OF_A_DATABASE, OF_A_SERVER, OF_THE_HOST
from tests.chaos.record import Healed, Record
from tests.chaos.report import BEGIN, DOCUMENT, END, RESULTS, report


def test_the_tables_are_those_of_the_results() -> None:
    """`python -m tests.chaos.report` writes them, and nobody else."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document.count(BEGIN) == document.count(END) == 1
    assert report(document, RESULTS.read_bytes()) == document


def test_what_did_not_heal_is_counted() -> None:
    """A fault that left something is in no median, and is in a column of its own."""
    record = Record(3)
    record.healed += [Healed("kill run", 20.0, 15.0), Healed("kill run", 40.0), Healed("commit", 9.0)]
    record.healed.append(Healed("kill run", 600.0, None, ["a run is STARTED", "an orphan: x"]))
    record.healed += [
        Healed("commit", 70.0, None, [], ["kill daemon"]),
        Healed("kill daemon", 70.0, 9.0, [], ["commit"]),
    ]
    document = record.as_markdown()
    assert "6 faults" in document
    assert "1 did not heal" in document
    assert "| kill run | 3 | 30 s | 40 s | 15 s |  |  | 1 |" in document
    assert "| commit | 1 | 9 s | 9 s |  | 1 | 70 s |  |" in document
    assert "| kill daemon |  |  |  |  | 1 | 70 s |  |" in document
    assert "| an orphan after 60 s | 1 |" in document
    assert "| a stale asset | 0 |" in document


def test_every_kind_is_drawn_before_any_comes_twice() -> None:
    """Whatever the installation allows: what needs an MLflow that is a server waits for one, and is not forgotten."""
    deck, drawn, servers = Deck(random.Random(5), tuple(ALL)), list[str](), 0
    while len(drawn) < 3 * len(ALL):
        server = deck.needs_a_server()
        servers += server
        some = FAULTS | OF_THE_HOST | (OF_A_SERVER if server else OF_A_DATABASE)
        while len(drawn) < 3 * len(ALL) and (kind := deck.next(some)):
            drawn.append(kind)
    for turn in range(3):
        assert sorted(drawn[turn * len(ALL) : (turn + 1) * len(ALL)]) == sorted(ALL)
    assert servers
