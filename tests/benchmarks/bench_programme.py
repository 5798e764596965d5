"""Do joint models win on a programme's table? Biogen's six assays of shared compounds, over folds of new chemistry.

Divides the molecules of all assays together, as a group is, predicts each fold by models that saw nothing of it, and
compares: every single model and their blend, the joint model, the blend of all, and the joint model with the same
network fitted on each assay apart. The test split takes no part. The forest, which has no share in these blends, is
left out. `python -m tests.benchmarks.bench_programme FOLDER KIND [MODEL ...]`, FOLDER being that of
`ADME_public_set_3521.csv` and KIND `cluster` or `scaffold`; a quarter of an hour of processor time for each.
Predictions are kept in `AIDRUG_HOME`, so that models may be fitted one at a time; once all are there, they are
compared. Then `python -m tests.benchmarks.programme_report` writes `docs/programmes.md`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, models
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.panel import Panel
from model_zoo.config.reading import read_config
from model_zoo.data.folds import held_out
from model_zoo.data.group_dataset import GroupDataset, make_group_dataset
from model_zoo.data.splits import Split
from model_zoo.features.cache import FeatureCache
from model_zoo.io.digests import json_digest
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signed_code import sign
from model_zoo.training.cross_validation import TrainingData, cross_validate
from model_zoo.training.joint import cross_validate_jointly, joined

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("AIDRUG_HOME", ROOT / ".aidrug"))
RESULTS = Path(__file__).parent / "results" / "programme.json"
SINGLE, JOINT = ("xgb", "catboost", "gp"), "mlp_joint"
APART, BARE, EMBEDDING = f"{JOINT}, apart", f"{JOINT}, bare", "minimol"
"""The joint network fitted on each assay by itself, the one that reads no pretrained embedding, and that embedding."""
MODELS = (*SINGLE, JOINT, BARE, APART)
JUDGED = ("biogen_hlm", "biogen_rlm", "biogen_mdr1_er", "biogen_solubility")
"""The four large assays; the two of protein binding, with under 200 values, are reported only."""
BLENDS = {"blend": "MSE", "blend_mae": "MAE"}
DRAWS = 2000

Values = NDArray[np.float64]
Predicted = dict[str, Values]


def main() -> None:
    """Predict, and compare once all is there."""
    folder, kind, *chosen = sys.argv[1:]
    programme = Programme(Path(folder), kind)
    for model in chosen or MODELS:
        _, seconds = programme.predicted(model, fit=True)
        print(f"{kind}: {model}, {seconds:.0f} s of processor time", flush=True)
    if made := programme.compared():
        known = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
        text = json.dumps({**known, kind: made}, indent=1, sort_keys=True)
        RESULTS.write_text(f"{text}\n", encoding="utf-8")
        print(json.dumps(made["judged"], indent=1))


class Programme:
    """The assays, divided by one kind of split."""

    def __init__(self, folder: Path, kind: str, **columns: str) -> None:
        self.kind, self.models = kind, load_configs(ROOT / "configs").models
        panel = read_config(ROOT / "configs" / "panels" / "biogen.yaml", Panel)
        sets = (each.model_copy(update={"endpoint": {**each.endpoint, **columns}}) for each in panel.sets)
        made = (Endpoint.model_validate(each.content(panel, ".")) for each in sets)
        self.endpoints = {each.name: each for each in made}
        self._targets = {name: each.target for name, each in self.endpoints.items()}
        sections = {name: each.dataset for name, each in self.endpoints.items()}
        self.group: GroupDataset = make_group_dataset(
            sections, Split.model_validate({"kind": kind}), lambda source: folder
        )
        molecules = self.group.molecules
        self.rows = {smiles: place for place, smiles in enumerate(molecules.table["smiles"])}
        self.folds, self.groups = molecules.folds, molecules.table["group"].to_numpy(dtype=int)
        self._cache, self._molecules = FeatureCache(HOME / "features", ROOT), molecules.molecules()

    def predicted(self, name: str, *, fit: bool = False) -> tuple[Values | None, float]:
        """Return the `n x t` predictions of all molecules by a model, and what they took; none where none are there."""
        model = self._model(name)
        signed = sign(Makers(("rows", "training", "joint"), model.features, model.recipe), ROOT)
        key = [name, self.group.digest, model.settings().model_dump(mode="json"), signed["code"], signed["library"]]
        path = HOME / "programme" / f"{json_digest(key)}.npz"
        if not path.exists() and fit:
            began = time.process_time()
            raw = self._jointly(model, apart=name == APART) if model.is_joint else self._one_by_one(model)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path.with_suffix(".part.npz"), raw=raw, seconds=time.process_time() - began)
            path.with_suffix(".part.npz").replace(path)
        if not path.exists():
            return None, 0.0
        with np.load(path, allow_pickle=False) as kept:
            return np.asarray(kept["raw"]), float(kept["seconds"])

    def _model(self, name: str) -> ModelSpec:
        model = self.models[name.partition(",")[0]]
        if name != BARE:
            return model
        features = tuple(each for each in model.features if each != EMBEDDING)
        blocks = [
            block for block, each in zip(model.config["blocks"], model.features, strict=True) if each != EMBEDDING
        ]
        return model.model_copy(update={"features": features, "config": {**model.config, "blocks": blocks}})

    def compared(self) -> dict[str, Any]:
        """Report the errors of each assay, and what the joint model changes over those; nothing before all are
        there, but for the network apart and the bare one.

        The best without it is chosen for each assay by its error on these very folds, to its advantage.
        """
        found = {model: self.predicted(model) for model in MODELS}
        there = {model: raw for model, (raw, _) in found.items() if raw is not None}
        if {*SINGLE, JOINT} - set(there):
            return {}
        missed: dict[str, Predicted] = {}
        kin: dict[str, NDArray[np.int_]] = {}
        for place, (name, dataset) in enumerate(self.group.datasets.items()):
            mine, train = self._mine(name), dataset.folds >= 0
            predicted = {model: raw[mine, place] for model, raw in there.items()}
            for blend, loss in BLENDS.items():
                marks = {
                    "": SINGLE,
                    "_joint": (*SINGLE, JOINT),
                    **({"_bare": (*SINGLE, BARE)} if BARE in there else {}),
                }
                for mark, members in marks.items():
                    P = np.column_stack([predicted[model] for model in members])
                    predicted[blend + mark] = blended(P, dataset.values, dataset.folds, loss)
            missed[name] = {model: np.abs(raw - dataset.values)[train] for model, raw in predicted.items()}
            kin[name] = dataset.table["group"].to_numpy(dtype=int)[train]
        errors = {
            name: {
                model: {"mae": round(float(each.mean()), 4), "rmse": round(float(np.sqrt((each**2).mean())), 4)}
                for model, each in of_models.items()
                if np.isfinite(each).all()
            }
            for name, of_models in missed.items()
        }
        judged = {}
        for power, metric in ((1, "mae"), (2, "rmse")):
            best = {name: _best(errors[name], metric) for name in JUDGED}
            for model in (JOINT, *(f"{blend}_joint" for blend in BLENDS)):
                judged[f"{model}, {metric}"] = change(missed, kin, best, model, power)
            if BARE in there:
                judged[f"blend_mae_bare, {metric}"] = change(missed, kin, best, "blend_mae_bare", power)
                bare = dict.fromkeys(JUDGED, BARE)
                judged[f"embedding against none, {metric}"] = change(missed, kin, bare, JOINT, power)
            if APART in there:
                apart = dict.fromkeys(JUDGED, APART)
                judged[f"jointly against apart, {metric}"] = change(missed, kin, apart, JOINT, power)
        return {
            "errors": errors,
            "judged": judged,
            "rows": {name: int((each.folds >= 0).sum()) for name, each in self.group.datasets.items()},
            "molecules": len(self.rows),
            "leaking": len(self.group.leaks()),
            "auxiliary": self._auxiliary(),
            "processor_s": {model: round(seconds, 1) for model, (raw, seconds) in found.items() if raw is not None},
        }

    def _auxiliary(self) -> float:
        """Return the weight of targets without measurements that is in effect: none where many values were measured."""
        config = self.models[JOINT].settings().model_dump()
        learnt = np.mean([np.mean(self.learnt_from(name)) for name in self.group.datasets])
        return float(config["auxiliary"]) if learnt <= config["auxiliary_until"] else 0.0

    def values_of(self, endpoint: str) -> dict[str, float]:
        """Return by molecule the values of an endpoint that some fold is scored on."""
        dataset = self.group.datasets[endpoint]
        rows = dataset.folds >= 0
        return dict(zip(dataset.table["smiles"][rows], dataset.values[rows], strict=True))

    def learnt_from(self, endpoint: str) -> list[int]:
        """Return how many values of an endpoint each fold's model learns from, from the first fold to the last."""
        folds = self.group.datasets[endpoint].folds
        return [int(each.fitted.sum()) for each in held_out(folds) if each.fold >= 0]

    def _mine(self, endpoint: str) -> list[int]:
        return [self.rows[smiles] for smiles in self.group.datasets[endpoint].table["smiles"]]

    def features(self, model: ModelSpec) -> NDArray[Any]:
        """Return the `n x d` features that a model reads, of all molecules."""
        return featurizers.join([self._cache.featurize(name, self._molecules) for name in model.features])

    def _one_by_one(self, model: ModelSpec) -> Values:
        X, raw = self.features(model), np.full((len(self.rows), len(self.group.datasets)), np.nan)
        for place, (name, dataset) in enumerate(self.group.datasets.items()):
            mine = self._mine(name)
            data = TrainingData(X[mine], dataset.values, dataset.folds)
            raw[mine, place] = cross_validate(model.recipe, model.settings(), self.endpoints[name].target, data).raw
        return raw

    @property
    def Y(self) -> Values:  # noqa: N802  a matrix
        """The `n x t` values of all molecules, NaN where nothing was measured."""
        return joined(self.group, self._targets, np.empty((len(self.rows), 0)))[0].Y

    def _jointly(self, model: ModelSpec, *, apart: bool) -> Values:
        data, _ = joined(self.group, self._targets, self.features(model))
        if not apart:
            return cross_validate_jointly(model.recipe, model.settings(), data)
        raw = np.full(data.Y.shape, np.nan)
        for place in map(data.endpoints.index, JUDGED):
            raw[:, place] = cross_validate_jointly(model.recipe, model.settings(), data.only([place]))[:, 0]
        return raw


