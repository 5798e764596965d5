"""What is slow is listed in one place, and something quick represents it."""

from __future__ import annotations

from tests.slow_tests import DOCUMENT, quick_tests, slow_tests, table


def test_every_slow_test_names_what_stands_for_it() -> None:
    """A quick test, by a name that exists, or a reason for none."""
    assert len(slow_tests()) > 20
    for test in slow_tests():
        assert bool(test.siblings) != bool(test.alone), (
            f"{test.place}: expected `pytest.mark.slow(sibling='test_file::test_name')` or `(alone='why')`"
        )
        unknown = set(test.siblings) - quick_tests()
        assert not unknown, f"{test.place}: expected names of tests that `make test` runs, got {sorted(unknown)}"


def test_the_table_is_that_of_the_marks() -> None:
    """The page in the docs says what the marks say."""
    assert DOCUMENT.read_text(encoding="utf-8") == table(), "renew it: python -m tests.slow_tests"
