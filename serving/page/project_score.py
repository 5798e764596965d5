"""The project score in a download: computed by the page, sent along as text, written beside what was predicted.

Belongs here: reading that text.
Does not belong here: how the score is computed (see `static/desirability.js`, the one place).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from serving.http.problems import ProblemError

COLUMNS = ("project_score", "pareto_front")
_ENTRY = re.compile(r"(\d{1,9})_(\d(?:\.\d{1,6})?)?(\*)?")


class Score(NamedTuple):
    """The score of one molecule, none where it has none, and whether no other one is better in everything."""

    value: float | None
    on_front: bool

    @property
    def cells(self) -> tuple[float | None, str]:
        """What is in a file."""
        return self.value, "yes" if self.on_front else ""


def read_scores(text: str) -> Mapping[int, Score]:
    """Read scores by the places of their molecules, from 0; empty where the page sent none.

    Raises
    ------
    ProblemError
        `invalid-request`, when the text is not what the page sends.

    Examples
    --------
    >>> read_scores("0_0.7312*-2_")
    {0: Score(value=0.7312, on_front=True), 2: Score(value=None, on_front=False)}
    """
    found = {}
    for part in filter(None, text.split("-")):
        entry = _ENTRY.fullmatch(part)
        value = None if entry is None or entry[2] is None else float(entry[2])
        if entry is None or (value is not None and value > 1):
            raise ProblemError("invalid-request", f"score: expected a place and a score from 0 to 1, got {part[:20]!r}")
        found[int(entry[1])] = Score(value, entry[3] is not None)
    return found


NO_SCORE = Score(None, on_front=False)
"""Of a molecule that was not scored."""
