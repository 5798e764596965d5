"""How often what is said at 90 % holds, and what explaining costs.

Trains XGBoost on each embedded endpoint and tells, leave-fold-out (each fold by a rule fitted without it) and on the
test split, how often intervals and sets hold: overall, in the worst of five similarity bins, and how wide they are, for
one width for all molecules, one width per similarity bin, and the rule that bundles store. Then the cost of a molecule
in CPU time: everything that a request may ask for, against a plain prediction, and exact tree SHAP against occlusion.
`python -m tests.benchmarks.bench_trust [ENDPOINT ...]`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model_zoo import featurizers, models
from model_zoo.bundles.card import ModelCard
from model_zoo.bundles.reader import Bundle
from model_zoo.bundles.writer import Background, write_bundle
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import pack, tanimoto_nearest
from model_zoo.chemistry.structural_alerts import find_alerts
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import Dataset, make_dataset
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.explanation.explainer import Explainer
from model_zoo.explanation.tree_shap import contributions
from model_zoo.explanation.tree_tables import read_onnx
from model_zoo.fitted_models.formats import OnnxModel
from model_zoo.training.cross_validation import TrainingData, train_and_score
from model_zoo.uncertainty import conformal
from model_zoo.uncertainty.applicability_domain import fit_domain
from model_zoo.uncertainty.conformal import conformal_half_width
from model_zoo.uncertainty.fit import OutOfFoldPredictions, Uncertainty, fit_uncertainty

ROOT = Path(__file__).parents[2]
FEATURES = ("morgan_count", "descriptors")
TIMED = 40
Widths = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def main() -> None:
    """Print the figures."""
    configs = load_configs(ROOT / "configs")
    chosen = sys.argv[1:] or list(configs.endpoints)
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            one(configs.endpoints[name], models.get("xgb").Config(), Path(folder))


def one(endpoint: Endpoint, config: Any, folder: Path) -> None:
    """Train, and print the figures of one endpoint."""
    dataset = make_dataset(endpoint.dataset, ROOT)
    molecules, train = dataset.molecules(), dataset.folds >= 0
    X = featurizers.featurize(FEATURES, molecules)
    target = endpoint.target
    train_and_score("xgb", config, target, TrainingData(X, dataset.values, dataset.folds), folder)
    predictions = np.load(folder / "predictions.npz", allow_pickle=False)
    values, packed = target.to_training(dataset.values), pack(molecules)
    held = OutOfFoldPredictions(
        values[train] - predictions["residual"], values[train], packed[train], dataset.folds[train]
    )
    test = OutOfFoldPredictions(
        target.to_training(predictions["test"]), values[~train], packed[~train], dataset.folds[~train]
    )
    trust, errors, report = fit_uncertainty(target, held, test)
    print(f"\n{endpoint.name}: {train.sum()} training molecules, {(~train).sum()} in the test split")
    if trust.interval:
        print_intervals(held, test, errors)
    else:
        print_sets(report)
    print_costs(written(endpoint, dataset, folder, trust, errors, X[train]), X[train])


def one_width(hard: np.ndarray, errors: np.ndarray, folds: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Give every molecule the same width."""
    width = conformal_half_width(errors)
    return lambda new: np.full(len(new), width)


