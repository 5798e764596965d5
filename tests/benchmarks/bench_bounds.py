"""What a loss that knows bounds brings: `python -m tests.benchmarks.bench_bounds FOLDER` (of public data, `herg/`).

The raw records of hERG potency, a quarter of them only known as `>` or `<`. A booster and a network learn from them in
four ways: without the bounds, with bounds as if they were values (both are what `curation.censored` offers), with a
squared loss that is one-sided at a bound, and, the booster alone, with a censored likelihood (accelerated failure time,
Barnwal et al., J. Comput. Graph. Stat. 2022). All are scored on the exact values of folds of scaffolds or clusters that
they did not see; bounds are never scored and the test split takes no part. The interval of the difference to the better
one of today's ways, chosen on these very folds and so to its advantage, comes from drawing groups of molecules.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.config.files import load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.curation import Curation, curate
from model_zoo.data.dataset import Dataset
from model_zoo.data.sources import CsvSource, read_source
from model_zoo.data.splits import Split, assign
from model_zoo.features.cache import FeatureCache
from model_zoo.models._columns import Columns

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("AIDRUG_HOME", ROOT / ".aidrug"))
RESULTS = Path(__file__).parent / "results" / "bounds.json"
TODAY = ("without bounds", "bounds as values")
SPREAD = 0.6
"""Of the censored likelihood, in standard deviations of the values: about what a booster misses by."""
MEMBERS, EPOCHS, BATCH = 2, 15, 64
DRAWS = 2000

Values = NDArray[np.float64]
Fit = Callable[[Values, Values, Values, str], Callable[[Values], Values]]
"""Features, standardised values, sides (1 for `>`, -1 for `<`, 0 for exact) and a way to what predicts."""


def main() -> None:
    """Measure both kinds of folds, and write what was found."""
    folder = Path(sys.argv[1])
    found = {kind: measured(folder, kind) for kind in ("scaffold", "cluster")}
    text = json.dumps(found, indent=1, sort_keys=True)
    RESULTS.write_text(f"{text}\n", encoding="utf-8")
    print(text)


def measured(folder: Path, kind: str) -> dict[str, Any]:
    """Return the errors of every way, and how those that know bounds differ from the better one of today's."""
    dataset = records(folder, kind)
    train = dataset.folds >= 0
    sides = np.where(dataset.exact, 0, np.where(dataset.table["relation"].str.startswith(">"), 1, -1)).astype(float)
    spec = load_configs(ROOT / "configs").models["xgb"]
    cache = FeatureCache(HOME / "features", ROOT, processes=2)
    X = featurizers.join([cache.featurize(name, dataset.molecules()) for name in spec.features])
    blocks = load_configs(ROOT / "configs").models["mlp_joint"]
    families: dict[str, tuple[Fit, tuple[str, ...]]] = {
        "booster": (booster(spec), (*TODAY, "one-sided", "likelihood")),
        "network": (network(blocks), (*TODAY, "one-sided")),
    }
    told: dict[str, Any] = {"molecules": int(train.sum()), "bounds": int((train & (sides != 0)).sum()), "models": {}}
    kin = dataset.table["group"].to_numpy(dtype=int)
    scored = train & (sides == 0)
    for family, (fit, ways) in families.items():
        missed = {way: _out_of_fold(fit, X, dataset, sides, way)[scored] - dataset.values[scored] for way in ways}
        told["models"][family] = compared({way: each**2 for way, each in missed.items()}, kin[scored])
        print(kind, family, json.dumps(told["models"][family]), flush=True)
    return told


def records(folder: Path, kind: str) -> Dataset:
    """Return the raw records, curated and divided by the project's own rules."""
    source = CsvSource(
        kind="csv", files=("herg/ChEMBL_hERG_raw.csv.gz",), smiles_column="canonical_smiles",
        value_column="standard_value", relation_column="standard_relation", unit_column="standard_units",
    )  # fmt: skip
    curation = Curation(censored="keep_bound", valid_range=(2.0, 13.0))
    table, report = curate(read_source(source, folder), curation, task="regression", source_unit="nM", unit="pIC50")
    return Dataset(assign(table, Split.model_validate({"kind": kind}), "regression"), report)


def _out_of_fold(fit: Fit, X: Values, dataset: Dataset, sides: Values, way: str) -> Values:
    predicted = np.full(len(X), np.nan)
    for fold in range(int(dataset.folds.max()) + 1):
        rows = (dataset.folds >= 0) & (dataset.folds != fold)
        if way == "without bounds":
            rows &= sides == 0
        exact = dataset.values[rows & (sides == 0)]
        center, scale = float(exact.mean()), float(exact.std())
        predict = fit(X[rows], (dataset.values[rows] - center) / scale, sides[rows], way)
        predicted[dataset.folds == fold] = center + scale * predict(X[dataset.folds == fold])
    return predicted


