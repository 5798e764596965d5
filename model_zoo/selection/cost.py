"""What it costs to let a model serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SAME_COST = 2.0
"""Costs within this factor of the least count as equal: a measured time is noisy, a decision must not be."""
SMALL_MB = 10.0
"""Sizes up to this count as equal."""


class Cost(NamedTuple):
    """What one model costs."""

    ms: float
    """Processor time of one new molecule: the prediction, and a share of the features."""
    mb: float = 0.0
    """Size of its files, which is what a host fetches and keeps, and what memory grows with
    (`bundles/on_demand.py`)."""

    def __str__(self) -> str:
        return f"{self.ms:.3g} ms a molecule" + (f" and {self.mb:.3g} MB" if self.mb else "")

    def is_like(self, least: Cost) -> bool:
        """Return whether no part of it is more than `SAME_COST` times the least."""
        return self.ms <= SAME_COST * least.ms and self.mb <= SAME_COST * max(least.mb, SMALL_MB)

    def share(self, least: Cost) -> float:
        """Return how many times the least the worse part is."""
        return max(self.ms / least.ms if least.ms else 1.0, self.mb / max(least.mb, SMALL_MB))


def cheap_ones(costs: Sequence[Cost]) -> list[bool]:
    """Return which costs are like the least of each part; where none is so in both, those whose worse part is best.

    Examples
    --------
    >>> cheap_ones([Cost(4.1, 20.0), Cost(4.0, 200.0), Cost(9.0, 1.0)])
    [True, False, False]
    >>> cheap_ones([Cost(1.0, 100.0), Cost(3.0, 10.0)])
    [False, True]
    """
    least = Cost(min(cost.ms for cost in costs), min(cost.mb for cost in costs))
    cheap = [cost.is_like(least) for cost in costs]
    if any(cheap):
        return cheap
    shares = [cost.share(least) for cost in costs]
    return [share == min(shares) for share in shares]
