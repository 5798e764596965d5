"""How long a molecule takes, guessed from its text before anybody has read it, and which queue it is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

LONG = 10.0
"""Effort from which a molecule is long."""
FEW = 4.0
"""Effort up to which a request is quick: a chemist's molecule, or three, beside another's thousand."""
Lane = Literal["quick", "short", "long", "background"]


def effort(text: str) -> float:
    """Guess how long a SMILES takes, before anybody has read it; a small molecule, or none, is 1.

    By the third power of its letters, which are about its atoms, and of its digits, which close rings: of featurizers,
    the slowest multiply matrices of so many rows.

    Examples
    --------
    >>> effort("CCO"), effort("CC(=O)Oc1ccccc1C(=O)O"), round(effort("CCO" * 30))
    (1.0, 1.0, 47)
    """
    return max(1.0, (sum(map(str.isalnum, text)) / 25) ** 3)


def lane_of(efforts: Sequence[float]) -> Lane:
    """Return the queue of a request by the efforts of its molecules, of which none is long, or all are.

    Examples
    --------
    >>> lane_of([1.0]), lane_of([1.0] * 32), lane_of([47.0])
    ('quick', 'short', 'long')
    """
    if max(efforts) >= LONG:
        return "long"
    return "quick" if sum(efforts) <= FEW else "short"


def cost_of(effort: float, lane: Lane) -> float:
    """Return how much of the room of a batch a molecule takes: long ones are counted, others weighed."""
    return 1.0 if lane == "long" else effort