def blended(P: Values, y: Values, folds: NDArray[np.int_], loss: str, known: NDArray[np.bool_] | None = None) -> Values:
    """Weigh members fold by fold, by shares that were learnt from the other folds, or from what is known of them."""
    recipe = models.get("blend")
    config = recipe.Config(shrinkage=30, loss=loss)
    raw = np.full(len(y), np.nan)
    for fold in range(int(folds.max()) + 1):
        others, inside = (folds >= 0) & (folds != fold), folds == fold
        others &= True if known is None else known
        raw[inside] = P[inside] @ recipe.fit_weights(P[others], y[others], config)
    return raw


def _best(errors: dict[str, dict[str, float]], metric: str) -> str:
    return min((*SINGLE, *BLENDS), key=lambda model: errors[model][metric])


def change(
    missed: dict[str, Predicted], kin: dict[str, NDArray[np.int_]], against: dict[str, str], model: str, power: int
) -> dict[str, Any]:
    """Return the mean relative change of the error against other models over the assays that these are named for.

    The interval comes from drawing groups of molecules that stay together, the same draws for all assays.
    """
    groups = np.unique(np.concatenate([kin[name] for name in against]))
    sums: list[tuple[Values, ...]] = []
    for name in against:
        place = np.searchsorted(groups, kin[name])
        parts: Sequence[Values] = (
            missed[name][against[name]] ** power,
            missed[name][model] ** power,
            np.ones(len(place)),
        )
        sums.append(tuple(np.bincount(place, each, len(groups)).astype(np.float64) for each in parts))

    def relative(times: Values) -> list[float]:
        """Return the changes where each group is drawn so many times."""
        pairs = [[float(times @ each / (times @ rows)) ** (1 / power) for each in two] for *two, rows in sums]
        return [new / old - 1 for old, new in pairs]

    generator, size = np.random.default_rng(0), len(groups)
    draws = [
        np.mean(relative(np.bincount(generator.integers(0, size, size), minlength=size).astype(np.float64)))
        for _ in range(DRAWS)
    ]
    each = relative(np.ones(size))
    return {
        "mean": round(float(np.mean(each)), 4),
        "interval": [round(float(value), 4) for value in np.quantile(draws, [0.025, 0.975])],
        "each": {name: round(value, 4) for name, value in zip(against, each, strict=True)},
        "against": against,
    }


if __name__ == "__main__":
    main()
