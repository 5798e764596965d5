"""Do joint models win on a programme's table? Biogen's six assays of shared compounds, over folds of new chemistry.

Divides the molecules of all assays together, as a group is, predicts each fold by models that saw nothing of it, and
compares: every single model and their blend, the joint model, and the blend of all; and the joint model with the same
network fitted on each assay apart. The test split takes no part. The forest, which has no share in these blends, is
left out. `python -m tests.benchmarks.bench_programme FOLDER [cluster] [scaffold]`, FOLDER being that of
`ADME_public_set_3521.csv`; about a quarter of an hour of processor time for a split. Then `python -m
tests.benchmarks.programme_report` writes `docs/programmes.md`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, models
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import Configs, load_configs, read_config
from model_zoo.config.panel import Panel
from model_zoo.data.group_dataset import GroupDataset, make_group_dataset
from model_zoo.data.splits import Split
from model_zoo.features.cache import FeatureCache
from model_zoo.training.cross_validation import TrainingData, cross_validate
from model_zoo.training.joint import JointData, cross_validate_jointly, joined

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results" / "programme.json"
SINGLE, JOINT = ("xgb", "catboost", "gp"), ("mlp_joint",)
APART = "mlp_joint, apart"
JUDGED = ("biogen_hlm", "biogen_rlm", "biogen_mdr1_er", "biogen_solubility")
"""The four large assays; the two of protein binding, with under 200 values, are reported only."""
DRAWS = 2000
BLENDS = {"blend": "MSE", "blend_mae": "MAE"}

Predicted = dict[str, NDArray[np.float64]]


def main() -> None:
    """Measure, print and keep the figures."""
    folder, kinds = Path(sys.argv[1]), sys.argv[2:] or ["cluster", "scaffold"]
    for kind in kinds:
        for made in measure(folder, kind):  # first without what takes longest
            known = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
            RESULTS.write_text(json.dumps({**known, kind: made}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            print(json.dumps(made["judged"], indent=1), flush=True)


def measure(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Predict the folds of one kind of split, and compare."""
    configs, endpoints = load_configs(ROOT / "configs"), programme()
    sections = {name: each.dataset for name, each in endpoints.items()}
    group = make_group_dataset(sections, Split.model_validate({"kind": kind}), folder)
    cache = FeatureCache(Path(os.environ.get("AIDRUG_HOME", ".aidrug")) / "features", ROOT)
    rows = {smiles: place for place, smiles in enumerate(group.molecules.table["smiles"])}
    blocks: dict[str, Any] = {}

    def features(names: tuple[str, ...]) -> NDArray[Any]:
        for name in names:
            if name not in blocks:
                blocks[name] = cache.featurize(name, group.molecules.molecules())
        return featurizers.join([blocks[name] for name in names])

    predicted: dict[str, Predicted] = {name: {} for name in group.datasets}
    seconds: dict[str, float] = {}
    for model in SINGLE:
        began = time.process_time()
        for name, dataset in group.datasets.items():
            mine = [rows[smiles] for smiles in dataset.table["smiles"]]
            X = features(configs.models[model].features)[mine]
            data = TrainingData(X, dataset.values, dataset.folds)
            predicted[name][model] = cross_validate(
                configs.models[model].recipe, configs.models[model].settings(), endpoints[name].target, data
            ).raw
        seconds[model] = round(time.process_time() - began, 1)
        print(kind, model, seconds[model], "s", flush=True)
    for model in JOINT:
        began = time.process_time()
        data_, _ = joint_data(configs, model, group, endpoints, features)
        raw = cross_validate_jointly(configs.models[model].recipe, configs.models[model].settings(), data_)
        for column, name in enumerate(data_.endpoints):
            mine = [rows[smiles] for smiles in group.datasets[name].table["smiles"]]
            predicted[name][model] = raw[mine, column]
        seconds[model] = round(time.process_time() - began, 1)
        print(kind, model, seconds[model], "s", flush=True)
    for name, dataset in group.datasets.items():
        for blend, loss in BLENDS.items():
            for mark, members in (("", SINGLE), ("_joint", (*SINGLE, *JOINT))):
                predicted[name][f"{blend}{mark}"] = blended(
                    predicted[name], members, dataset.values, dataset.folds, loss
                )
    yield compared(group, predicted) | {"processor_s": seconds, "molecules": len(rows)}
    began, (joint,) = time.process_time(), JOINT
    whole, _ = joint_data(configs, joint, group, endpoints, features)
    for name in JUDGED:
        alone = whole.only([whole.endpoints.index(name)])
        raw = cross_validate_jointly(configs.models[joint].recipe, configs.models[joint].settings(), alone)
        predicted[name][APART] = raw[[rows[smiles] for smiles in group.datasets[name].table["smiles"]], 0]
    seconds[APART] = round(time.process_time() - began, 1)
    yield compared(group, predicted) | {"processor_s": seconds, "molecules": len(rows)}


