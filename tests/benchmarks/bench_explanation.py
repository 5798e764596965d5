"""How true explanations are where the truth is known, how true to the model where it is not, and what they cost.

Trains each family on 600 of the embedded solubility molecules for targets whose atoms are known, and explains others:
Crippen's logP, the polar surface and the molar refractivity (sums over atoms), an additive property with an interaction
planted into it (an aryl halide counts twice where there is an amide), and whether there is an aromatic nitro group, or
a carboxylic acid. **The target's own descriptors, and every one that correlates with it by more than 0.9, are taken
away** from what models and explanations see: with them, a model of logP is explained by the parts of `MolLogP`, and
proves nothing. Beside it: occlusion (what the prediction loses when an atom is masked). And what needs no truth:
groups at the end of a bond are taken off, and what the model says of the molecule without the group is set against the
sum of the group's atoms.

Networks, which take long to train, are trained small. The refractivity and the acid took no part in choosing the
method. *reproduced* is the share of the variance of predictions for the explained molecules that atoms alone give.
`python -m tests.benchmarks.bench_explanation [--write] [FAMILY ...]`; `--write` puts the table into
`docs/explanations.md`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from model_zoo import featurizers, models
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from model_zoo.data.targets import Target
from model_zoo.explanation import masking
from model_zoo.explanation.explainer import Explainer, Part
from model_zoo.explanation.explanation_file import load_explainer, write_tables
from model_zoo.featurizers import rdkit_descriptors
from model_zoo.fitted_models.formats import BlendMember, BlendModel, Model, load_model
from model_zoo.models._auxiliary import Auxiliary
from tests.benchmarks.marked_table import write_between

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "explanations.md"
TRAINED, EXPLAINED, MASKED = 600, 100, 40
"""Molecules that are trained on, explained, and (for occlusion is slow) masked atom by atom."""
FEATURES = ("morgan_count", "avalon_count", "erg", "rdkit_descriptors")
LEAK = 0.9
CLEAR = 0.05
"""Atoms worth less than this have no sign to get right."""
LARGEST_GROUP, SMALLEST_REST = 8, 6
"""Heavy atoms of what is taken off, and of what has to be left."""
BLOCKS: list[dict[str, Any]] = [
    {"columns": 1024, "largest": 8},
    {"columns": 1024, "largest": 8},
    {"columns": 315, "per_count": 0.3, "largest": 12},
    {"columns": 217, "distance": "rank"},
]
COUNTS = [{key: value for key, value in block.items() if key in ("columns", "distance")} for block in BLOCKS]
FAMILIES: dict[str, dict[str, Any]] = {
    "rf": {"n_estimators": 200, "max_features": 0.1},
    "xgb": {"n_estimators": 500, "max_depth": 5, "learning_rate": 0.03, "subsample": 0.7, "colsample_bytree": 0.1},
    "catboost": {"iterations": 300, "depth": 6, "random_strength": 2.0, "rsm": 0.1, "border_count": 32},
    "gp": {"likelihood_rows": 500, "blocks": BLOCKS},
    "svm": {},
    "mlp": {"hidden": 128, "members": 3},
    "mlp_joint": {"hidden": 128, "members": 2, "blocks": COUNTS},
    "multitask": {"likelihood_rows": 300, "hidden": 128, "epochs": 10, "blocks": BLOCKS},
    "dmpnn": {"hidden": 64, "readout": 64, "epochs": 30},
    "transformer": {"steps": 400},
    "blend": {},
}
MEMBERS = ("rf", "svm", "mlp")
READS = {
    "svm": ("morgan_count",),
    "mlp": ("rdkit_descriptors",),
    "dmpnn": ("graph", "rdkit_descriptors"),
    "transformer": ("tokens",),
}
HEADER = """| truth | family | R2 or AUROC | r | occlusion | signs | occlusion | by size | true | without a group, r \
| occlusion | reproduced | ms |"""
NITRO = Chem.MolFromSmarts("c[N+](=O)[O-]")
ACID = Chem.MolFromSmarts("[#6]C(=O)[OX2H1]")
ARYL_HALIDE = Chem.MolFromSmarts("c[F,Cl,Br,I]")
AMIDE = Chem.MolFromSmarts("C(=O)N")
masking.masked_features = lru_cache(4096)(masking.masked_features.__wrapped__)


@dataclass(frozen=True)
class Truth:
    """A target whose atoms are known: `parts` per molecule, and descriptors that reveal it outright."""

    name: str
    parts: list[np.ndarray]
    values: np.ndarray
    task: str
    revealed_by: tuple[str, ...]


@dataclass(frozen=True)
class Whittled:
    """Molecules with a group taken off: which one, the atoms of the group, and what is left."""

    place: int
    atoms: list[int]
    left: Molecule


def main() -> None:
    """Print the table, and write it where asked."""
    chosen = [name for name in sys.argv[1:] if name != "--write"] or list(FAMILIES)
    dataset = make_dataset(load_configs(ROOT / "configs").endpoints["solubility_logs"].dataset, ROOT)
    suited = [each for each in dataset.molecules() if 8 <= each.mol.GetNumHeavyAtoms() <= 45]
    order = np.random.default_rng(0).permutation(len(suited))[: TRAINED + EXPLAINED]
    molecules = [suited[place] for place in order]
    less = [one for place in range(TRAINED, len(molecules)) for one in whittled(place, molecules[place])]
    lines = [
        HEADER,
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for truth in truths(molecules):
        with without_leaks(truth, molecules):
            for family in chosen:
                line = one(truth, family, molecules, less)
                print(line, flush=True)
                lines.append(line)
    if "--write" in sys.argv:
        write_between(DOCUMENT, "table", lines)


def truths(molecules: list[Molecule]) -> list[Truth]:
    """Return the targets."""
    logp = [crippen(each.mol) for each in molecules]
    tpsa = [np.array(list(rdMolDescriptors._CalcTPSAContribs(each.mol))) / 20 for each in molecules]
    mixed = [planted(each.mol) for each in molecules]
    nitro = [marked(each.mol, NITRO) for each in molecules]
    acid = [marked(each.mol, ACID) for each in molecules]
    size = [refractivity(each.mol) / 5 for each in molecules]
    acids = ("fr_COO", "fr_COO2", "fr_Al_COO", "fr_Ar_COO")
    return [
        Truth("logP", logp, sums(logp), "regression", ("MolLogP",)),
        Truth("polar surface / 20", tpsa, sums(tpsa), "regression", ("TPSA",)),
        Truth("planted interaction", mixed, sums(mixed), "regression", ()),
        Truth("aromatic nitro group", nitro, (sums(nitro) > 0).astype(float), "binary", ("fr_nitro", "fr_nitro_arom")),
        Truth("molar refractivity / 5", size, sums(size), "regression", ("MolMR",)),
        Truth("carboxylic acid", acid, (sums(acid) > 0).astype(float), "binary", acids),
    ]


def sums(parts: list[np.ndarray]) -> np.ndarray:
    """Sum the parts of each molecule."""
    return np.array([each.sum() for each in parts])


def crippen(mol: Chem.Mol, which: int = 0) -> np.ndarray:
    """Return each atom's part in Crippen's logP (or, with 1, his molar refractivity), with its hydrogens."""
    whole = Chem.AddHs(mol)
    values = [each[which] for each in rdMolDescriptors._CalcCrippenContribs(whole)]
    parts = np.array(values[: mol.GetNumAtoms()])
    for atom in list(whole.GetAtoms())[len(parts) :]:
        parts[atom.GetNeighbors()[0].GetIdx()] += values[atom.GetIdx()]
    return parts


def refractivity(mol: Chem.Mol) -> np.ndarray:
    """Return each atom's part in Crippen's molar refractivity."""
    return crippen(mol, 1)


def planted(mol: Chem.Mol) -> np.ndarray:
    """Return 0.3 to each aromatic atom, -0.5 to oxygens, 0.8 to halogens of aryls and twice that beside an amide."""
    amide = mol.HasSubstructMatch(AMIDE)
    parts = np.array([0.3 * atom.GetIsAromatic() - 0.5 * (atom.GetAtomicNum() == 8) for atom in mol.GetAtoms()])
    for _, halogen in mol.GetSubstructMatches(ARYL_HALIDE):
        parts[halogen] += 1.6 if amide else 0.8
    return parts


def marked(mol: Chem.Mol, pattern: Chem.Mol) -> np.ndarray:
    """Return 1 to the atoms of a pattern, but for the aromatic one that it hangs on."""
    parts = np.zeros(mol.GetNumAtoms())
    for match in mol.GetSubstructMatches(pattern):
        parts[list(match[1:])] = 1.0
    return parts


def one(truth: Truth, family: str, molecules: list[Molecule], less: list[Whittled]) -> str:
    """Train a family on a truth, and report how well its explanations follow it."""
    features = READS.get(family, FEATURES)
    X = featurizers.featurize(features, molecules)
    model = trained(family, truth, X, molecules)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model"
        saved.mkdir()
        model.save(saved)
        target = Target(task="binary" if truth.task == "binary" else "regression")
        smiles = [each.smiles for each in molecules[:TRAINED]]
        write_tables(Path(folder), saved, X[:TRAINED], target, smiles, features)
        served = load_model(saved)
        now = load_explainer(Path(folder), served, features, target, "")
    part = Part(served, 1.0, None, None, float(served.predict(X[:TRAINED]).mean()))
    masked = Explainer([part], X[:TRAINED].mean(axis=0), features, target, "")
    new, ms = explained(now, molecules[TRAINED:])
    old, _ = explained(masked, molecules[TRAINED : TRAINED + MASKED])
    (r, signs, size), (r_masked, signs_masked, _) = agreement(truth, new), agreement(truth, old)
    true = float(np.mean([np.abs(each).sum() for each in truth.parts[TRAINED:]]))
    predicted = on_scale(served.predict(X), truth), on_scale(served.predict(featurizers.featurize(features, [
        each.left for each in less])), truth)  # fmt: skip
    groups = [followed(less, atoms, *predicted) for atoms in (new, old)]
    known = now.atom_values
    assert known is not None
    left = predicted[0][TRAINED:] - known.start - sums(new)
    fidelity = 1 - float((left**2).sum() / ((predicted[0][TRAINED:] - predicted[0][TRAINED:].mean()) ** 2).sum())
    quality = fit(truth, served.predict(X[TRAINED:]))
    cells = (truth.name, family, f"{quality:.2f}", f"**{r:.2f}**", f"{r_masked:.2f}", f"**{signs:.2f}**",
             f"{signs_masked:.2f}", f"{size:.2f}", f"{true:.2f}", f"**{groups[0]:.2f}**", f"{groups[1]:.2f}",
             f"{fidelity:.2f}", f"{ms:.0f}")  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def trained(family: str, truth: Truth, X: np.ndarray, molecules: list[Molecule]) -> Model:
    """Train one family on the first molecules."""
    X, y = X[:TRAINED], truth.values[:TRAINED]
    recipe: Any = models.get(family)
    config = recipe.Config.model_validate({"task": truth.task, **FAMILIES[family]})
    if family == "blend":
        starts, members = {"rf": (0, X.shape[1]), "svm": (0, 1024), "mlp": (X.shape[1] - 217, X.shape[1])}, []
        for name in MEMBERS:
            columns = X[:, slice(*starts[name])]
            part = trained(name, truth, columns, molecules)
            members.append(BlendMember(name, 1 / len(MEMBERS), (starts[name],), part))
        return BlendModel(members)
    fitted: Model
    if family == "mlp_joint":
        beside = np.array([each.mol.GetNumHeavyAtoms() for each in molecules[:TRAINED]], dtype=float)
        Y = np.column_stack([y, beside])
        fitted = recipe.train_jointly(X, Y, (truth.task, "regression"), config).column(0)
    elif family == "multitask":
        weight = np.array([rdMolDescriptors.CalcExactMolWt(each.mol) for each in molecules[:TRAINED]])
        names = tuple(str(place) for place in range(TRAINED))
        fitted = recipe.prepare(config, [Auxiliary("weight", "regression", names, X, weight)]).train(X, y, config)
    else:
        fitted = recipe.train(X, y, config)
    return fitted


@contextmanager
def without_leaks(truth: Truth, molecules: list[Molecule]) -> Iterator[None]:
    """Empty the descriptors that reveal the target outright: neither a model nor an explanation sees them vary."""
    whole = rdkit_descriptors.featurize
    X = whole(molecules)
    leaks = [
        place
        for place, name in enumerate(rdkit_descriptors.NAMES)
        if name in truth.revealed_by
        or (X[:, place].std() > 0 and abs(np.corrcoef(X[:, place], truth.values)[0, 1]) > LEAK)
    ]

    def featurize(given: Any) -> Any:
        found = whole(given)
        found[:, leaks] = 0
        return found

    rdkit_descriptors.featurize = featurize  # type: ignore[assignment]
    masking.masked_features.cache_clear()
    try:
        yield
    finally:
        rdkit_descriptors.featurize = whole


def whittled(place: int, molecule: Molecule) -> list[Whittled]:
    """Take off each group that hangs on a single bond outside of rings, hydrogen in its place."""
    found, mol = [], molecule.mol
    for bond in mol.GetBonds():
        if bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE:
            continue
        cut = Chem.FragmentOnBonds(mol, [bond.GetIdx()], addDummies=False)
        for group in Chem.GetMolFrags(cut):
            left = mol.GetNumAtoms() - len(group)
            if len(group) > LARGEST_GROUP or left < SMALLEST_REST:
                continue
            pieces = Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False)
            rest = next(piece for piece in pieces if piece.GetNumAtoms() == left)
            parsed = parse_molecule(Chem.MolToSmiles(rest).replace("[C@H]", "C").replace("[C@@H]", "C"))
            if isinstance(parsed, Molecule) and parsed.mol.GetNumAtoms() == left:
                found.append(Whittled(place, list(group), parsed))
    return found


def followed(less: list[Whittled], atoms: list[np.ndarray], whole: np.ndarray, rest: np.ndarray) -> float:
    """Correlate what the model loses without a group with the sum of the group's atoms."""
    pairs = [
        (atoms[each.place - TRAINED][each.atoms].sum(), whole[each.place] - predicted)
        for each, predicted in zip(less, rest, strict=True)
        if each.place - TRAINED < len(atoms)
    ]
    return float(np.corrcoef(np.array(pairs).T)[0, 1])


