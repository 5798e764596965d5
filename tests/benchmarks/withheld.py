"""Molecules that a model never saw and that come from elsewhere: whole clusters, and whole other sources.

Fits a family of models by the project's own procedure on what is left, and keeps what it predicted in a folder, so that
rules of trust can be compared in seconds. Nothing here looks at the test split.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from model_zoo import featurizers, models
from model_zoo.chemistry.molecules import Molecule, inchikey, parse_molecule
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import Configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.dataset import make_dataset
from model_zoo.data.splits import clusters
from model_zoo.data.targets import Target
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import (
    TrainingData,
    cross_validate,
    cross_validate_ensemble,
    finite_predictions,
)
from model_zoo.uncertainty.conformal import conformal_half_width
from model_zoo.uncertainty.error_model import fit_error_model

ROOT = Path(__file__).parents[2]
PARTS = 4
"""Parts that clusters are dealt to; each named one is withheld in turn."""
MOST = 1500
"""Molecules of another source that are looked at."""
Rows = list[tuple[str, float]]


@dataclass(frozen=True)
class Case:
    """A model that was fitted on some molecules, and what it said of others: all values on the scale of training.

    Attributes
    ----------
    endpoint, model, withheld
        Names, and what was withheld.
    smiles, values, folds, out_of_fold
        Of the training molecules; the last without the molecule's fold of scaffolds.
    new_smiles, new_values, predicted
        Of the molecules withheld.
    """

    endpoint: str
    model: str
    withheld: str
    smiles: np.ndarray
    values: np.ndarray
    folds: np.ndarray
    out_of_fold: np.ndarray
    new_smiles: np.ndarray
    new_values: np.ndarray
    predicted: np.ndarray

    def save(self, path: Path) -> None:
        """Write it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read it back."""
        with np.load(path, allow_pickle=False) as kept:
            endpoint, model, withheld, *numbers = (kept[name] for name in cls.__dataclass_fields__)
            return cls(str(endpoint), str(model), str(withheld), *numbers)


def cases(
    configs: Configs,
    names: Sequence[str],
    families: Sequence[str],
    cache: Path,
    parts: int,
    data: Path | None = None,
    *,
    only_kept: bool = False,
) -> Iterator[Case]:
    """Yield a case per endpoint, withheld part or source, and family, and their blend; what was not kept is fitted now.

    Other sources are withheld only where `data` names the folder of public collections. With `only_kept` nothing is
    fitted, and what was not kept is left out.
    """
    for name in names:
        for withheld in [*(f"clusters {part}" for part in range(parts)), *(sources(name) if data else [])]:
            fits = []
            for family in families:
                path = cache / f"{name}-{family}-{withheld.replace(' ', '_')}.npz"
                if only_kept and not path.is_file():
                    continue
                if not path.is_file():
                    fitted(configs.endpoints[name], configs.models[family], withheld, data).save(path)
                fits.append(Case.load(path))
            yield from fits
            if len(fits) > 1:
                yield blended(fits, configs.endpoints[name].target, configs.models["blend"].settings(name))


def blended(fits: Sequence[Case], target: Target, config: ModelConfig) -> Case:
    """Blend the families as the project does."""
    recipe, first = models.get("blend"), fits[0]
    P = np.column_stack([each.out_of_fold for each in fits])
    data = TrainingData(P, target.to_unit(first.values), first.folds)
    raw = cross_validate_ensemble(recipe, config, target, P, data).raw
    weights = recipe.fit_weights(P, first.values, config.model_copy(update={"task": target.task}))
    predicted = np.column_stack([each.predicted for each in fits]) @ weights
    return replace(first, model="blend", out_of_fold=raw, predicted=predicted)


def sources(endpoint: str) -> list[str]:
    """Name the other sources of an endpoint."""
    return ["AqSolDB", "Biogen"] if endpoint == "solubility_logs" else []


def fitted(endpoint: Endpoint, spec: ModelSpec, withheld: str, data: Path | None) -> Case:
    """Fit a family on what is left."""
    dataset = make_dataset(endpoint.dataset, ROOT)
    inside = dataset.folds >= 0
    molecules = [each for each, known in zip(dataset.molecules(), inside, strict=True) if known]
    values, folds = endpoint.target.to_training(dataset.values[inside]), dataset.folds[inside]
    leaders = np.array(clusters([each.mol for each in molecules]))
    if withheld.startswith("clusters"):
        out = dealt(leaders, PARTS, seed=1) == int(withheld.split()[1])
        new, new_values = [molecules[row] for row in np.flatnonzero(out)], values[out]
    else:
        assert data is not None, "another source is only asked for where its folder is named"
        known = {inchikey(each.mol)[:14] for each in dataset.molecules()}
        new, measured = curated(elsewhere(withheld, data), known, endpoint)
        new_values, out = endpoint.target.to_training(measured), np.zeros(len(molecules), dtype=bool)
    kept = [molecules[row] for row in np.flatnonzero(~out)]
    values, folds = values[~out], folds[~out]
    X, config = featurizers.featurize(spec.features, kept), spec.settings(endpoint.name)
    target, recipe = endpoint.target, models.get(spec.recipe or spec.name)
    # Of the scale of training, as `cross_validate` takes values in the unit.
    in_unit = target.to_unit(values)
    scaffold = cross_validate(spec.recipe or spec.name, config, target, TrainingData(X, in_unit, folds)).raw
    model = recipe.train(X, values, config.model_copy(update={"task": target.task}))
    predicted = finite_predictions(model, featurizers.featurize(spec.features, new), spec.name)
    texts = [np.array([each.smiles for each in some]) for some in (kept, new)]
    return Case(endpoint.name, spec.name, withheld, texts[0], values, folds, scaffold, texts[1], new_values,
                predicted)  # fmt: skip


def dealt(groups: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """Deal whole groups to parts of about equal size."""
    numbers, place = np.unique(groups, return_inverse=True)
    sizes, order = np.bincount(place), np.random.default_rng(seed).permutation(len(numbers))
    part, taken = np.empty(len(numbers), dtype=int), np.zeros(parts)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        part[group] = int(np.argmin(taken))
        taken[part[group]] += sizes[group]
    return part[place]


def hardest(hard: np.ndarray, errors: np.ndarray, folds: np.ndarray, ceiling: float) -> float:
    """Return the factor that is enough for all folds, and for each alone that has 50 molecules: the rule before."""
    scores = np.empty(len(errors))
    for fold in np.unique(folds):
        out = folds == fold
        scores[out] = errors[out] / fit_error_model(hard[~out], errors[~out], ceiling).scale(hard[out])
    large = [folds == fold for fold in np.unique(folds) if (folds == fold).sum() >= 50]
    return max(conformal_half_width(scores[some]) for some in (slice(None), *large))


def curated(rows: Rows, known: set[str], endpoint: Endpoint) -> tuple[list[Molecule], np.ndarray]:
    """Read other rows as the endpoint's are, without molecules that it knows, a molecule once."""
    found: list[Molecule] = []
    values, seen = [], set(known)
    for place in np.random.default_rng(0).permutation(len(rows)):
        text, value = rows[place]
        molecule = parse_molecule(text, endpoint.curation.standardise)
        if not isinstance(molecule, Molecule) or len(found) == MOST:
            continue
        key = inchikey(molecule.mol)[:14]
        if key not in seen:
            seen.add(key)
            found.append(molecule)
            values.append(value)
    return found, np.array(values)


def elsewhere(name: str, folder: Path) -> Rows:
    """Read a public collection as SMILES and values in the endpoint's unit."""
    if name == "AqSolDB":
        return [
            (row["Drug"], float(row["Y"]))
            for part in ("train_val", "test")
            for row in read(folder / "tdc_admet_group" / "solubility_aqsoldb" / f"{part}.csv")
        ]
    column = "LOG SOLUBILITY PH 6.8 (ug/mL)"
    rows = read(folder / "biogen_fang2023" / "ADME_public_set_3521.csv")
    measured = [(row["SMILES"], float(row[column])) for row in rows if row[column]]
    return [
        (text, value - 3 - np.log10(rdMolDescriptors._CalcMolWt(Chem.MolFromSmiles(text)))) for text, value in measured
    ]


def read(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
