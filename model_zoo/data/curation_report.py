"""What became of the rows of a source, counted: what the owner of a file looks at before anything is trained.

Belongs here: counts by reason, spread of replicates, units, the shape of the values.
Does not belong here: judging a row (see `curation.py`), comparing snapshots (see `snapshot_change.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.reasons import NOT_ASKED_FOR, reason_kind, share_lost

if TYPE_CHECKING:
    import pandas as pd

MOST_DROPPED = 0.1
"""Share of the rows with a value that may be dropped without a word."""
BINS = 12
SHOWN = 3
"""Rows of each kind that are shown."""


class CurationReport(NamedTuple):
    """What became of the rows."""

    files: dict[str, int]
    """How many rows each file has."""
    rows: int
    kept: int
    merged: int
    dropped: int
    """`rows`, `kept`, `merged` and `dropped`: rows as they came, and what became of them; `merged` counts rows, not
    molecules."""
    molecules: int
    bounds: int
    """`molecules` and `bounds`: molecules of the snapshot, and those of them that are only known as a bound."""
    reasons: dict[str, int]
    """Dropped rows by the kind of the reason, the most frequent first."""
    examples: dict[str, list[tuple[str, int, str]]]
    """Of each kind: file, row and reason of the first rows."""
    units: dict[str, int]
    """Units that rows say themselves."""
    spreads: list[float]
    """Largest minus smallest exact measurement, in the endpoint's unit, per molecule that was measured several
    times."""
    values: NDArray[np.float64]
    """The values of the molecules, bounds left out."""

    @property
    def share_lost(self) -> float:
        """Of the rows that hold a value that was asked for, the share that was dropped."""
        return share_lost(self.rows, self.reasons)

    def as_text(self, unit: str) -> str:
        """Write it for people."""
        files = ", ".join(f"{name} ({count} rows)" for name, count in self.files.items())
        lines = [
            f"  files     {files}",
            f"  rows      {self.rows}: {self.kept} kept, {self.merged} merged, {self.dropped} dropped",
            f"  molecules {self.molecules}" + (f", {self.bounds} of them only known as bounds" if self.bounds else ""),
        ]
        for kind, count in self.reasons.items():
            lines.append(f"  dropped   {count:6}  {kind}")
            if kind not in NOT_ASKED_FOR:
                lines += [f"                    {file} row {row}: {why}" for file, row, why in self.examples[kind]]
        if self.units:
            lines.append("  units     " + ", ".join(f"{name} {count}x" for name, count in self.units.items()))
        if self.spreads:
            spread = f"median spread {np.median(self.spreads):.3g} {unit}, {max(self.spreads):.3g} at most"
            lines.append(f"  measured several times: {len(self.spreads)} molecules, {spread}")
        lines += [f"  {line}" for line in histogram(self.values)]
        if self.share_lost > MOST_DROPPED:
            lines.append(f"  WARNING   {self.share_lost:.0%} of the rows with a value are dropped")
        return "\n".join(lines)


def curation_report(raw: pd.DataFrame, table: pd.DataFrame, report: pd.DataFrame) -> CurationReport:
    """Count what became of the rows of a source."""
    dropped = report[report["action"] == "dropped"]
    kinds = [reason_kind(str(reason)) for reason in dropped["reason"]]
    examples: dict[str, list[tuple[str, int, str]]] = {}
    for kind, row in zip(kinds, dropped.itertuples(), strict=True):
        if len(examples.setdefault(kind, [])) < SHOWN:
            examples[kind].append((str(row.file), int(str(row.row)), str(row.reason)))
    exact = table["relation"] == "="
    return CurationReport(
        files={str(name): int(count) for name, count in report["file"].value_counts(sort=False).items()},
        rows=len(report),
        kept=int((report["action"] == "kept").sum()),
        merged=int((report["action"] == "merged").sum()),
        dropped=len(dropped),
        molecules=len(table),
        bounds=int((~exact).sum()),
        reasons=dict(Counter(kinds).most_common()),
        examples=examples,
        units=dict(Counter(unit for unit in raw["unit"] if unit).most_common()),
        spreads=replicate_spreads(report),
        values=table.loc[exact, "value"].to_numpy(dtype=np.float64),
    )


def replicate_spreads(report: pd.DataFrame) -> list[float]:
    """Return how far apart the measurements of each molecule are that has several, in the endpoint's unit.

    Parameters
    ----------
    report
        A curation report, as `curate` makes it. A reason may continue after the spread, with what was left out of the
        structure.

    Examples
    --------
    >>> import pandas as pd
    >>> why = "2 measurements, spread 0.3; without Cl"
    >>> replicate_spreads(pd.DataFrame({"action": ["merged"] * 2, "reason": [why] * 2, "inchikey": ["A"] * 2}))
    [0.3]
    """
    merged = report.loc[report["action"] == "merged"].drop_duplicates("inchikey")
    found = merged["reason"].str.extract(r"^\d+ measurements, spread ([^\s;]+)", expand=False)
    return [float(each) for each in found.dropna()]


def histogram(values: NDArray[np.float64]) -> list[str]:
    """Draw how values are spread, in lines of text.

    Examples
    --------
    >>> histogram(np.array([0.0, 2.0, 2.0]))[-1], histogram(np.array([0.0, 1.0, 1.0]))
    ('1.83 .. 2             ######################################## 2', ['0 1x', '1 2x'])
    """
    if set(np.unique(values)) == {0.0, 1.0}:
        return [f"{label:g} {int((values == label).sum())}x" for label in (0.0, 1.0)]
    if not len(values) or np.ptp(values) == 0:
        return [f"all {len(values)} values are {values[0]:g}"] if len(values) else []
    counts, edges = np.histogram(values, bins=BINS)
    widest = max(counts)
    return [
        f"{low:.3g} .. {high:.3g}".ljust(22) + "#" * round(40 * count / widest) + f" {count}"
        for count, low, high in zip(counts, edges, edges[1:], strict=False)
    ]
