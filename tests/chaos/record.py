"""What faults did, kept as JSON, and written as the table of `docs/automation.md`."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Healed:
    """What came of one fault.

    Attributes
    ----------
    kind
        Which fault.
    seconds
        From its end until nothing was wrong.
    swapped
        From its end until another champion served; none where none came.
    wrong
        What did not heal.
    beside
        What else happened before healing was waited for.
    """

    kind: str
    seconds: float
    swapped: float | None = None
    wrong: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


@dataclass
class Record:
    """What the faults of one seed did, and what did not heal."""

    seed: int
    healed: list[Healed] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    began: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    @property
    def number(self) -> int:
        """How many faults there were."""
        return len(self.healed)

    def add_to(self, path: Path) -> None:
        """Write it into a file of results, beside those of other seeds."""
        known = json.loads(path.read_bytes()) if path.exists() else []
        others = [each for each in known if (each["seed"], each["began"]) != (self.seed, self.began)]
        entry = {**asdict(self), "cores": os.cpu_count(), "load": round(os.getloadavg()[2], 1)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{json.dumps([*others, entry], indent=1)}\n", encoding="utf-8")

    def as_markdown(self) -> str:
        """Write it as tables."""
        return as_markdown([{**asdict(self), "cores": os.cpu_count(), "load": round(os.getloadavg()[2], 1)}])


def as_markdown(runs: Iterable[Mapping[str, Any]]) -> str:
    """Write results as tables: how often, how long until it healed, and how long until the new champion served.

    Parameters
    ----------
    runs
        Records as `Record.add_to` writes them.
    """
    runs = list(runs)
    healed = [Healed(**each) for run in runs for each in run["healed"]]
    kinds: dict[str, list[Healed]] = defaultdict(list)
    for each in healed:
        kinds[each.kind].append(each)
    failed = [each for each in healed if each.wrong]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    loads = ", ".join(f"{run['load']:g}" for run in runs)
    cores = runs[0]["cores"] if runs else 0
    lines = [
        f"{len(healed)} faults (seeds {seeds}) on {cores} cores at loads of {loads}: {len(failed)} did not heal.",
        "",
        "| what was left after healing | times |",
        "| --- | --: |",
        *(f"| {name} | {_count(failed, words)} |" for name, words in LEFT.items()),
        "",
        "| fault | alone | median to heal | worst | median to new champion | beside others | worst | did not heal |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for kind, found in sorted(kinds.items()):
        alone, beside = ([each for each in found if bool(each.beside) == several] for several in (False, True))
        times, longer = ([each.seconds for each in some if not each.wrong] for some in (alone, beside))
        swaps = [each.swapped for each in alone if each.swapped is not None]
        columns = (
            len(alone) or "",
            _seconds(median, times),
            _seconds(max, times),
            _seconds(median, swaps),
            len(beside) or "",
            _seconds(max, longer),
            sum(bool(each.wrong) for each in found) or "",
        )
        lines.append(f"| {kind} | {' | '.join(map(str, columns))} |")
    return "\n".join(lines)


LEFT = {
    "a damaged database": "is damaged",
    "a champion that is not the one elected": "was elected",
    "an orphan after 60 s": "an orphan",
    "an open run in Dagster or MLflow": "a run is",
    "a stale asset": "is stale",
}


def _seconds(what: Callable[[list[float]], float], times: list[float]) -> str:
    return f"{what(times):.0f} s" if times else ""


def _count(failed: Iterable[Healed], words: str) -> int:
    return sum(words in what for each in failed for what in each.wrong)
