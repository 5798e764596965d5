"""How long the whole loop takes on the embedded data: the first run, nothing changed, one model's code changed.

Works on a copy of the checkout with a state folder of its own. Prints wall seconds, the share of the first run that is
not the assets' own work (orchestration: imports, Dagster, MLflow's start, book-keeping), and the ratio of the other
runs to the first. Takes as long as a first `make run`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARTS = ("ai_drug_assets", "model_zoo", "serving", "configs")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        for part in PARTS:
            shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / part, project / part)
        first, first_s = run(project)
        work = sum(work_seconds(project).values())
        print(f"first run: {first_s:.0f} s wall for {len(first['made'])} assets, {len(first['failed'])} failed")
        print(f"  the assets' own work: {work:.0f} s; orchestration: {(first_s - work) / first_s:.1%}")
        for kind, seconds in work_seconds(project).items():
            print(f"    {kind:<18} {seconds:6.1f} s")
        again, again_s = run(project)
        print(
            f"nothing changed: {again_s:.1f} s, made {len(again['made'])}; ratio to the first {again_s / first_s:.3f}"
        )
        model = project / "model_zoo/models/rf.py"
        model.write_text(model.read_text().replace("CHECKED_ROWS = 256", "CHECKED_ROWS = 255"))
        one, one_s = run(project)
        print(f"code of rf changed: {one_s:.0f} s; ratio to the first {one_s / first_s:.3f}; what ran:")
        for key in one["made"]:
            print(f"    {key}")


def run(project: Path) -> tuple[dict[str, Any], float]:
    """Run `aidrug run --json`; give its report and the wall seconds of the whole process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AIDRUG", "DAGSTER"))}
    environment |= {"PYTHONPATH": str(project), "AIDRUG_HOME": str(project / "home"), "AIDRUG_SERVICE_PORT": "9"}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ai_drug_assets", "run", "--json"],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return json.loads(done.stdout), time.perf_counter() - began


def work_seconds(project: Path) -> dict[str, float]:
    """Add up, by kind of asset, the seconds that bodies took, from the runs' own event log."""
    script = """
import json, dagster as dg
seconds = {}
with dg.DagsterInstance.get() as instance:
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            materialization = entry.dagster_event.event_specific_data.materialization
            kind = materialization.asset_key.path[0]
            seconds[kind] = seconds.get(kind, 0.0) + materialization.metadata["work_s"].value
print(json.dumps(seconds))
"""
    environment = {**os.environ, "DAGSTER_HOME": str(project / "home/dagster"), "PYTHONPATH": str(project)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds


if __name__ == "__main__":
    main()
