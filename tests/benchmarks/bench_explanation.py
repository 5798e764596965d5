"""How true explanations are where the truth is known, and what they cost.

Trains each family on 600 of the embedded solubility molecules for targets whose atoms are known, and explains 100
others: Crippen's logP and the polar surface (sums over atoms), an additive property with an interaction planted into
it (an aryl halide counts twice where there is an amide), and whether there is an aromatic nitro group. **The target's
own descriptors, and every one that correlates with it by more than 0.9, are taken away**: with them, a model of logP is
explained by the parts of `MolLogP`, and proves nothing. Told beside each other: the rule of bundles, and the one before
it (occlusion of atoms for kernels; what a column moved, owed to atoms that raise it, for trees).
`python -m tests.benchmarks.bench_explanation [--write] [FAMILY ...]`; `--write` puts the table into
`docs/explanations.md`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from model_zoo import featurizers, models
from model_zoo.chemistry.molecules import Molecule
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from model_zoo.data.targets import Target
from model_zoo.explanation.explainer import Explainer, load_explainer, write_tables
from model_zoo.explanation.kernel_table import KernelTable
from model_zoo.featurizers import rdkit_descriptors
from model_zoo.fitted_models.formats import load_model
from model_zoo.io.files import atomic_write

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "explanations.md"
TRAINED, EXPLAINED = 600, 100
FEATURES = ("morgan_count", "avalon_count", "erg", "rdkit_descriptors")
LEAK = 0.9
CLEAR = 0.05
"""Atoms worth less than this have no sign to get right."""
FAMILIES: dict[str, dict[str, Any]] = {
    "rf": {"n_estimators": 200, "max_features": 0.1},
    "xgb": {"n_estimators": 500, "max_depth": 5, "learning_rate": 0.03, "subsample": 0.7, "colsample_bytree": 0.1},
    "catboost": {"iterations": 300, "depth": 6, "random_strength": 2.0, "rsm": 0.1, "border_count": 32},
    "gp": {
        "likelihood_rows": 500,
        "blocks": [
            {"columns": 1024, "largest": 8},
            {"columns": 1024, "largest": 8},
            {"columns": 315, "per_count": 0.3, "largest": 12},
            {"columns": 217, "distance": "rank"},
        ],
    },
    "svm": {},
}
READS = {"svm": ("morgan_count",)}
NITRO = Chem.MolFromSmarts("c[N+](=O)[O-]")
ARYL_HALIDE = Chem.MolFromSmarts("c[F,Cl,Br,I]")
AMIDE = Chem.MolFromSmarts("C(=O)N")


@dataclass(frozen=True)
class Truth:
    """A target whose atoms are known: `parts` per molecule, and descriptors that tell it outright."""

    name: str
    parts: list[np.ndarray]
    values: np.ndarray
    task: str
    told_by: tuple[str, ...]


def main() -> None:
    """Print the table, and write it where asked."""
    chosen = [name for name in sys.argv[1:] if name != "--write"] or list(FAMILIES)
    dataset = make_dataset(load_configs(ROOT / "configs").endpoints["solubility_logs"].dataset, ROOT)
    suited = [each for each in dataset.molecules() if 8 <= each.mol.GetNumHeavyAtoms() <= 45]
    order = np.random.default_rng(0).permutation(len(suited))[: TRAINED + EXPLAINED]
    molecules = [suited[place] for place in order]
    X = featurizers.featurize(FEATURES, molecules)
    lines = [
        "| truth | family | R2 or AUROC | r | before | signs | before | sum of atoms, by size | true | ms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for truth in truths(molecules):
        for family in chosen:
            line = one(truth, family, molecules, X)
            print(line, flush=True)
            lines.append(line)
    if "--write" in sys.argv:
        write(lines)


def truths(molecules: list[Molecule]) -> list[Truth]:
    """Give the targets."""
    logp = [crippen(each.mol) for each in molecules]
    tpsa = [np.array(list(rdMolDescriptors._CalcTPSAContribs(each.mol))) / 20 for each in molecules]
    mixed = [planted(each.mol) for each in molecules]
    nitro = [marked(each.mol, NITRO) for each in molecules]
    return [
        Truth("logP", logp, sums(logp), "regression", ("MolLogP",)),
        Truth("polar surface / 20", tpsa, sums(tpsa), "regression", ("TPSA",)),
        Truth("planted interaction", mixed, sums(mixed), "regression", ()),
        Truth("aromatic nitro group", nitro, (sums(nitro) > 0).astype(float), "binary", ("fr_nitro", "fr_nitro_arom")),
    ]


def sums(parts: list[np.ndarray]) -> np.ndarray:
    """Sum the parts of each molecule."""
    return np.array([each.sum() for each in parts])


def crippen(mol: Chem.Mol) -> np.ndarray:
    """Give each atom's part in Crippen's logP, with its hydrogens."""
    whole = Chem.AddHs(mol)
    values = [logp for logp, _ in rdMolDescriptors._CalcCrippenContribs(whole)]
    parts = np.array(values[: mol.GetNumAtoms()])
    for atom in list(whole.GetAtoms())[len(parts) :]:
        parts[atom.GetNeighbors()[0].GetIdx()] += values[atom.GetIdx()]
    return parts


def planted(mol: Chem.Mol) -> np.ndarray:
    """Give 0.3 to each aromatic atom, -0.5 to oxygens, 0.8 to halogens of aryls and twice that beside an amide."""
    amide = mol.HasSubstructMatch(AMIDE)
    parts = np.array([0.3 * atom.GetIsAromatic() - 0.5 * (atom.GetAtomicNum() == 8) for atom in mol.GetAtoms()])
    for _, halogen in mol.GetSubstructMatches(ARYL_HALIDE):
        parts[halogen] += 1.6 if amide else 0.8
    return parts


def marked(mol: Chem.Mol, pattern: Chem.Mol) -> np.ndarray:
    """Give 1 to the atoms of a pattern, but for the aromatic one that it hangs on."""
    parts = np.zeros(mol.GetNumAtoms())
    for match in mol.GetSubstructMatches(pattern):
        parts[list(match[1:])] = 1.0
    return parts


def one(truth: Truth, family: str, molecules: list[Molecule], X: np.ndarray) -> str:
    """Train a family on a truth, and tell how well its explanations follow it."""
    features = READS.get(family, FEATURES)
    X = without_leaks(X, truth)[:, : sum(featurizers.featurize([name], molecules[:1]).shape[1] for name in features)]
    recipe = models.get(family)
    config = recipe.Config.model_validate({"task": truth.task, **FAMILIES[family]})
    model = recipe.train(X[:TRAINED], truth.values[:TRAINED], config)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").mkdir()
        model.save(Path(folder) / "model")
        write_tables(Path(folder), Path(folder) / "model", X[:TRAINED])
        loaded = load_model(Path(folder) / "model")
        target = Target(task="binary" if truth.task == "binary" else "regression")
        now = load_explainer(Path(folder), loaded, features, target, "")
    parts = [replace(part, table=None) if isinstance(part.table, KernelTable) else part for part in now.parts]
    before = Explainer(parts, X[:TRAINED].mean(axis=0), features, target, "")
    new, ms = explained(now, molecules[TRAINED:])
    old, _ = explained(before, molecules[TRAINED:])
    quality = fit(truth, model.predict(X[TRAINED:]))
    figures = [agreement(truth, each) for each in (new, old)]
    (r, signs, size), (r_before, signs_before, _) = figures
    true = float(np.mean([np.abs(each).sum() for each in truth.parts[TRAINED:]]))
    cells = (truth.name, family, f"{quality:.2f}", f"**{r:.2f}**", f"{r_before:.2f}", f"**{signs:.2f}**",
             f"{signs_before:.2f}", f"{size:.2f}", f"{true:.2f}", f"{ms:.0f}")  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def without_leaks(X: np.ndarray, truth: Truth) -> np.ndarray:
    """Empty the descriptors that tell the target outright: a model never sees them vary."""
    X, first = X.copy(), X.shape[1] - len(rdkit_descriptors.NAMES)
    for place, name in enumerate(rdkit_descriptors.NAMES, start=first):
        column = X[:, place]
        if name in truth.told_by or (column.std() > 0 and abs(np.corrcoef(column, truth.values)[0, 1]) > LEAK):
            X[:, place] = 0
    return X


def explained(explainer: Explainer, molecules: list[Molecule]) -> tuple[list[np.ndarray], float]:
    """Explain molecules; give their atoms, and the median of the milliseconds of processor time."""
    atoms, times = [], []
    for each in molecules:
        began = time.process_time()
        atoms.append(np.array(explainer.explain(each).atoms))
        times.append((time.process_time() - began) * 1000)
    return atoms, float(np.median(times))


def agreement(truth: Truth, found: list[np.ndarray]) -> tuple[float, float, float]:
    """Give the mean correlation within molecules (AUROC for a label), the share of right signs, and the size."""
    within, signs = [], []
    for true, atoms in zip(truth.parts[TRAINED:], found, strict=True):
        clear = np.abs(true) > CLEAR
        if np.ptp(true) == 0:
            continue
        if truth.task == "binary":
            within.append(auroc(true > 0, atoms))
            signs.extend(atoms[clear] > 0)
        else:
            within.append(float(np.corrcoef(true, atoms)[0, 1]) if np.ptp(atoms) > 0 else 0.0)
            signs.extend(np.sign(atoms[clear]) == np.sign(true[clear]))
    return float(np.mean(within)), float(np.mean(signs)), float(np.mean([np.abs(each).sum() for each in found]))


def fit(truth: Truth, predicted: np.ndarray) -> float:
    """Give the model's R2 on the molecules that are explained, or its AUROC."""
    values = truth.values[TRAINED:]
    if truth.task == "binary":
        return auroc(values > 0, predicted)
    return float(1 - ((predicted - values) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def auroc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Give how often a positive is above a negative, ties by half."""
    above = scores[positive][:, None] - scores[~positive][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def write(lines: list[str]) -> None:
    """Put the table between the document's marks."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->")
    whole = before + "<!-- table -->\n" + "\n".join(lines) + "\n<!-- end of table -->" + after
    atomic_write(DOCUMENT, whole.encode())


if __name__ == "__main__":
    main()
