"""What finding matched pairs costs a bundle, and what a suggestion costs the page.

Takes every eighth and every fourth molecule of the embedded endpoints, so that growth is seen: processor time of
cutting and pairing, set against computing the RDKit descriptors of the same molecules, which every training does; and
the time in which suggestions are made for a hundred molecules. `python -m tests.benchmarks.bench_matched_pairs
[--write]`; `--write` puts the table into `docs/workbench.md`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from model_zoo import featurizers
from model_zoo.bundles.matched_pairs import find_matched_pairs
from model_zoo.chemistry.single_cuts import single_cuts
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from serving.page.what_if import suggested
from tests.benchmarks.marked_table import write_between
from tests.bundle_factory import write

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "workbench.md"
ENDPOINTS = ("solubility_logs", "bbb_permeability")
HEAD = (
    "| endpoint | molecules | cutting | pairing | descriptors | share | changes | bytes | suggestions, each |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)
ASKED = 100
"""Molecules that suggestions are made for."""
T = TypeVar("T")


def main() -> None:
    lines = [line for name in ENDPOINTS for line in measured(name)]
    if "--write" in sys.argv:
        write_between(DOCUMENT, "table", [*HEAD, *lines])


def measured(name: str) -> list[str]:
    """Return and print a line of the table for every eighth of an endpoint's molecules, and for every fourth."""
    endpoint = load_configs(ROOT / "configs").endpoints[name]
    dataset = make_dataset(endpoint.dataset, ROOT)
    everyone, values = dataset.molecules(), endpoint.target.to_training(dataset.values)
    lines = []
    for step in (8, 4):
        molecules, exact = everyone[::step], dataset.exact[::step]
        cutting, _ = timed(lambda: [single_cuts(each.mol) for each in molecules])  # noqa: B023  called at once
        whole, found = timed(lambda: find_matched_pairs(molecules, values[::step], exact))  # noqa: B023
        baseline, _ = timed(lambda: featurizers.featurize(["rdkit_descriptors"], molecules))  # noqa: B023
        with tempfile.TemporaryDirectory() as folder:
            manifest = write(Path(folder) / "bundle", direction="higher").manifest
        asked = [each.smiles for each in molecules[:: max(1, len(molecules) // ASKED)]]
        _ = found.by_part
        suggesting, _ = timed(lambda: [suggested(found, manifest, each) for each in asked])  # noqa: B023
        size = len(json.dumps(found.as_json()))
        print(f"{name}, {len(molecules):,} molecules: {whole:.1f} s, {whole / baseline:.2f} of the descriptors' time")
        lines.append(
            f"| {endpoint.title} | {len(molecules):,} | {cutting:.1f} s | {whole - cutting:.1f} s | {baseline:.1f} s "
            f"| {whole / baseline:.2f} | {len(found.changes):,} | {size:,} "
            f"| {1000 * suggesting / len(asked):.1f} ms |"
        )
    return lines


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the processor time of a call in seconds, and what it gave."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


if __name__ == "__main__":
    main()
