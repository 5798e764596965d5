"""Structure search behind the service: one process at a time, stopped in time, whatever is asked.

Belongs here: starting the search, its limits, and what came of one that was stopped.
Does not belong here: how structures match (see `model_zoo/chemistry/structure_search.py`).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from serving import metrics
from serving.http.problems import ProblemError

WALL_SECONDS = 12.0
"""By the clock, on a machine that others use; of the processor the search takes less by itself."""
MOST_WAITING = 8
_PROGRAM = (sys.executable, "-m", "model_zoo.chemistry.structure_search")


@dataclass(frozen=True)
class Found:
    """What a search found."""

    rows: tuple[tuple[int, float], ...]
    """Places of the structures that match, with their likeness; the most alike first."""
    looked: int
    """How many structures were looked at, from the first on."""


class StructureSearch:
    """Searches one after the other, each in a process of its own."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def search(self, query: str, kind: Literal["substructure", "similarity"], structures: Sequence[str]) -> Found:
        """Look through structures until all were looked at, or the time of a search is over.

        Raises
        ------
        ProblemError
            `invalid-request` when the query is none, `busy` when too many searches wait.
        """
        if self._waiting >= MOST_WAITING:
            metrics.REFUSED_REQUESTS.labels("busy").inc()
            raise ProblemError("busy", f"{self._waiting} structure searches are waiting", {"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._turn:
                asked = json.dumps({"query": query, "kind": kind, "structures": list(structures)})
                lines = await asyncio.to_thread(_run, asked)
        finally:
            self._waiting -= 1
        replies = [json.loads(line) for line in lines]
        if replies and "fault" in replies[0]:
            raise ProblemError("invalid-request", replies[0]["fault"])
        found = [(int(place), float(likeness)) for part in replies for place, likeness in part["found"]]
        rows = tuple(sorted(found, key=lambda each: (-each[1], each[0])))
        return Found(rows, replies[-1]["looked"] if replies else 0)


def _run(asked: str) -> list[str]:
    """Return the whole lines that a search wrote before it ended, or was ended."""
    process = subprocess.Popen(
        _PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        output, _ = process.communicate(asked, timeout=WALL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return output.split("\n")[:-1]
