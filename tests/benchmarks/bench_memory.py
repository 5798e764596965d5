"""Memory and size of models by the number of rows: while they are fitted, and where they serve.

Run `python -m tests.benchmarks.bench_memory 1000 5000 --models rf xgb gp`. Rows are real molecules that installed
packages ship, and beyond those 11,000 new ones of their halves, featurized as the models' YAML says; what is learnt is
a linear sum of their fingerprints, with noise. Each model is fitted in a process of its own and loaded in another, and
figures are what these take beyond what they had before: at most (peak), and in the end (resident). Seconds and
milliseconds are processor time. The law is the exponent of the growth between the two largest sizes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule
from model_zoo.config.files import load_configs
from tests.real_molecules import real

ROOT = Path(__file__).parents[2]
RESULT = Path(__file__).parent / "results" / "memory.json"
SHOWN = {
    "fit_s": "fitting, s",
    "fit_peak_mb": "fitting, peak MB",
    "file_mb": "file, MB",
    "load_s": "loading, s",
    "load_peak_mb": "loading, peak MB",
    "resident_mb": "loaded, resident MB",
    "one_ms": "one molecule, ms",
    "of_256_ms": "a molecule of 256, ms",
}
COMMON = """
import json, sys, time
from pathlib import Path
import numpy as np

def told(kind):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(kind)) / 1000

def fresh():
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return told("VmRSS")
"""
FIT = f"""{COMMON}
import onnx, onnxruntime, scipy.linalg, sklearn.ensemble, sklearn.linear_model
from model_zoo import models
from model_zoo.config.files import load_configs
name, X, y, place = sys.argv[1], np.load(sys.argv[2]), np.load(sys.argv[3]), Path(sys.argv[4])
spec = load_configs(Path("configs")).models[name]
recipe, config = models.get(spec.recipe), spec.settings()
before, began = fresh(), time.process_time()
model = recipe.train(X, y, config)
model.save(place)
print(json.dumps([time.process_time() - began, told("VmHWM") - before]))
"""
LOAD = f"""{COMMON}
import onnxruntime
from model_zoo.fitted_models.formats import load_model
X, place = np.load(sys.argv[1]), Path(sys.argv[2])
before, began = fresh(), time.process_time()
model = load_model(place)
figures = [time.process_time() - began, told("VmHWM") - before, told("VmRSS") - before]
for rows in (1, len(X)):
    model.predict(X[:rows])
    used = []
    for _ in range(5):
        began = time.process_time()
        model.predict(X[:rows])
        used.append(1000 * (time.process_time() - began) / rows)
    figures.append(min(used))
print(json.dumps(figures))
"""


def measure(name: str, X: np.ndarray, y: np.ndarray, folder: Path) -> dict[str, float]:
    """Measure one model on `n x d` features and `n` values."""
    files = [folder / "X.npy", folder / "y.npy", folder / "some.npy", folder / "model"]
    files[3].mkdir()
    for file, content in zip(files, (X, y, X[:256]), strict=False):
        np.save(file, content)
    fit_s, fit_peak = _run(FIT, name, files[0], files[1], files[3])
    load_s, load_peak, resident, one, many = _run(LOAD, files[2], files[3])
    size = sum(path.stat().st_size for path in files[3].rglob("*") if path.is_file()) / 1e6
    figures = (fit_s, fit_peak, size, load_s, load_peak, resident, one, many)
    return dict(zip(SHOWN, figures, strict=True))


def _run(code: str, *arguments: object) -> list[float]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(figures: dict[int, dict[str, float]], shown: Mapping[str, str] = SHOWN) -> list[str]:
    """Write figures by size as lines of a table, with the law."""
    sizes = sorted(figures)
    lines = ["| | " + " | ".join(f"{size:,} rows" for size in sizes) + " | law |", "| --- " * (len(sizes) + 2) + "|"]
    for name, title in shown.items():
        values = [figures[size][name] for size in sizes]
        law = ""
        if len(values) > 1 and min(values[-2:]) > 0:
            law = f"n^{math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2]):.1f}"
        lines.append(f"| {title} | " + " | ".join(f"{value:.3g}" for value in values) + f" | {law} |")
    return lines


def molecules(count: int) -> list[Molecule]:
    """Return so many real molecules; once the installed packages have none left, new ones of their halves."""
    from tests.benchmarks.bench_rows import recombined

    rdBase.DisableLog("rdApp.*")
    found: dict[str, Molecule] = {}
    for mol in itertools.chain(map(Chem.MolFromSmiles, real()), recombined()):
        if mol is not None and 5 <= mol.GetNumAtoms() <= 60:
            found.setdefault(Chem.MolToSmiles(mol), Molecule(Chem.MolToSmiles(mol), mol))
        if len(found) == count:
            break
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[1000, 5000], help="numbers of rows, ascending")
    parser.add_argument("--models", nargs="+", default=["rf", "xgb", "gp"])
    parser.add_argument("--write", action="store_true", help="keep the figures for `docs/performance.md`")
    options = parser.parse_args(arguments)
    known, configs = molecules(max(options.sizes)), load_configs(ROOT / "configs").models
    order = np.random.default_rng(0).permutation(len(known))
    blocks: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(block for model in options.models for block in configs[model].features):
        began = time.process_time()
        blocks[name] = featurizers.get(name).featurize([known[row] for row in order])
        print(f"{name}: {1000 * (time.process_time() - began) / len(known):.2f} ms a molecule", flush=True)
    for model in options.models:
        X = featurizers.join([blocks[name] for name in configs[model].features])
        generator = np.random.default_rng(1)
        y = np.minimum(X[:, :1024], 3) @ generator.normal(size=min(1024, X.shape[1]))
        y = y / y.std() + 0.3 * generator.normal(size=len(y))
        figures = {}
        for size in options.sizes:
            with tempfile.TemporaryDirectory() as scratch:
                figures[size] = measure(model, X[:size], y[:size], Path(scratch))
        print(f"\n{model}\n" + "\n".join(table(figures)), flush=True)
        if options.write:
            content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
            content[model] = {str(size): figures[size] for size in figures}
            RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
