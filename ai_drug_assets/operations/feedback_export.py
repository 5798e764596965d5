"""`aidrug feedback`: measured values that were reported to the service, as a file to train on.

Nothing trains on reported values by itself: somebody looks at the file, adds it to the endpoint's source, and the
changed data retrains what it touches.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from contextlib import closing
from pathlib import Path

from model_zoo.config.endpoint_file import FOLDER, read_endpoints
from model_zoo.config.similar_names import did_you_mean
from model_zoo.errors import DataError
from model_zoo.io.files import atomic_write
from model_zoo.io.spreadsheets import safe_cell
from model_zoo.monitoring.prediction_log import PredictionLog

from ai_drug_assets.settings import Settings


def export(settings: Settings, endpoint: str, out: Path) -> str:
    """Write an endpoint's reported values with their unit, oldest first; say how many, and how a source reads them."""
    with closing(PredictionLog(settings.home / "service")) as record:
        rows, without = record.measurements(endpoint), record.decision(endpoint).without
    structures = [row for row in rows if row.smiles is not None]
    kept = [row for row in structures if row.caller not in without]
    if not rows:
        known = read_endpoints(settings.configs / FOLDER).files
        meant = "" if endpoint in known else did_you_mean(endpoint, known)
        raise DataError(f"no value was reported for endpoint {endpoint!r}: POST /v1/feedback takes them{meant}")
    if not structures:
        raise DataError(
            f"{len(rows)} values were reported for {endpoint!r}, all without their structure: the service keeps "
            "structures only with AIDRUG_RECORD_STRUCTURES=on; report them again under it"
        )
    text = io.StringIO()
    # With other ends of lines a carriage return within a text is not quoted, and would begin a row.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("smiles", "relation", "value", "unit", "source", "name", "received"))
    configured = read_endpoints(settings.configs / FOLDER, {endpoint}).require().endpoints.get(endpoint)
    own = configured.unit if configured is not None else ""
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
    bare, excluded = len(rows) - len(structures), len(structures) - len(kept)
    left = f"; {bare} without a structure are left out" if bare else ""
    left += f"; {excluded} of keys that an administrator excluded are left out" if excluded else ""
    file = f"file: {_for_yaml(settings, out)}, format: csv"
    layout = "smiles_column: smiles, value_column: value, relation_column: relation, unit_column: unit"
    written = f"{out}: {len(kept)} measured values of {endpoint}{left}\n"
    if configured is not None and configured.curation.threshold is not None:
        return (
            f"{written}its source cannot read them: they are classes, and it makes classes of values in "
            f"{configured.curation.threshold.unit} (`threshold`). Add the values that were measured to its files"
        )
    return f"{written}to train on them, add to the `files` of the endpoint's source: {{{file}, {layout}}}"


def _for_yaml(settings: Settings, out: Path) -> str:
    """Write a path as a source's YAML reads it: from the project's folder, in quotes where it has more than letters."""
    path, root = out.absolute(), settings.root.absolute()
    text = str(path.relative_to(root) if path.is_relative_to(root) else path)
    return text if re.fullmatch(r"[A-Za-z0-9_./-]+", text) else json.dumps(text, ensure_ascii=False)