def programme() -> dict[str, Endpoint]:
    """Give the endpoints of the panel `biogen`."""
    panel = read_config(ROOT / "configs" / "panels" / "biogen.yaml", Panel)
    made = (Endpoint.model_validate(each.content(panel, ".")) for each in panel.sets)
    return {each.name: each for each in made}


def joint_data(
    configs: Configs, model: str, group: GroupDataset, endpoints: dict[str, Endpoint], features: Any
) -> tuple[JointData, dict[str, str]]:
    """Put the assays side by side."""
    targets = {name: each.target for name, each in endpoints.items()}
    return joined(group, targets, [features(configs.models[model].features)])


def blended(
    predicted: Predicted, members: tuple[str, ...], y: NDArray[np.float64], folds: NDArray[np.int_], loss: str
) -> NDArray[np.float64]:
    """Weigh members fold by fold, by shares that were learnt from the other folds."""
    recipe = models.get("blend")
    config = recipe.Config(shrinkage=30, loss=loss)
    P = np.column_stack([predicted[name] for name in members])
    raw = np.full(len(y), np.nan)
    for fold in range(int(folds.max()) + 1):
        others, held_out = (folds >= 0) & (folds != fold), folds == fold
        raw[held_out] = P[held_out] @ recipe.fit_weights(P[others], y[others], config)
    return raw


def compared(group: GroupDataset, predicted: dict[str, Predicted]) -> dict[str, Any]:
    """Tell the errors of each assay, and what joint models change over the judged ones, with an interval.

    The best without them is chosen for each assay by its error on these very folds, to its advantage. An interval comes
    from drawing groups of molecules that stay together, the same draws for all.
    """
    errors: dict[str, dict[str, dict[str, float]]] = {}
    missed: dict[str, Predicted] = {}
    kin: dict[str, NDArray[np.int_]] = {}
    for name, dataset in group.datasets.items():
        train = dataset.folds >= 0
        missed[name] = {model: np.abs(raw - dataset.values)[train] for model, raw in predicted[name].items()}
        kin[name] = dataset.table["group"].to_numpy(dtype=int)[train]
        errors[name] = {
            model: {"mae": round(float(each.mean()), 4), "rmse": round(float(np.sqrt((each**2).mean())), 4)}
            for model, each in missed[name].items()
        }
    judged = {}
    single = (*SINGLE, *BLENDS)
    for power, metric in ((1, "mae"), (2, "rmse")):
        best = {name: min(single, key=lambda model: errors[name][model][metric]) for name in JUDGED}
        for model in (*JOINT, *(f"{blend}_joint" for blend in BLENDS)):
            judged[f"{model}, {metric}"] = change(missed, kin, best, model, power)
        if APART in missed[JUDGED[0]]:
            apart = dict.fromkeys(JUDGED, APART)
            judged[f"jointly against apart, {metric}"] = change(missed, kin, apart, JOINT[0], power)
    rows = {name: int((each.folds >= 0).sum()) for name, each in group.datasets.items()}
    return {"errors": errors, "judged": judged, "rows": rows, "leaking": len(group.leaks())}


def change(
    missed: dict[str, Predicted], kin: dict[str, NDArray[np.int_]], best: dict[str, str], model: str, power: int
) -> dict[str, Any]:
    """Give the mean relative change of the error against the best without, per assay and with its interval."""
    groups = np.unique(np.concatenate([kin[name] for name in JUDGED]))
    sums: dict[str, tuple[NDArray[np.float64], ...]] = {}
    for name in JUDGED:
        place = np.searchsorted(groups, kin[name])
        pair = (missed[name][best[name]] ** power, missed[name][model] ** power, np.ones(len(place)))
        sums[name] = tuple(np.bincount(place, weights=each, minlength=len(groups)) for each in pair)

    def relative(count: NDArray[np.float64]) -> list[float]:
        found = []
        for before, after, rows in sums.values():
            old, new = (float(count @ each / (count @ rows)) ** (1 / power) for each in (before, after))
            found.append(new / old - 1)
        return found

    generator = np.random.default_rng(0)
    draws = [
        np.mean(relative(np.bincount(generator.integers(0, len(groups), len(groups)), minlength=len(groups)) * 1.0))
        for _ in range(DRAWS)
    ]
    each = relative(np.ones(len(groups)))
    return {
        "mean": round(float(np.mean(each)), 4),
        "interval": [round(float(value), 4) for value in np.quantile(draws, [0.025, 0.975])],
        "each": {name: round(value, 4) for name, value in zip(JUDGED, each, strict=True)},
        "against": best,
    }


if __name__ == "__main__":
    main()