def on_scale(predicted: np.ndarray, truth: Truth) -> np.ndarray:
    """Return predictions on the scale that groups are compared on."""
    inside = np.clip(predicted, 0.01, 0.99)
    return np.log(inside / (1 - inside)) if truth.task == "binary" else predicted


def explained(explainer: Explainer, molecules: list[Molecule]) -> tuple[list[np.ndarray], float]:
    """Explain molecules, which sums exactly; give their atoms, and the median of milliseconds of processor time."""
    atoms, times = [], []
    for each in molecules:
        began = time.process_time()
        why = explainer.explain(each)
        times.append((time.process_time() - began) * 1000)
        assert abs(why.baseline + sum(why.atoms) + why.rest - why.prediction) < 1e-6
        atoms.append(np.array(why.atoms))
    return atoms, float(np.median(times))


def agreement(truth: Truth, found: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the mean correlation within molecules (AUROC for a label), the share of right signs, and the size."""
    within, signs = [], []
    for true, atoms in zip(truth.parts[TRAINED:], found, strict=False):
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
    """Return the model's R2 on the molecules that are explained, or its AUROC."""
    values = truth.values[TRAINED:]
    if truth.task == "binary":
        return auroc(values > 0, predicted)
    return float(1 - ((predicted - values) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def auroc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Return how often a positive is above a negative, ties by half."""
    above = scores[positive][:, None] - scores[~positive][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


if __name__ == "__main__":
    main()
