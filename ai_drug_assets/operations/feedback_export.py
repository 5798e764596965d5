"""`aidrug feedback`: measured values that were reported to the service, as a file to train on.

Nothing trains on reported values by itself: somebody looks at the file, adds it to the endpoint's source, and the
changed data retrains what it touches.
"""

from __future__ import annotations

import csv
import io
import time
from contextlib import closing
from pathlib import Path

from model_zoo.config.endpoint_file import FOLDER, read_endpoints
from model_zoo.errors import DataError
from model_zoo.io.files import atomic_write
from model_zoo.io.spreadsheets import safe_cell
from model_zoo.monitoring.prediction_log import PredictionLog

from ai_drug_assets.settings import Settings


def export(settings: Settings, endpoint: str, out: Path) -> str:
    """Write an endpoint's reported values with their unit, oldest first; say how many, and how a source reads them."""
    with closing(PredictionLog(settings.home / "service")) as record:
        rows = record.measurements(endpoint)
    kept = [row for row in rows if row.smiles is not None]
    if not rows:
        raise DataError(f"no value was reported for endpoint {endpoint!r}: POST /v1/feedback takes them")
    if not kept:
        raise DataError(
            f"{len(rows)} values were reported for {endpoint!r}, all without their structure: the service keeps "
            "structures only with AIDRUG_RECORD_STRUCTURES=on; report them again under it"
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("smiles", "relation", "value", "unit", "source", "name", "received"))
    own = _unit_now(settings, endpoint)
    for row in kept:
        unit = row.unit or own
        if not unit:
            raise DataError(
                f"{len(rows)} values were reported for {endpoint!r}, some before their unit was kept with them, and no "
                f"endpoint of that name is in {settings.configs / FOLDER}: put its YAML back to export them"
            )
        received = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.received))
        words = (safe_cell(text) for text in (row.source, row.name or ""))
        writer.writerow((row.smiles, row.relation, repr(row.value), unit, *words, received))
    atomic_write(out, text.getvalue().encode())
    left = len(rows) - len(kept)
    without = f"; {left} without a structure are left out" if left else ""
    layout = "smiles_column: smiles, value_column: value, relation_column: relation, unit_column: unit"
    return (
        f"{out}: {len(kept)} measured values of {endpoint}{without}\n"
        f"to train on them, add to the `files` of the endpoint's source: {{file: {out}, format: csv, {layout}}}"
    )


def _unit_now(settings: Settings, endpoint: str) -> str:
    """Return the unit of an endpoint that is configured; empty where it is not."""
    configured = read_endpoints(settings.configs / FOLDER, {endpoint}).require().endpoints
    return configured[endpoint].unit if endpoint in configured else ""
