"""Does a Gaussian process that boosters correct make the blend better? Biogen's assays, and sets of potency.

What the process says of a molecule whose fold it did not see comes in closed form from one fit per fold held out.
Shallow boosted trees learn what is missing to the value: from that prediction, from those of all assays, or from that
prediction and the descriptors. Each corrected process joins the blend as one member more. Test splits take no part.

`python -m tests.benchmarks.bench_correction FOLDER KIND [SET ...]`, KIND being `cluster` or `scaffold`. Without a set,
FOLDER is that of `ADME_public_set_3521.csv`, and `bench_programme` fitted the members before; else that in which
`aidrug benchmark-set` laid out the sets, of whose training part some molecules are drawn. Five minutes of processor
time, and three for each set. Then `python -m tests.benchmarks.programme_report`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, models
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import DatasetConfig, make_dataset
from model_zoo.data.targets import Target
from model_zoo.features.cache import FeatureCache
from model_zoo.featurizers import rdkit_descriptors
from model_zoo.models import gp
from model_zoo.models._covariance import DISTANCES, Terms, factored
from model_zoo.models._values import standardised
from model_zoo.training.cross_validation import TrainingData, cross_validate
from model_zoo.type_aliases import Numbers
from tests.benchmarks.bench_programme import (
    BARE,
    BLENDS,
    HOME,
    JUDGED,
    ROOT,
    SINGLE,
    Predicted,
    Programme,
    Values,
    blended,
    change,
)

RESULTS = Path(__file__).parent / "results" / "correction.json"
SHALLOW = {"n_estimators": 120, "max_depth": 3, "learning_rate": 0.04, "min_child_weight": 20, "colsample_bytree": 1}
WIDE = {
    "n_estimators": 300,
    "max_depth": 4,
    "learning_rate": 0.03,
    "min_child_weight": 10,
    "subsample": 0.7,
    "colsample_bytree": 0.1,
}
PROCESS, ITSELF, SISTERS, DESCRIBED = "gp", "itself", "sisters", "described"
MEMBERS = ("xgb", "catboost", "svm", "rf")
"""Of the blend on a set of its own, beside the process."""
DRAWN, LIKELIHOOD_ROWS = 800, 400
"""Molecules of such a set, and what the marginal likelihood looks at there: a part of each, for quick answers."""


class LeftOut:
    """A Gaussian process, and what it would say had it not seen some of its rows, its covariance kept as it is."""

    def __init__(self, X: Numbers, y: Values, config: gp.Config) -> None:
        from scipy.linalg import cho_solve

        self._rows = np.flatnonzero(np.isfinite(y))
        learnt = standardised(y[self._rows], "regression")
        self._center, self._scale = learnt.center, learnt.scale
        bounds = gp._bounds(X.shape[1], config)
        terms = gp._terms(X[self._rows], learnt.values, bounds, config)
        kept = terms.signals >= gp.NEGLIGIBLE * terms.signals.sum()
        terms = Terms(terms.signals[kept], terms.reaches[kept], terms.noise)
        places = [(block, slice(start, stop)) for (block, start, stop), keep in zip(bounds, kept, strict=True) if keep]
        blocks = [(DISTANCES[block.distance](X[self._rows, part], block), part) for block, part in places]
        self.covariance = np.vstack(
            [
                terms.covariance(block.distances(X[at : at + gp.PART, part]) for block, part in blocks)
                for at in range(0, len(X), gp.PART)
            ]
        )
        self.noise = terms.noise
        factor = factored(self.covariance[self._rows].copy(), terms.noise)
        self._precision = cho_solve(factor, np.eye(len(self._rows)), check_finite=False)
        self._weights = self._precision @ learnt.values

    def says(self, of: NDArray[np.bool_], without: NDArray[np.bool_]) -> Values:
        """Predict some molecules as if some had not been learnt from (Rasmussen & Williams, section 5.4.2)."""
        left = without[self._rows]
        between = np.linalg.solve(self._precision[np.ix_(left, left)], self._weights[left])
        weights = np.where(left, 0.0, self._weights - self._precision[:, left] @ between)
        return np.asarray(self._center + self._scale * (self.covariance[of] @ weights))


def nested(X: Numbers, Y: Values, folds: NDArray[np.int_], settings: Mapping[str, Any]) -> Values:
    """Return `k x n x t` predictions: for each fold held out, of all molecules that are in a fold.

    The prediction of a molecule comes of a process whose weights have learnt neither from the fold held out nor from
    its own.
    """
    config, count = gp.Config.model_validate(settings), int(folds.max()) + 1
    known = np.full((count, *Y.shape), np.nan)
    for held_out in range(count):
        learnt = (folds >= 0) & (folds != held_out)
        for task in range(Y.shape[1]):
            process = LeftOut(X, np.where(learnt, Y[:, task], np.nan), config)
            for fold in range(count):
                inside = folds == fold
                known[held_out, inside, task] = process.says(inside, inside)
    return known


def corrected(known: Values, D: Numbers, Y: Values, folds: NDArray[np.int_], task: int) -> Predicted:
    """Return by title what the process predicts, and what it does once boosters corrected it."""
    recipe, y = models.get("xgb"), Y[:, task]
    shallow, wide = recipe.Config(**SHALLOW), recipe.Config(**WIDE)
    titles = (PROCESS, ITSELF, SISTERS, DESCRIBED) if Y.shape[1] > 1 else (PROCESS, ITSELF, DESCRIBED)
    raw = {title: np.full(len(y), np.nan) for title in titles}
    for fold, predicted in enumerate(known):
        fitted, inside, own = np.isfinite(y) & (folds >= 0) & (folds != fold), folds == fold, predicted[:, task]
        raw[PROCESS][inside] = own[inside]
        ways = {
            ITSELF: (own[:, None], shallow),
            SISTERS: (predicted, shallow),
            DESCRIBED: (np.hstack([own[:, None], D]), wide),
        }
        for title in titles[1:]:
            seen, config = ways[title]
            model = recipe.train(seen[fitted], (y - own)[fitted], config)
            raw[title][inside] = own[inside] + model.predict(seen[inside])
    return raw


def compared(
    raw: Mapping[str, Predicted],
    members: Mapping[str, Predicted],
    truth: Mapping[str, tuple[Values, NDArray[np.int_], NDArray[np.int_]]],
) -> dict[str, Any]:
    """Compare each corrected process with the process, and the blend with it as a member with the one without it.

    Parameters
    ----------
    raw, members
        By endpoint, what `corrected` returned and what the other members predict.
    truth
        By endpoint, values, folds and groups.
    """
    missed: dict[str, Predicted] = {}
    for name, (y, folds, _) in truth.items():
        process, *others = raw[name]
        missed[name] = {title: np.abs(each - y) for title, each in raw[name].items()}
        beside = [*members[name].values(), raw[name][process]]
        for blend, loss in BLENDS.items():
            missed[name][blend] = np.abs(blended(np.column_stack(beside), y, folds, loss) - y)
            for title in others:
                P = np.column_stack([*beside, raw[name][title]])
                missed[name][f"{blend}, {title}"] = np.abs(blended(P, y, folds, loss) - y)
    kin = {name: groups for name, (_, _, groups) in truth.items()}
    titles = [title for title in next(iter(raw.values())) if title != PROCESS]
    measured = {"mae": (1, "blend_mae"), "rmse": (2, "blend")}
    return {
        "errors": {
            name: {
                title: {"mae": round(float(each.mean()), 4), "rmse": round(float(np.sqrt((each**2).mean())), 4)}
                for title, each in of_titles.items()
            }
            for name, of_titles in missed.items()
        },
        "corrected": {
            title: {
                metric: change(missed, kin, dict.fromkeys(truth, PROCESS), title, power)
                for metric, (power, _) in measured.items()
            }
            for title in titles
        },
        "blended": {
            title: {
                metric: change(missed, kin, dict.fromkeys(truth, blend), f"{blend}, {title}", power)
                for metric, (power, blend) in measured.items()
            }
            for title in titles
        },
        "members": [*next(iter(members.values())), PROCESS],
    }


def programme(folder: Path, kind: str) -> dict[str, Any]:
    """Compare on Biogen's four large assays, with the members that `bench_programme` fitted."""
    of = Programme(folder, kind)
    spec, Y, folds = of.models[PROCESS], of.Y, of.folds
    X = of.features(spec)
    known, D = nested(X, Y, folds, spec.settings().model_dump()), X[:, -len(rdkit_descriptors.NAMES) :]
    fitted = {model: of.predicted(model)[0] for model in (*SINGLE, BARE) if model != PROCESS}
    raw, members, truth = {}, {}, {}
    for name in JUDGED:
        task = list(of.group.datasets).index(name)
        there = np.isfinite(Y[:, task]) & (folds >= 0)
        raw[name] = {title: each[there] for title, each in corrected(known, D, Y, folds, task).items()}
        members[name] = {model: each[there, task] for model, each in fitted.items() if each is not None}
        truth[name] = Y[there, task], folds[there], of.groups[there]
    return compared(raw, members, truth)


