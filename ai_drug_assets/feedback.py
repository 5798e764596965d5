"""`aidrug feedback`: measured values that were reported to the service, as a file to train on.

Belongs here: writing them as the CSV that an endpoint's source reads.
Does not belong here: receiving them (see `serving/feedback.py`), what they say of a model (see `assets/monitoring.py`).

Nothing trains on reported values by itself: somebody looks at the file, adds it to the endpoint's source, and the
changed data retrains what it touches.
"""

from __future__ import annotations

import csv
import io
import time
from contextlib import closing
from pathlib import Path

from model_zoo.errors import DataError
from model_zoo.live.record import LiveRecord
from model_zoo.store import atomic_write

from ai_drug_assets.settings import Settings


def export(settings: Settings, endpoint: str, out: Path) -> str:
    """Write an endpoint's reported values, oldest first; say how many in a sentence.

    Raises
    ------
    DataError
        When none was reported, or none was kept with its structure.
    """
    with closing(LiveRecord(settings.home / "service")) as record:
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
    writer.writerow(("smiles", "value", "source", "name", "received"))
    for row in kept:
        received = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.received))
        writer.writerow((row.smiles, repr(row.value), row.source, row.name or "", received))
    atomic_write(out, text.getvalue().encode())
    left = len(rows) - len(kept)
    without = f"; {left} without a structure are left out" if left else ""
    return f"{out}: {len(kept)} measured values of {endpoint}{without}"