def width_per_bin(hard: np.ndarray, errors: np.ndarray, folds: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Give the molecules of a similarity bin the same width."""
    edges = conformal.bin_edges(1 - hard[:, 0])
    bins = np.searchsorted(edges, 1 - hard[:, 0], side="right")
    widths = np.array([conformal_half_width(errors[bins == number]) for number in range(len(edges) + 1)])
    return lambda new: widths[np.searchsorted(edges, 1 - new[:, 0], side="right")]


def rule(hard: np.ndarray, errors: np.ndarray, folds: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Give each molecule the width that a bundle gives it."""
    fitted = conformal.fit_interval_rule(hard, errors, folds)
    assert fitted is not None, "a benchmark has more molecules than that"
    return fitted.half_width


def print_intervals(held: OutOfFoldPredictions, test: OutOfFoldPredictions, errors: np.ndarray) -> None:
    """Print how the ways to an interval compare."""
    hard = conformal.held_out_difficulty(held.packed, errors, held.folds, np.arange(len(errors)))
    similarity, rows = tanimoto_nearest(test.packed, held.packed, conformal.NEIGHBOURS)
    new, wrong = conformal.difficulty(similarity, errors[rows]), np.abs(test.values - test.predicted)
    edges = conformal.bin_edges(1 - hard[:, 0])
    ways: dict[str, Widths] = {"one width": one_width, "width per bin": width_per_bin, "normalised (bundles)": rule}
    titles = (("held out", 9), ("worst bin", 11), ("mean width", 12), ("score", 8), ("ratio", 7), ("test", 8))
    print(" " * 24 + "".join(f"{title:>{width}}" for title, width in (*titles, ("worst bin", 11))))
    base = 0.0
    for name, way in ways.items():
        widths = np.empty(len(errors))
        for fold in np.unique(held.folds):
            out = held.folds == fold
            widths[out] = way(hard[~out], errors[~out], held.folds[~out])(hard[out])
        wide = way(hard, errors, held.folds)(new)
        folds = conformal.coverage_report(errors <= widths, 1 - hard[:, 0], edges)
        tested = conformal.coverage_report(wrong <= wide, similarity[:, 0], edges)
        score = float(np.mean(2 * widths + 20 * np.maximum(errors - widths, 0)))  # Winkler's, at 90 %
        base = base or score
        print(
            f"  {name:22}{folds['coverage']:>9.1%}{worst(folds):>11.1%}{2 * widths.mean():>12.2f}{score:>8.2f}"
            f"{score / base:>7.2f}{tested['coverage']:>8.1%}{worst(tested):>11.1%}"
        )
    bins = conformal.coverage_report(errors <= widths, 1 - hard[:, 0], edges)["bins"]
    print("  bundles, by similarity: " + "; ".join(f"{e['from']:.2f}-{e['to']:.2f} {e['coverage']:.1%}" for e in bins))


def worst(report: dict[str, Any]) -> float:
    """Give the lowest coverage of a bin."""
    return min(float(each["coverage"]) for each in report["bins"] if each["coverage"] is not None)


def print_sets(report: dict[str, Any]) -> None:
    """Print how probabilities and sets of a binary endpoint do."""
    for part in ("held_out", "test"):
        told, probability = report["prediction_set"][part], report["probability"][part]
        by_class = told["set_coverage"]
        print(
            f"  {part}: sets hold {told['coverage']:.1%} (class 0 {by_class['0']:.1%}, class 1 {by_class['1']:.1%}, "
            f"worst bin {worst(told):.1%}), one label {told['sets_with_one_label']:.1%}; "
            f"log loss {probability['log_loss']}, Brier {probability['brier']}"
        )
    before = report["probability"]["before"]
    print(f"  before calibration: log loss {before['log_loss']}, Brier {before['brier']}")


def written(
    endpoint: Endpoint, dataset: Dataset, folder: Path, trust: Uncertainty, errors: np.ndarray, X_train: np.ndarray
) -> Bundle:
    """Write the bundle that the product would."""
    train = dataset.folds >= 0
    molecules = [each for each, inside in zip(dataset.molecules(), train, strict=True) if inside]
    (folder / "bundle").mkdir()
    return write_bundle(
        folder / "bundle",
        fields={
            "endpoint": endpoint.name,
            "model": "xgb",
            "signature": "0" * 64,
            **endpoint.model_dump(include={"title", "description", "unit", "direction"}),
            "features": FEATURES,
            "standardise": endpoint.curation.standardise,
            "target": endpoint.target,
            "interval_half_width": 1.0 if trust.interval else None,
            "trust": trust,
        },
        card=ModelCard(),
        model_folder=folder / "model",
        domain=fit_domain(molecules, dataset.folds[train]),
        neighbours={
            "smiles": [each.smiles for each in molecules],
            "values": dataset.values[train].tolist(),
            "errors": errors.tolist(),
        },
        reference_smiles=[each.smiles for each in molecules[:20]],
        background=Background(X_train, chembl_drugs()),
    )


def print_costs(bundle: Bundle, X_train: np.ndarray) -> None:
    """Print what one molecule costs, in milliseconds of CPU time and beside a plain prediction."""
    drugs = chembl_drugs()
    assert drugs is not None and bundle.explainer is not None  # noqa: PT018
    explainer = bundle.explainer
    parts = [replace(part, table=None) for part in explainer.parts]
    by_occlusion = Explainer(parts, X_train.mean(axis=0), FEATURES, bundle.manifest.target, bundle.manifest.unit)
    some = drugs.smiles[:: len(drugs.smiles) // TIMED]
    molecules = [each for each in map(parse_molecule, some) if isinstance(each, Molecule)]
    X = featurizers.featurize(FEATURES, molecules)
    nodes = read_onnx((bundle.folder / "model" / OnnxModel.FILE).read_bytes())
    assert nodes is not None
    table = nodes.table(nodes.counts(X_train))
    figures = {
        "prediction": [cost(bundle.predict, [each]) for each in molecules],
        "neighbours": [cost(bundle.nearest, [each]) for each in molecules],
        "alerts": [cost(find_alerts, each.mol) for each in molecules],
        "tree SHAP": [cost(contributions, table, row) for row in X],
        "explanation by tree SHAP": [cost(explainer.explain, each) for each in molecules],
        "the same by occlusion": [cost(by_occlusion.explain, each) for each in molecules],
    }
    plain = float(np.mean(figures["prediction"][1:]))
    print(f"  {len(table.feature)} nodes; ms of CPU per molecule, and as multiples of a prediction without parsing:")
    for name, times in figures.items():
        mean = float(np.mean(times[1:]))
        print(f"    {name:26}{mean:>8.2f}{mean / plain:>7.1f}x")
    shares = [explainer.explain(each) for each in molecules]
    on_atoms = [sum(map(abs, each.atoms)) / (sum(map(abs, each.atoms)) + abs(each.rest) + 1e-12) for each in shares]
    print(f"    of an explanation lie on atoms, by size: {np.mean(on_atoms):.0%}")


def cost(function: Callable[..., Any], *arguments: Any) -> float:
    """Give the milliseconds of CPU time of one call."""
    began = time.process_time()
    function(*arguments)
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main()
