"""How fast a library is screened on Ray, against one process without Ray on the same rows.

Needs a trained project (`make run` or `aidrug run`) and the extra `screening`. The library is made of the embedded
endpoints' own molecules, repeated to `AIDRUG_SCREEN_ROWS` rows (100,000): the time of a row does not depend on its
neighbours, because a screen remembers nothing. Prints rows per second, the ratio, peak memory of this process, and what
a billion rows would take and cost at that rate on rented cores.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ai_drug_assets.operations import screens
from ai_drug_assets.settings import Settings
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import parse_pointer
from model_zoo.config.screen import Screen
from model_zoo.inference.screening import find_shards, predict_shard
from serving.storage.stores import open_store

ROWS = int(os.environ.get("AIDRUG_SCREEN_ROWS", "100000"))
ALONE_ROWS = 2_000
BILLION = 1_000_000_000
DOLLARS_PER_CORE_HOUR = 0.045
"""About what a vCPU of a compute-optimised host costs on demand; check the price list before relying on it."""


def main() -> None:
    """Print the figures."""
    settings = Settings.from_env()
    store = open_store(settings.store, settings.folder("bundle_cache"))
    pointer = parse_pointer(store.read_pointer_bytes())
    folders = {name: store.fetch_bundle(name, now.version) for name, now in pointer.endpoints.items()}
    smiles = sorted({text for folder in folders.values() for text in _smiles(folder)})
    with tempfile.TemporaryDirectory() as name:
        library = Path(name) / "library"
        library.mkdir()
        rows = list(itertools.islice(itertools.cycle(smiles), ROWS))
        pq.write_table(pa.table({"smiles": rows}), library / "library.parquet", row_group_size=10_000)
        out = f"{name}/out"
        screen = Screen(name="bench", description="", library=str(library), rows_per_shard=ALONE_ROWS, out=out)
        bundles = {endpoint: load_bundle(folder) for endpoint, folder in folders.items()}
        shards, _ = find_shards(screen)
        began = time.perf_counter()
        predict_shard(screen, shards[0], bundles)
        alone = shards[0].rows / (time.perf_counter() - began)
        print(f"{len(smiles)} different molecules, {len(bundles)} endpoints: {', '.join(bundles)}")
        print(f"one process, no Ray: {alone:.0f} rows/s")
        workers = os.cpu_count() or 1
        with screens.ray_cluster(workers):
            began = time.perf_counter()
            report = screens.run_screen(settings, screen, print, workers)
            seconds = time.perf_counter() - began
        rate = report.rows / seconds
        print(f"Ray, {workers} workers: {report.rows} rows in {seconds:.0f} s, {rate:.0f} rows/s")
        print(f"ratio to one process: {rate / alone:.2f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of the driver: {peak:.0f} MB; failed shards: {len(report.failed)}")
        hours = BILLION / (rate / workers) / 3600
        cost = hours * DOLLARS_PER_CORE_HOUR
        print(f"projection, not measured: a billion rows take {hours:,.0f} core hours, about ${cost:,.0f}")


def _smiles(folder: Path) -> list[str]:
    smiles: list[str] = json.loads((folder / "neighbours.json").read_bytes())["smiles"]
    return smiles


if __name__ == "__main__":
    main()
