"""What to measure next, from the command line: a batch of a file's molecules, chosen by the running service."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlencode

from model_zoo.errors import AidrugError
from model_zoo.io.files import atomic_write
from model_zoo.io.spreadsheets import safe_cell
from model_zoo.type_aliases import Json

from ai_drug_assets.operations.predictions import advised, finished_job, require_another, require_workbook

OF_THE_BATCH = ("rank", "row", "desirability", "spread", "similarity", "like")
OF_ENDPOINTS = ("value", "lower", "upper", "reliability")


def suggest_batch(
    url: str,
    path: Path,
    *,
    size: int,
    exploration: float | None = None,
    endpoints: Sequence[str] | None = None,
    column: str | None = None,
    sheet: str | None = None,
) -> dict[str, Json]:
    """Predict a file as a job, and return what the service suggests of it, in the shape of its interface.

    Raises
    ------
    AidrugError
        When nothing answers, the service refuses, or the job fails.
    """
    asked = {"batch": size, "exploration": exploration, "endpoints": ",".join(endpoints) if endpoints else None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    require_workbook(path, sheet)
    with advised(url) as client:
        job = finished_job(client, path, column=column, sheet=sheet, endpoints=endpoints)
        found: dict[str, Json] = client.transport.json("GET", f"/v1/jobs/{job.id}/suggestion?{query}", again=True)
    return found


def as_text(found: Mapping[str, Json]) -> str:
    """Format a batch for people, with the rows that took no part.

    Examples
    --------
    >>> print(as_text({"picks": [], "goals": ["a"], "candidates": 0,
    ...                "left_out": [{"code": "empty", "rows": 2, "first": [0, 7]}]}))
    0 of 0 candidates, for a
    left out: 2 empty (rows 0, 7)
    """
    lines = []
    for rank, pick in enumerate(found["picks"], 1):
        lines.append(f"{rank:>3}  row {pick['row']}  {pick['smiles']}")
        near = "" if pick["like"] is None else f"  {pick['similarity']:.2f} like row {pick['like']}"
        lines.append(f"     desirability {pick['desirability']:.2f}, spread {pick['spread']:.2f}{near}")
        for name in found["goals"]:
            estimate = pick["endpoints"][name]
            low, high = estimate["interval"] or (None, None)
            span = "" if low is None else f"  {low:.3g} to {high:.3g}"
            trust = f"  {estimate['reliability']} reliability" if estimate.get("reliability") else ""
            lines.append(f"     {name:<24} {estimate['value']:>8.3g} {estimate['unit']:<12}{span}{trust}")
    lines.append(f"{len(found['picks'])} of {found['candidates']:,} candidates, for {', '.join(found['goals'])}")
    for each in found["left_out"]:
        rows = ", ".join(map(str, each["first"])) + (", ..." if each["rows"] > len(each["first"]) else "")
        lines.append(f"left out: {each['rows']:,} {each['code']} (rows {rows})")
    return "\n".join(lines)


def write_batch(found: Mapping[str, Json], stream: TextIO) -> None:
    """Write a batch as CSV: the columns that came, then ours; one that came with the name of ours keeps it."""
    sent = list(found["picks"][0]["columns"]) if found["picks"] else []
    made = ["smiles", *OF_THE_BATCH, *(f"{name}_{field}" for name in found["goals"] for field in OF_ENDPOINTS)]
    writer = csv.writer(stream, lineterminator="\r\n")
    ours = [f"suggested_{name}" if name in sent else name for name in made]
    writer.writerow([safe_cell(name) for name in (*sent, *ours)])
    for rank, pick in enumerate(found["picks"], 1):
        cells: list[Any] = [*pick["columns"].values(), pick["smiles"], rank]
        cells += [pick[name] for name in OF_THE_BATCH[1:]]
        for name in found["goals"]:
            estimate = pick["endpoints"][name]
            cells += [estimate["value"], *(estimate["interval"] or (None, None)), estimate.get("reliability")]
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in cells])


def checked(out: Path, file: Path) -> Path:
    """Return the file to write to, before anything is predicted.

    Raises
    ------
    AidrugError
        When the name does not end with `.csv`, or it is the file that is read.
    """
    if out.suffix.lower() != ".csv":
        raise AidrugError(f"--out: expected a file that ends with .csv, got {out.name!r}")
    require_another(file, out)
    return out


def write_file(found: Mapping[str, Json], out: Path) -> None:
    """Write a batch to a CSV file, whole or not at all."""
    text = io.StringIO(newline="")
    write_batch(found, text)
    atomic_write(out, text.getvalue().encode())
