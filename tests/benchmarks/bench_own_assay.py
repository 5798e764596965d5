"""How long a table of 5,000 molecules and nine assays takes: `python -m tests.benchmarks.bench_own_assay FOLDER`.

FOLDER holds public data (`moleculenet/`), whose structures get made-up values; a third of the cells are empty. The
baseline is what any tool has to do at the least: standardise each structure once, in one process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from model_zoo.chemistry.molecules import Standardise
from model_zoo.data.standardised import standardised

ROOT = Path(__file__).parents[2]
ROWS = 5000
COLUMNS = (
    "HLM CLint (uL/min/mg)", "RLM CLint (uL/min/mg)", "MDR1 ER", "logD", "PPB (%)", "hERG IC50 (nM)",
    "Caco-2 Papp (1e-6 cm/s)", "Solubility (uM)", "CYP3A4 IC50 (uM)",
)  # fmt: skip


def main() -> None:
    """Run both commands in a fresh home, and print seconds, processor time and ratios to the baseline."""
    structures = _structures(Path(sys.argv[1]))
    began, rule = time.process_time(), Standardise()
    for text in structures:
        standardised(text, rule)
    least = time.process_time() - began
    print(f"baseline: {ROWS} structures standardised in one process: {least:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "configs").mkdir()
        (home / "configs" / "models").symlink_to(ROOT / "configs" / "models")
        _table(structures).to_csv(home / "wide.csv", index=False)
        _timed(home, least, "endpoint", "new", str(home / "wide.csv"), "--yes", "--together")
        names = [line.partition(":")[0] for line in _run(home, "endpoint", "list").splitlines()]
        assert len(names) == len(COLUMNS)
        _timed(home, least, "curate", *names)


def _structures(folder: Path) -> list[str]:
    parts = [pd.read_csv(folder / "moleculenet" / f"{name}.csv")["smiles"] for name in ("Lipophilicity", "bace")]
    return list(pd.concat(parts).drop_duplicates().head(ROWS))


def _table(structures: list[str]) -> pd.DataFrame:
    draw, made = np.random.default_rng(0), {"SMILES": structures}
    for name in COLUMNS:
        cells = draw.lognormal(2, 1, ROWS).round(3).astype(str).astype(object)
        cells[draw.random(ROWS) < 1 / 3] = ""
        made[name] = list(cells)
    return pd.DataFrame(made)


def _timed(home: Path, least: float, *words: str) -> None:
    before, began = os.times(), time.perf_counter()
    _run(home, *words)
    after, seconds = os.times(), time.perf_counter() - began
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    command = " ".join(words[:2] if words[0] == "endpoint" else words[:1])
    print(f"aidrug {command}: {seconds:.1f} s, {busy:.1f} s of processor time, {busy / least:.2f} of the baseline")


def _run(home: Path, *words: str) -> str:
    env = {**os.environ, "AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home / "home")}
    command = [sys.executable, "-m", "ai_drug_assets", *words]
    return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
