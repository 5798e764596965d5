"""How exact and how fast the 217 descriptors are.

Compares the featurizer with RDKit's own calculator on 10,000 molecules, number by number and bit by bit, and prints
molecules per second of CPU time of one core, parsing left out, for both in the same run. Exits with 1 at the first
kind of difference. `python -m tests.benchmarks.bench_descriptors [MOLECULES]`.

With `--gain`, what they are worth instead: cross-validated scores of boosted trees and the Gaussian process on two
embedded endpoints with all 217, with the 28 of `descriptors` in their place, and with fingerprints alone.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors

from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from model_zoo.featurizers import featurize, width
from model_zoo.featurizers.rdkit_descriptors import NAMES, compute
from model_zoo.training.cross_validation import TrainingData, cross_validate
from tests.real_molecules import at_least, drugs
from tests.server_process import ROOT

TIMED = 1_000
ALL = "rdkit_descriptors"


def calculator(mol: Chem.Mol) -> np.ndarray:
    """Return what RDKit's own list gives."""
    with np.errstate(all="ignore"):
        values = Descriptors.CalcMolDescriptors(mol, missingVal=math.nan)  # type: ignore[no-untyped-call]
    return np.array(list(values.values()), dtype=np.float64)


def main() -> None:
    """Print the figures."""
    if sys.argv[1:] == ["--gain"]:
        for endpoint in ("hydration_free_energy", "solubility_logs"):
            gain(endpoint)
        return
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    # Drugs are timed, evenly over their list; whatever a first molecule loads is loaded before.
    chosen = drugs()[:: max(1, len(drugs()) // TIMED)][:TIMED]
    report("drugs", [smiles for smiles in chosen if Chem.MolFromSmiles(smiles) is not None])
    report("all", [smiles for smiles in at_least(number + 10) if Chem.MolFromSmiles(smiles) is not None][:number])


def report(name: str, smiles: list[str]) -> None:
    """Compare and time both on one set of molecules."""
    for text in smiles[:200]:
        compute(Chem.MolFromSmiles(text))
        calculator(Chem.MolFromSmiles(text))
    ours, theirs, wrong = 0, 0, Counter[str]()
    for text in smiles:
        mol, other = (
            Chem.MolFromSmiles(text),
            Chem.MolFromSmiles(text),
        )  # RDKit's calculator keeps results on a molecule
        began = time.process_time_ns()
        values = compute(mol)
        middle = time.process_time_ns()
        expected = calculator(other)
        theirs += time.process_time_ns() - middle
        ours += middle - began
        same = (values.view(np.int64) == expected.view(np.int64)) | (values == expected)  # 0.0 and -0.0 are one number
        same |= np.isnan(values) & np.isnan(expected)
        wrong.update(NAMES[column] for column in np.flatnonzero(~same))
    count = len(smiles)
    print(f"{name}: {count} molecules x {len(NAMES)} descriptors, {sum(wrong.values())} differ {dict(wrong) or ''}")
    print(f"  this featurizer:   {count / ours * 1e9:7.0f} molecules/s per core, {ours / count / 1e6:.2f} ms each")
    print(f"  RDKit's calculator:{count / theirs * 1e9:7.0f} molecules/s per core, {theirs / count / 1e6:.2f} ms each")
    print(f"  ratio: {theirs / ours:.2f}")
    if wrong:
        sys.exit(1)


def gain(name: str) -> None:
    """Cross-validate with all descriptors, with few, and with none."""
    configs = load_configs(ROOT / "configs")
    endpoint = configs.endpoints[name]
    dataset = make_dataset(endpoint.dataset, ROOT)
    for model in (configs.models[each] for each in ("gp", "xgb", "catboost")):
        blocks = model.settings(name).model_dump().get("blocks", ())
        for instead in (ALL, "descriptors", None):
            features = [instead if each == ALL else each for each in model.features]
            read = [each for each in features if each]
            kept = [block for block, each in zip(blocks, features, strict=False) if each]
            kept = [{**block, "columns": width(each)} for block, each in zip(kept, read, strict=False)]
            config = model.settings(name)
            if kept:
                config = type(config).model_validate({**config.model_dump(), "blocks": kept})
            X = featurize(read, dataset.molecules())
            data = TrainingData(X, dataset.values, dataset.folds, dataset.exact)
            score = cross_validate(model.recipe, config, endpoint.target, data).summary()[endpoint.champion.metric]
            print(f"{name} {model.name:9}{instead or 'none':18} {score['mean']:.3f} +- {score['std']:.3f}", flush=True)


if __name__ == "__main__":
    main()