def booster(spec: ModelSpec) -> Fit:
    """Return XGBoost as the project has it, with the loss of a way."""
    import xgboost

    settings = spec.settings().model_dump(exclude={"task", "seed"})
    rounds = settings.pop("n_estimators")

    def fit(X: Values, y: Values, sides: Values, way: str) -> Callable[[Values], Values]:
        data = xgboost.DMatrix(X.astype(np.float32), label=y)
        common = {**settings, "tree_method": "hist", "seed": 0, "nthread": 2, "base_score": 0.0}
        if way == "likelihood":
            data.set_float_info("label_lower_bound", np.where(sides < 0, 0.0, np.exp(y)))
            data.set_float_info("label_upper_bound", np.where(sides > 0, np.inf, np.exp(y)))
            own = {
                "objective": "survival:aft",
                "aft_loss_distribution": "normal",
                "aft_loss_distribution_scale": SPREAD,
            }
            model = xgboost.train({**common, **own, "base_score": 1.0}, data, rounds)
            return lambda Z: np.asarray(model.predict(xgboost.DMatrix(Z.astype(np.float32)), output_margin=True))

        def one_sided(raw: Values, _: Any) -> tuple[Values, Values]:
            inside = sides * (raw - y) > 0  # beyond the bound, where the true value may be
            return np.where(inside, 0.0, raw - y), np.where(inside, 1e-6, 1.0)

        model = xgboost.train(common, data, rounds, obj=one_sided if way == "one-sided" else None)
        return lambda Z: np.asarray(model.predict(xgboost.DMatrix(Z.astype(np.float32))))

    return fit


def network(spec: ModelSpec) -> Fit:
    """Return a perceptron as `mlp_joint` has it, with a squared loss."""
    import torch
    from torch import nn

    shape: Any = spec.settings()

    def fit(X: Values, y: Values, sides: Values, way: str) -> Callable[[Values], Values]:
        columns = Columns.of(X, shape.blocks)
        inputs = torch.from_numpy(columns.scaled(X))
        values, side = (torch.from_numpy(each.astype(np.float32)) for each in (y, sides))
        members = []
        for member in range(MEMBERS):
            torch.manual_seed(member)
            layers = nn.Sequential(
                nn.Dropout(0.1), nn.Linear(inputs.shape[1], shape.hidden), nn.ReLU(), nn.Dropout(0.3),
                nn.Linear(shape.hidden, shape.hidden // 2), nn.ReLU(), nn.Dropout(0.2), nn.Linear(shape.hidden // 2, 1),
            )  # fmt: skip
            steps = EPOCHS * -(-len(inputs) // BATCH)
            optimizer = torch.optim.AdamW(layers.parameters(), lr=1e-3, weight_decay=1e-2)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps, pct_start=0.1)
            for _ in range(EPOCHS):
                for rows in torch.split(torch.randperm(len(inputs)), BATCH):
                    off = layers(inputs[rows])[:, 0] - values[rows]
                    if way == "one-sided":
                        off = torch.where(side[rows] * off > 0, torch.zeros_like(off), off)
                    optimizer.zero_grad()
                    (off**2).mean().backward()
                    optimizer.step()
                    schedule.step()
            members.append(layers.eval())

        def predict(Z: Values) -> Values:
            with torch.no_grad():
                given = torch.from_numpy(columns.scaled(Z))
                return np.asarray(np.mean([each(given)[:, 0].double().numpy() for each in members], axis=0))

        return predict

    return fit


def compared(squares: dict[str, Values], kin: NDArray[np.int_]) -> dict[str, Any]:
    """Return the root mean squared errors, and their change against the better of today's ways with its interval."""
    groups, places = np.unique(kin, return_inverse=True)
    draw = np.random.default_rng(0)
    sums = {way: np.bincount(places, each) for way, each in squares.items()}
    sizes = np.bincount(places)
    best = min(TODAY, key=lambda way: float(squares[way].sum()))
    times = np.stack([np.bincount(draw.integers(len(groups), size=len(groups)), minlength=len(groups)) for _ in
                      range(DRAWS)])  # fmt: skip
    changes = {}
    for way in (way for way in squares if way != best):
        rmse = {each: np.sqrt(times @ sums[each] / (times @ sizes)) for each in (way, best)}
        low, high = np.quantile(rmse[way] - rmse[best], [0.025, 0.975])
        point = float(np.sqrt(squares[way].mean()) - np.sqrt(squares[best].mean()))
        changes[way] = [round(each, 4) for each in (point, float(low), float(high))]
    errors = {way: round(float(np.sqrt(each.mean())), 4) for way, each in squares.items()}
    return {"rmse": errors, "against": best, "change": changes, "scored": len(kin)}


if __name__ == "__main__":
    main()
