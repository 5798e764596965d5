"""Why rows were dropped, by kind: a reason begins with its kind and a colon, such as `not a number: expected ...`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

NOT_ASKED_FOR = ("empty value", "where")
"""Kinds of reasons that are no loss: nothing was measured, or other rows are meant."""


def reason_kind(reason: str) -> str:
    """Return the kind of a reason: what is before its first colon.

    Examples
    --------
    >>> reason_kind("not a number: expected a number, got 'x'")
    'not a number'
    """
    return reason.partition(":")[0]


def share_lost(rows: int, reasons: Mapping[str, int]) -> float:
    """Return the share of rows that were dropped, of those that hold a value that was asked for.

    Examples
    --------
    >>> share_lost(100, {"empty value": 80, "mixture": 5})
    0.25
    """
    not_meant = sum(reasons.get(kind, 0) for kind in NOT_ASKED_FOR)
    return (sum(reasons.values()) - not_meant) / (rows - not_meant) if rows > not_meant else 0.0


def count_reasons(reasons: Iterable[str]) -> str:
    """Count reasons by their kind, the most frequent first.

    Examples
    --------
    >>> count_reasons(["mixture: a", "empty value: b", "mixture: c", ""])
    '2 mixture, 1 empty value'
    """
    counts = Counter(reason_kind(reason) for reason in reasons if reason)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
