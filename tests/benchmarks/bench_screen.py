"""What a row of a screen costs on Ray, against one process without Ray on the same rows, by the number of endpoints.

Run `AIDRUG_HOME=FOLDER/home python -m tests.benchmarks.bench_screen 5 50 200`, after `bench_grid 300 --folder FOLDER`,
or with any trained project; it needs the extra `screening`. Molecules are real ones. Costs are processor time of all
processes of Ray together, its own included, so that a busy machine changes them little. A first screen of a few rows
lets every worker open its bundles; the one that is measured finds them open. A billion rows are projected from the two.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from ai_drug_assets.operations import screens
from ai_drug_assets.settings import Settings
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import parse_pointer
from model_zoo.config.screen import Screen
from model_zoo.inference.screening import find_shards, predict_shard
from serving.storage.stores import open_store
from tests.benchmarks.load import machine_load
from tests.real_molecules import real

RESULT = Path(__file__).parent / "results" / "screen.json"
ROWS, SHARD = 4_000, 500
BILLION = 1_000_000_000
DOLLARS_PER_CORE_HOUR = 0.045
"""About what a vCPU of a compute-optimised host costs on demand; check the price list before relying on it."""


@dataclass(frozen=True)
class Project:
    """A trained project, and who of it predicts.

    Attributes
    ----------
    settings
        Where its bundles are.
    endpoints
        The names of those that take part.
    """

    settings: Settings
    endpoints: Sequence[str]


def measure(project: Project, rows: int, workers: int, folder: Path) -> dict[str, float]:
    """Measure one number of endpoints, on rows that are the same for both."""
    smiles = list(itertools.islice(itertools.cycle(real()), rows + SHARD * workers))
    first, rest = (
        _screen(folder / name, part, project) for name, part in (("first", smiles[rows:]), ("rest", smiles[:rows]))
    )
    store = open_store(project.settings.store, project.settings.folder("bundle_cache"))
    pointer = parse_pointer(store.read_pointer_bytes())
    began = time.process_time()
    bundles = {
        name: load_bundle(store.fetch_bundle(name, pointer.endpoints[name].version)) for name in project.endpoints
    }
    figures: dict[str, float] = {"rows": rows, "open_s": time.process_time() - began}
    shards = find_shards(rest)[0]
    predict_shard(first, find_shards(first)[0][0], bundles)
    began = time.process_time()
    for shard in shards:
        predict_shard(rest, shard, bundles)
    figures["plain_ms"] = 1000 * (time.process_time() - began) / rows
    del bundles
    with screens.ray_cluster(workers):
        warm, before = _run(project, first, workers), _used()
        clock = time.perf_counter()
        _run(project, rest, workers)
        figures["clock_s"] = time.perf_counter() - clock
        after = _used()
        figures["first_s"] = before - warm
        figures["ray_ms"] = 1000 * (after - before) / rows
        figures["worker_mb"] = max(child.memory_info().rss for child in psutil.Process().children(recursive=True)) / 1e6
    figures["rate"] = figures["plain_ms"] / figures["ray_ms"]
    return figures


def _run(project: Project, screen: Screen, workers: int) -> float:
    """Run a screen; return what Ray's processes had used before it."""
    before = _used()
    report = screens.run_screen(project.settings, screen, lambda _: None, workers)
    if report.failed or report.made != report.shards:
        raise RuntimeError(f"expected {report.shards} shards, {report.made} were made: {dict(report.failed)}")
    return before


def _used() -> float:
    """Return the processor time that this process and all that it started have used, in seconds."""
    own = psutil.Process()
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


def _screen(folder: Path, smiles: Sequence[str], project: Project) -> Screen:
    folder.mkdir()
    pq.write_table(pa.table({"smiles": smiles}), folder / "library.parquet", row_group_size=10_000)
    return Screen(
        name="bench",
        description="",
        library=str(folder),
        out=f"{folder}.out",
        endpoints=tuple(project.endpoints),
        rows_per_shard=SHARD,
    )


def lines(figures: dict[str, dict[str, float]]) -> list[str]:
    """Write the figures as a table, with what a billion rows take."""
    titles = [
        "endpoints",
        "rows",
        "one process, ms a row",
        "on Ray, ms a row",
        "rate of a core",
        "opening all bundles, s",
    ]
    titles += ["largest process, MB", "a billion rows, core hours", "at $0.045"]
    shown = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for endpoints, measured in sorted(figures.items(), key=lambda item: int(item[0])):
        hours = BILLION * measured["ray_ms"] / 3.6e6
        cells = [
            endpoints,
            f"{measured['rows']:,.0f}",
            *(f"{measured[name]:.2f}" for name in ("plain_ms", "ray_ms")),
            f"{100 * measured['rate']:.0f} %",
        ]
        cells += [f"{measured['open_s']:.1f}", f"{measured['worker_mb']:.0f}", f"{hours:,.0f}"]
        shown.append("| " + " | ".join([*cells, f"${hours * DOLLARS_PER_CORE_HOUR:,.0f}"]) + " |")
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoints", type=int, nargs="*", default=[5], help="numbers of endpoints")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the library that is measured")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="keep the figures for `docs/performance.md`")
    options = parser.parse_args()
    settings, figures = Settings.from_env(), {}
    store = open_store(settings.store, settings.folder("bundle_cache"))
    names = sorted(parse_pointer(store.read_pointer_bytes()).endpoints)
    for number in options.endpoints:
        if number > len(names):
            raise SystemExit(f"expected {number} endpoints with a champion, {settings.home} has {len(names)}")
        with tempfile.TemporaryDirectory() as scratch:
            project = Project(settings, names[:number])
            figures[str(number)] = measure(project, options.rows, options.workers, Path(scratch))
        print(number, json.dumps(figures[str(number)]), flush=True)
        if options.write:
            known = json.loads(RESULT.read_text(encoding="utf-8"))["figures"] if RESULT.exists() else {}
            content = {"load": machine_load(), "figures": {**known, **figures}}
            RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print("\n".join(lines(figures)))


if __name__ == "__main__":
    main()
