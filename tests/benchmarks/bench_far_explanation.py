"""What explanations are worth where a network is asked about molecules far larger than those that it learnt from.

`mlp` learns free energies of hydration (at most 24 heavy atoms) and explains 60 drugs of 10 to 50. Shown: the share of
its predictions that the sum over atoms reproduces, and how the sums of groups compare with what the model does lose
when hydrogen takes a group's place (`lost`). `python -m tests.benchmarks.bench_far_explanation [--write]`; half a
minute.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from model_zoo import featurizers, models
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.explanation.explanation_file import load_explainer, write_tables
from model_zoo.explanation.fragments import fragments_of
from model_zoo.fitted_models.formats import load_model
from tests.benchmarks.bench_explanation import DOCUMENT, ROOT
from tests.benchmarks.marked_table import write_between

FEATURES = ("rdkit_descriptors",)
DRUGS, EVERY = 60, 25


def main() -> None:
    """Print the table, and write it where asked."""
    endpoint = load_configs(ROOT / "configs").endpoints["hydration_free_energy"]
    dataset = make_dataset(endpoint.dataset, ROOT)
    known = [each for each, fold in zip(dataset.molecules(), dataset.folds, strict=True) if fold >= 0]
    X, recipe = featurizers.featurize(FEATURES, known), models.get("mlp")
    config: Any = recipe.Config.model_validate({"hidden": 64, "members": 2, "epochs": 40})
    model = recipe.train(X, dataset.values[dataset.folds >= 0], config)
    listed = chembl_drugs()
    assert listed is not None, "the drugs come with a package of the project"
    read = (parse_molecule(text) for text in listed.smiles[::EVERY])
    drugs = [each for each in read if isinstance(each, Molecule) and 10 < each.mol.GetNumHeavyAtoms() < 50][:DRUGS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        model.save(folder / "model")
        write_tables(folder, folder / "model", X, endpoint.target, [each.smiles for each in known], FEATURES, drugs)
        explainer = load_explainer(folder, load_model(folder / "model"), FEATURES, endpoint.target, endpoint.unit)
    assert explainer.atom_values is not None
    pairs, times = [], []
    for drug in drugs:
        began = time.process_time()
        why = explainer.explain(drug)
        times.append(1000 * (time.process_time() - began))
        pairs += [
            (each.worth, each.lost) for each in fragments_of(drug.mol, why.atoms, why.lost) if each.lost is not None
        ]
    sums, lost = np.array(pairs).T
    figures = (
        f"{explainer.atom_values.numbers[1]:.2f}", len(pairs), f"{np.corrcoef(sums, lost)[0, 1]:.2f}",
        f"{np.mean(np.sign(sums) == np.sign(lost)):.2f}", f"{np.abs(sums).mean():.1f}", f"{np.abs(lost).mean():.1f}",
        f"{np.median(times):.0f}",
    )  # fmt: skip
    lines = [
        "| share reproduced | groups | r of sums and losses | signs right | size of sums | size of losses | ms |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| " + " | ".join(map(str, figures)) + " |",
    ]
    print("\n".join(lines))
    if "--write" in sys.argv:
        write_between(DOCUMENT, "far", lines)


if __name__ == "__main__":
    main()
