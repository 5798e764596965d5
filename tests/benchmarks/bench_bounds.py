"""What a loss that knows bounds brings: `python -m tests.benchmarks.bench_bounds FOLDER` (of public data, `herg/`).

The raw records of hERG potency, a quarter of them only known as `>` or `<`. A booster learns from them in four ways:
without the bounds, with bounds as if they were values (both are what `curation.censored` offers), with a squared loss
that is one-sided at a bound, and with a censored likelihood (accelerated failure time, Barnwal et al., J. Comput.
Graph. Stat. 2022). All are scored on the exact values of folds of scaffolds that they
did not see; bounds are never scored and the test split takes no part. The interval of the difference to the better
one of today's ways, chosen on these very folds and so to its advantage, comes from drawing groups of molecules.
With fingerprints alone and fewer, larger steps than the project's own booster takes: minutes, and what bounds bring
shows as well.
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

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("AIDRUG_HOME", ROOT / ".aidrug"))
RESULTS = Path(__file__).parent / "results" / "bounds.json"
TODAY = ("without bounds", "bounds as values")
SPREAD = 0.6
"""Of the censored likelihood, in standard deviations of the values: about what a booster misses by."""
FEATURES = ("morgan_count", "avalon_count", "erg")
STEPS = {"n_estimators": 200, "learning_rate": 0.08}
WAYS = (*TODAY, "one-sided", "likelihood")
DRAWS = 2000

Values = NDArray[np.float64]
Fit = Callable[[Values, Values, Values, str], Callable[[Values], Values]]
"""Features, standardised values, sides (1 for `>`, -1 for `<`, 0 for exact) and a way to what predicts."""


def main() -> None:
    """Measure, and write what was found."""
    text = json.dumps(measured(Path(sys.argv[1])), indent=1, sort_keys=True)
    RESULTS.write_text(f"{text}\n", encoding="utf-8")
    print(text)


def measured(folder: Path) -> dict[str, Any]:
    """Return the errors of every way, and how those that know bounds differ from the better one of today's."""
    dataset = records(folder)
    train = dataset.folds >= 0
    sides = np.where(dataset.exact, 0, np.where(dataset.table["relation"].str.startswith(">"), 1, -1)).astype(float)
    models = load_configs(ROOT / "configs").models
    cache = FeatureCache(HOME / "features", ROOT, processes=2)
    X = featurizers.join([cache.featurize(name, dataset.molecules()) for name in FEATURES])
    fit = booster(models["xgb"])
    kin = dataset.table["group"].to_numpy(dtype=int)
    scored = train & (sides == 0)
    squares = {}
    for way in WAYS:
        missed = _out_of_fold(fit, X, dataset, sides, way)[scored] - dataset.values[scored]
        squares[way] = missed**2
        print(way, round(float(np.sqrt(squares[way].mean())), 4), flush=True)
    bounds = int((train & (sides != 0)).sum())
    return {"molecules": int(train.sum()), "bounds": bounds, "booster": compared(squares, kin[scored])}


def records(folder: Path) -> Dataset:
    """Return the raw records, curated and divided by the project's own rules."""
    source = CsvSource(
        kind="csv", files=("herg/ChEMBL_hERG_raw.csv.gz",), smiles_column="canonical_smiles",
        value_column="standard_value", relation_column="standard_relation", unit_column="standard_units",
    )  # fmt: skip
    curation = Curation(censored="keep_bound", valid_range=(2.0, 13.0))
    table, report = curate(read_source(source, folder), curation, task="regression", source_unit="nM", unit="pIC50")
    return Dataset(assign(table, Split(), "regression"), report)


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

    settings = {**spec.settings().model_dump(exclude={"task", "seed"}), **STEPS}
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
