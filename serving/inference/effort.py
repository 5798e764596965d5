"""How much work a molecule is, guessed before anybody has read it."""

from __future__ import annotations

LONG = 10.0
"""From this effort a molecule is long, and waits apart."""


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
