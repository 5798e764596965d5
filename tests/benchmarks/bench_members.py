"""What does a blend gain from members that read a pretrained embedding, by the size of the set?

Each set's blend is scored as the product does, each fold by shares that were learnt from the others: of the models that
compete by default, and with `minimol`, with `gp_minimol`, and with both beside them. Out-of-fold predictions are those
of `aidrug benchmark` where its folder still keeps them, and are made where not (hours for all sets). Test rows take no
part. `python -m tests.benchmarks.bench_members FOLDER [SET]...`, FOLDER being that of `aidrug benchmark`; sets that
were not named stay as they were in `results/members.json`. The table goes into `docs/own-assay.md`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ai_drug_assets.operations.benchmarks import jobs
from ai_drug_assets.settings import Settings
from model_zoo.benchmark.boards import STRICT, competitors
from model_zoo.benchmark.candidates import BenchmarkRun, Kept, Snapshot
from model_zoo.benchmark.runner import Job
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import with_members
from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.selection.election import paired_p_value
from tests.benchmarks.marked_table import write_between

RESULTS = Path(__file__).parent / "results" / "members.json"
DOCUMENT = Path(__file__).parents[2] / "docs" / "own-assay.md"
BLEND, DEFAULT = "blend", "default"
BESIDE = {
    DEFAULT: (), "with minimol": ("minimol",), "with gp_minimol": ("gp_minimol",),
    "with both": ("minimol", "gp_minimol"),
}  # fmt: skip


def main() -> None:
    """Compare, and write the result."""
    folder, *only = sys.argv[1:]
    for job, endpoint in jobs(Settings.from_env(), folder, only=only):
        found = compared(job, endpoint)
        kept = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
        RESULTS.write_text(
            f"{json.dumps({**kept, endpoint.name: found}, indent=1, sort_keys=True)}\n", encoding="utf-8"
        )
    lines = table(json.loads(RESULTS.read_bytes()))
    write_between(DOCUMENT, "members", lines)
    print("\n".join(lines))


def compared(job: Job, endpoint: Endpoint) -> dict[str, Any]:
    """Return a set's rows, metric, and what each blend scores in each fold and costs."""
    strict = [model.name for model in competitors(job.models, STRICT)]
    metric, snapshot = endpoint.champion.metric, Snapshot(endpoint, job.folder, job.features)
    blends: dict[str, Any] = {}
    for title, beside in BESIDE.items():
        models = with_members([each for each in job.models if each.name in (*strict, *beside)], metric)
        run = BenchmarkRun(snapshot, {each.name: each for each in models}, job.code_root, Kept(job.kept), job.others)
        entry = run.cross_validate(BLEND)
        blends[title] = {"folds": entry["folds"][metric], "ms": entry["ms_per_molecule"], "shares": entry["shares"]}
    rows = int((snapshot.dataset.folds >= 0).sum())
    return {"metric": metric, "rows": rows, "task": endpoint.target.task, "blends": blends}


def error(metric: str, scores: list[float]) -> float:
    """Return what is left to gain: the mean error itself, or what a mean share or correlation lacks."""
    mean = float(np.mean(scores))
    return 1 - mean if HIGHER_IS_BETTER[metric] else mean


def table(found: dict[str, Any]) -> list[str]:
    """Write a row per set, the smallest first: how each blend changes the error, in per cent, and its p over folds."""
    lines = [
        f"| set | rows | metric | {DEFAULT} | " + " | ".join(title for title in BESIDE if title != DEFAULT) + " |",
        "|---|---|---|" + "---|" * len(BESIDE),
    ]
    for name, one in sorted(found.items(), key=lambda item: item[1]["rows"]):
        metric, blends = one["metric"], one["blends"]
        before = blends[DEFAULT]["folds"]
        cells = []
        for title in BESIDE:
            if title == DEFAULT:
                cells.append(f"{np.mean(before):.4f}")
                continue
            after = blends[title]["folds"]
            change = 100 * (error(metric, after) / error(metric, before) - 1)
            p = paired_p_value(after, before, higher_is_better=HIGHER_IS_BETTER[metric])
            cells.append(f"{change:+.1f} % (p {p:.2f})")
        lines.append(f"| {name} | {one['rows']} | {metric} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
