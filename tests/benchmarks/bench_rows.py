"""How one endpoint grows with its rows: curation and split, features, a cross-validated booster, publication.

Run `python -m tests.benchmarks.bench_rows 1000 10000`. The molecules are new ones of real parts: molecules that
installed packages ship are cut at a single bond outside rings, and halves of two are joined, seeded. Values are their
calculated lipophilicity with noise. Every size runs in a process of its own, which works as a run does: curation, split
and features in as many processes as `--cores`, the booster with as many threads. Seconds are those of the processor,
of all processes together, unless they say *by the clock*; peaks are the most that they had resident together, looked
at five times a second. The law is the exponent of the growth between the two largest sizes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

from model_zoo.chemistry.similarity import pack
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import DatasetConfig, make_dataset
from model_zoo.data.splits import leaks
from model_zoo.data.targets import Target
from model_zoo.features.cache import FeatureCache
from model_zoo.training.cross_validation import TrainingData
from model_zoo.training.fit import Learner, Sources, fit, write_features
from model_zoo.training.validation import plain_errors
from model_zoo.uncertainty.applicability_domain import fit_domain
from model_zoo.uncertainty.fit import OutOfFoldPredictions, fit_uncertainty
from tests.benchmarks.bench_memory import table
from tests.real_molecules import real

ROOT = Path(__file__).parents[2]
RESULT = Path(__file__).parent / "results" / "rows.json"
STEPS = {
    "dataset": "curation and split",
    "leaks": "the check for leaks",
    "features": "features",
    "xgb": "xgb, cross-validated",
    "publication": "domain, intervals",
}
SHOWN = {
    **{f"{name}_s": f"{title}, s" for name, title in STEPS.items()},
    **{f"{name}_clock_s": f"{title}, s by the clock" for name, title in STEPS.items()},
    **{f"{name}_mb": f"{title}, peak MB" for name, title in STEPS.items()},
    "blocks_mb": "features on disk, MB",
    "cache_mb": "rows of features that are kept for other endpoints, MB",
}
T = TypeVar("T")


def recombined(seed: int = 0) -> Iterator[Chem.Mol]:
    """Yield different molecules of real halves without end."""
    rdBase.DisableLog("rdApp.*")
    single = Chem.MolFromSmarts("[!#1;!R0,R0]-!@[#6]")
    halves: list[Chem.Mol] = []
    for smiles in real()[::4]:
        mol = Chem.MolFromSmiles(smiles)
        if mol is None or mol.GetNumAtoms() > 40:
            continue
        for begin, end in islice(mol.GetSubstructMatches(single), 4):
            bond = mol.GetBondBetweenAtoms(begin, end).GetIdx()
            parts = Chem.GetMolFrags(Chem.FragmentOnBonds(mol, [bond], dummyLabels=[(0, 0)]), asMols=True)
            halves += [part for part in parts if len(parts) == 2 and 5 <= part.GetNumAtoms() <= 20]
    for half in halves:
        next(atom for atom in half.GetAtoms() if atom.GetAtomicNum() == 0).SetAtomMapNum(1)
    draw, known = random.Random(seed), set[str]()
    while True:
        made = Chem.molzip(draw.choice(halves), draw.choice(halves))
        smiles = Chem.MolToSmiles(made)
        mol = Chem.MolFromSmiles(smiles)
        if mol is not None and "*" not in smiles and "." not in smiles and smiles not in known:
            known.add(smiles)
            yield mol


def measure(rows: int, folder: Path, cores: int) -> dict[str, float]:
    """Take an endpoint of so many rows through everything, in this process and its children."""
    figures: dict[str, float] = {}

    def step(name: str, work: Callable[[], T]) -> T:
        began, clock = _processor_seconds(), time.perf_counter()
        with _peak() as peak:
            made = work()
        figures[f"{name}_s"] = _processor_seconds() - began
        figures[f"{name}_clock_s"] = time.perf_counter() - clock
        figures[f"{name}_mb"] = peak[0]
        shown = ", ".join(f"{figures[f'{name}_{kind}']:.0f} {kind}" for kind in ("s", "clock_s", "mb"))
        print(f"{name}: {shown}", file=sys.stderr, flush=True)
        return made

    noise = np.random.default_rng(0).normal(size=rows)
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as stream:
        written = zip(islice(recombined(), rows), noise, strict=True)
        lines = (
            (Chem.MolToSmiles(mol), f"{rdMolDescriptors.CalcCrippenDescriptors(mol)[0] + 0.3 * extra:.4f}")
            for mol, extra in written
        )
        csv.writer(stream).writerows([("smiles", "value"), *lines])
    target = Target(task="regression")
    source = {"kind": "csv", "files": (str(folder / "rows.csv"),)}
    config = DatasetConfig.model_validate({"task": "regression", "unit": "1", "source_unit": "1", "source": source})
    spec = load_configs(ROOT / "configs").models["xgb"]
    snapshot = step("dataset", lambda: make_dataset(config, ROOT, cores))
    step("leaks", lambda: leaks(snapshot.table, cores))
    snapshot.save(folder)
    cache = FeatureCache(folder / "cache", ROOT, cores)
    files = {name: folder / f"{name}.npz" for name in spec.features}

    def featurize() -> None:
        for name, file in files.items():
            write_features(folder, name, cache.joined, file)

    step("features", featurize)
    figures["blocks_mb"] = sum(file.stat().st_size for file in files.values()) / 1e6
    figures["cache_mb"] = sum(file.stat().st_size for file in (folder / "cache").rglob("*.npz")) / 1e6
    (folder / "xgb").mkdir()
    learner, sources = Learner("xgb", spec.settings(), target, spec.features), Sources(folder, files)

    def watch(data: TrainingData) -> AbstractContextManager[None]:
        return plain_errors("xgb", target, data)

    step("xgb", lambda: fit(learner, sources, cache.joined, watch, folder / "xgb"))
    raw = np.load(folder / "xgb" / "predictions.npz")["raw"]
    train = snapshot.folds >= 0

    def publish() -> None:
        molecules = snapshot.molecules()
        packed, kinds = pack(molecules), size_and_kind(molecules)
        fit_domain(packed[train], kinds[train], snapshot.folds[train])
        held, test = (
            OutOfFoldPredictions(raw[at], snapshot.values[at], packed[at], kinds[at], snapshot.folds[at])
            for at in (train, ~train)
        )
        fit_uncertainty(target, held, test)

    step("publication", publish)
    return figures


def _processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Watch the resident memory of this process and its children, in MB."""
    most, done, own = [0.0], threading.Event(), psutil.Process()

    def watch() -> None:
        while True:
            total = 0
            for process in (own, *own.children()):
                with suppress(psutil.Error):  # it has ended
                    total += process.memory_info().rss
            most[0] = max(most[0], total / 1e6)
            if done.wait(0.2):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[1000, 10_000], help="numbers of rows, ascending")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="processes, and threads of the booster")
    parser.add_argument("--one", action="store_true", help="measure one size in this process, and print JSON")
    parser.add_argument("--write", action="store_true", help="keep the figures for `docs/performance.md`")
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure(options.sizes[0], Path(scratch), options.cores)))
        return
    # Threads that wait do not spin: beside others' work that would count as theirs.
    figures, environment = {}, {**os.environ, "OMP_NUM_THREADS": str(options.cores), "OMP_WAIT_POLICY": "PASSIVE"}
    for size in options.sizes:
        command = [sys.executable, "-m", "tests.benchmarks.bench_rows", str(size), "--one", "--cores"]
        command += [str(options.cores)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, env=environment)
        if done.returncode:
            raise RuntimeError(f"{size} rows: ended with {done.returncode}")
        figures[size] = json.loads(done.stdout.splitlines()[-1])
        print(size, json.dumps(figures[size]), flush=True)
        if options.write:  # after each size: a run of hours that is cut off leaves what it measured
            content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
            content[str(size)] = {**figures[size], "busy": round(os.getloadavg()[2], 1), "cores": options.cores}
            RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print("\n".join(table(figures, SHOWN)))


if __name__ == "__main__":
    main()
