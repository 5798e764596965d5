"""Figures by the number of endpoints, and the law by which they grow.

Belongs here: what the figures are called, and the table. Does not belong here: measuring (see `bench_grid.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Figures = Mapping[str, float]
SHOWN = {
    "plan_s": "`aidrug plan`, nothing changed, s",
    "run_s": "`aidrug run`, nothing changed, s",
    "load_s": "loading the definitions, s",
    "load_mb": "memory of a process that loaded them, MB",
    "part_s": "what a run of one model, or a step of a run of everything, loads, s",
    "check_s": "looking whether one model's code changed, s",
    "asset_s": "making one leaderboard, all but loading, s",
    "tick_ms": "a quiet look of the automation, ms",
    "ready_clock_s": "the service, from start to ready, s by the clock",
    "ready_s": "the same, processor time of each worker, s",
    "replayed_s": "the same until every bundle was replayed, s",
    "uss_mb": "memory of a worker's own (USS), MB",
    "pss_mb": "with its share of what workers share (PSS), MB",
    "rss_mb": "resident (RSS), MB",
    "used_mb": "own memory (USS) once 256 molecules were predicted, MB",
    "one_ms": "one new molecule, all endpoints, ms",
    "of_256_ms": "a molecule of a request of 256 new ones, ms",
    "page_kb": "the page with an answer for one molecule, KB",
}


def law(figures: Mapping[str, Figures], name: str) -> float | None:
    """Return the exponent by which a figure grows between the two largest sizes.

    Examples
    --------
    >>> law({"5": {"plan_s": 1.0}, "50": {"plan_s": 10.0}}, "plan_s")
    1.0
    """
    sizes = sorted((int(size) for size in figures if name in figures[size]), key=int)[-2:]
    if len(sizes) < 2:
        return None
    low, high = (figures[str(size)][name] for size in sizes)
    return round(math.log(high / low) / math.log(sizes[1] / sizes[0]), 2) if low > 0 and high > 0 else None


def table(figures: Mapping[str, Figures]) -> list[str]:
    """Write the figures of all sizes as lines of a table, with the ratio to the smallest and the law."""
    sizes = sorted(figures, key=int)
    lines = [
        " | ".join(["", *(f"{size} endpoints" for size in sizes), f"ratio to {sizes[0]}", "law"]),
        " | ".join(["---"] * (len(sizes) + 3)),
    ]
    for name, title in SHOWN.items():
        known = [figures[size].get(name) for size in sizes]
        if known[0] is None or known[-1] is None:
            continue
        cells = ["" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in known]
        exponent = law(figures, name)
        grown = f"{known[-1] / known[0]:.1f}" if known[0] else ""
        lines.append(" | ".join([title, *cells, grown, "" if exponent is None else f"n^{exponent:.1f}"]))
    return [f"| {line} |" for line in lines]