def single(folder: Path, kind: str, name: str) -> dict[str, Any]:
    """Compare on the training part of a set of its own."""
    source = {"kind": "csv", "files": ["train_val.csv"], "smiles_column": "Drug", "value_column": "Y"}
    section = {
        "task": "regression",
        "unit": "pIC50",
        "source_unit": "pIC50",
        "source": source,
        "split": {"kind": kind, "test_fraction": 0.05},
    }
    dataset = make_dataset(DatasetConfig.model_validate(section), folder / name)
    rows = np.flatnonzero(dataset.folds >= 0)
    rows = np.sort(np.random.default_rng(0).choice(rows, min(DRAWN, len(rows)), replace=False))
    y, folds, groups = dataset.values[rows], dataset.folds[rows], dataset.table["group"].to_numpy(dtype=int)[rows]
    cache, molecules, specs = FeatureCache(HOME / "features", ROOT), dataset.molecules(), load_configs(ROOT / "configs")
    X = {
        model: featurizers.join([cache.featurize(each, molecules) for each in specs.models[model].features])[rows]
        for model in (*MEMBERS, PROCESS)
    }
    members = {
        model: cross_validate(
            specs.models[model].recipe,
            specs.models[model].settings(),
            Target(task="regression"),
            TrainingData(X[model], y, folds),
        ).raw
        for model in MEMBERS
    }
    settings = {**specs.models[PROCESS].settings().model_dump(), "likelihood_rows": LIKELIHOOD_ROWS}
    known, D = nested(X[PROCESS], y[:, None], folds, settings), X[PROCESS][:, -len(rdkit_descriptors.NAMES) :]
    raw = corrected(known, D, y[:, None], folds, 0)
    return compared({name: raw}, {name: members}, {name: (y, folds, groups)})


def main() -> None:
    """Fit, compare, and write each result as soon as it is there."""
    folder, kind, *sets = sys.argv[1:]
    for name in sets or ["biogen"]:
        found = single(Path(folder), kind, name) if sets else programme(Path(folder), kind)
        kept = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
        text = json.dumps({**kept, f"{name}, {kind}": found}, indent=1, sort_keys=True)
        RESULTS.write_text(f"{text}\n", encoding="utf-8")
        print(name, kind, json.dumps(found["errors"]), flush=True)


if __name__ == "__main__":
    main()
