"""The contestants of one benchmark set: cross-validated, and fitted for the official seeds.

What is kept is in a folder of its own beside the small results: an ensemble and an interrupted run find there what
was fitted before. Without it, it is computed again.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.benchmark.protocol import MISSING, OfficialRows, predict_test_rows
from model_zoo.chemistry.molecules import Molecule
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.dataset import Dataset, make_dataset
from model_zoo.data.targets import Target
from model_zoo.errors import DataError
from model_zoo.features.blocks import JoinedBlocks
from model_zoo.features.cache import FeatureCache
from model_zoo.fitted_models.formats import load_model
from model_zoo.io.files import draft_of
from model_zoo.models import OwnFormat, Trainer, get
from model_zoo.models._base import ModelConfig
from model_zoo.provenance import signature
from model_zoo.provenance.records import make_record, signed_datasets, trained_model_record
from model_zoo.provenance.roots import Makers
from model_zoo.training.cross_validation import (
    TrainingData,
    Validated,
    cross_validate,
    cross_validate_ensemble,
    scored,
    training_values,
)
from model_zoo.training.latency import latency_ms
from model_zoo.training.transfer import AuxiliaryDataset, prepared
from model_zoo.training.validation import plain_errors, row_limit
from model_zoo.type_aliases import Json, Numbers

PROTOCOL = Makers(("protocol",))


@dataclass(frozen=True)
class Kept:
    """A folder of arrays under signatures."""

    folder: Path

    def read(self, key: str) -> tuple[NDArray[np.float64], dict[str, Json]] | None:
        """Return an array and what was noted with it; none when it is not there or not readable."""
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as content:
                return content["values"], json.loads(str(content["notes"]))
        except (OSError, ValueError, KeyError):
            return None

    def write(self, key: str, values: NDArray[np.float64], notes: Mapping[str, Json]) -> None:
        """Keep an array: whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with draft_of(self.folder / f"{key}.npz") as stream:
            np.savez(stream, values=values, notes=np.array(json.dumps(notes)))


@dataclass(frozen=True)
class Snapshot:
    """The molecules of one set, their values and features: made when something must be computed, and once."""

    endpoint: Endpoint
    """The set."""
    folder: Path
    """The benchmark's folder."""
    features: FeatureCache
    """Features on disk."""

    @cached_property
    def dataset(self) -> Dataset:
        """The curated rows."""
        return make_dataset(self.endpoint.dataset, self.folder)

    @cached_property
    def rows(self) -> OfficialRows:
        """Each row of the two official files in the snapshot."""
        return official_rows(self.dataset)

    @cached_property
    def _molecules(self) -> Sequence[Molecule]:
        return self.dataset.molecules()

    @cached_property
    def _blocks(self) -> dict[str, Numbers]:
        return {}

    def joined(self, model: ModelSpec) -> Numbers:
        """Return the features that a model learns from."""
        for name in model.features:
            if name not in self._blocks:
                self._blocks[name] = self.features.featurize(name, self._molecules)
        return featurizers.join([self._blocks[name] for name in model.features])

    def as_auxiliary(self, model: ModelSpec) -> AuxiliaryDataset:
        """Return this set as others learn from it: kept, because each of the folder's sets asks for it."""
        if model.features not in self._as_auxiliary:
            X = self.features.joined(model.features, self.dataset.molecules()).astype(np.float32, copy=False)
            self._as_auxiliary[model.features] = AuxiliaryDataset(
                self.endpoint.name, self.endpoint.target, self.dataset, X
            )
        return self._as_auxiliary[model.features]

    @cached_property
    def _as_auxiliary(self) -> dict[tuple[str, ...], AuxiliaryDataset]:
        return {}


@dataclass(frozen=True)
class BenchmarkRun:
    """Models on one set."""

    snapshot: Snapshot
    """The set."""
    models: Mapping[str, ModelSpec]
    """Who competes, ensembles behind their members, by a name of their own."""
    code_root: Path
    """The folder of the packages whose code is signed."""
    kept: Kept
    """Predictions on disk."""
    others: Mapping[str, Snapshot] = field(default_factory=dict)
    """The folder's sets by name, for models that learn from auxiliary ones."""

    @cached_property
    def signatures(self) -> dict[str, str]:
        """The signature of each model on this set, by name."""
        endpoint = self.snapshot.endpoint
        data = endpoint.dataset.source.digests(self.snapshot.folder)
        found: dict[str, str] = {}
        for name, model in self.models.items():
            members = {member: found[member] for member in model.members}
            known = (self.others[other].endpoint for other in self._auxiliary(model))
            others = signed_datasets(known, lambda _: self.snapshot.folder, self.code_root)
            record = trained_model_record(endpoint, model, data, self.code_root, members, others)
            found[name] = signature.signature(record)
        return found

    def cross_validate(self, name: str) -> dict[str, Json]:
        """Cross-validate one model as the product does; return what its candidate's entry says.

        Raises
        ------
        Exception
            Whatever its library raises.
        """
        validated, notes = self._validated(name)
        summary = validated.summary()
        return {
            "model": name,
            "signature": self.signatures[name],
            "cv": round(summary[self.snapshot.endpoint.champion.metric]["mean"], 6),
            "snapshot": self.snapshot.dataset.digest,
            "folds": {metric: [round(score, 6) for score in cv["folds"]] for metric, cv in summary.items()},
            **notes,
        }

    def official(self, name: str, seeds: int) -> tuple[list[NDArray[np.float64]], float]:
        """Predict the test rows by each seed's model; give the predictions, and the seconds of all fits.

        An ensemble's shares are those that all out-of-fold predictions of `train_val.csv` give.
        """
        if not self.models[name].members:
            found = [self._official_seed(name, seed) for seed in range(1, seeds + 1)]
            return [raw for raw, _ in found], round(sum(seconds for _, seconds in found), 2)
        shares = self._shares(name)
        members = [self.official(member, seeds) for member in shares]
        by_seed = zip(*(raws for raws, _ in members), strict=True)
        mixed = [np.asarray(np.column_stack(raws) @ list(shares.values())) for raws in by_seed]
        return mixed, round(sum(seconds for _, seconds in members), 2)

    def _validated(self, name: str) -> tuple[Validated, dict[str, Json]]:
        """Return out-of-fold predictions with their scores, and what they cost; from the disk where they are kept."""
        key = f"folds-{self.signatures[name]}"
        found = self.kept.read(key)
        if found is not None:
            return scored(found[0], self._target, self._data(np.empty((0, 0)))), found[1]
        began = time.process_time()  # other work on the machine hardly changes it
        validated, notes = self._ensemble(name) if self.models[name].members else self._single(name)
        notes = {"train_s": round(time.process_time() - began, 2), **notes}
        self.kept.write(key, validated.raw, notes)
        return validated, notes

    def _single(self, name: str) -> tuple[Validated, dict[str, Json]]:
        model = self.models[name]
        data = self._data(self.snapshot.joined(model))
        config = self._settings(model)
        with plain_errors(model.name, self._target, data, row_limit(model.recipe, config)):
            validated = cross_validate(model.recipe, config, self._target, data, self._trainer(model, config))
        return validated, {"ms_per_molecule": _cost_ms(model.recipe, validated, data.X)}

    def _ensemble(self, name: str) -> tuple[Validated, dict[str, Json]]:
        model, shares = self.models[name], self._shares(name)
        P, data = self._out_of_fold(model), self._data(np.empty((0, 0)))
        validated = cross_validate_ensemble(get(model.recipe), self._settings(model), self._target, P, data)
        cost = round(sum(self._validated(member)[1]["ms_per_molecule"] for member in shares), 4)
        rounded = {member: round(share, 4) for member, share in shares.items()}
        return validated, {"ms_per_molecule": cost, "shares": rounded}

    def _shares(self, name: str) -> dict[str, float]:
        """Return an ensemble's members that have a share, and their shares."""
        model, data = self.models[name], self._data(np.empty((0, 0)))
        train, y = data.folds >= 0, training_values(self._target, data.values)
        config = self._settings(model).model_copy(update={"task": self._target.task})
        shares = get(model.recipe).fit_weights(self._out_of_fold(model)[train], y[train], config)
        return {member: float(share) for member, share in zip(model.members, shares, strict=True) if share > 0}

    def _out_of_fold(self, ensemble: ModelSpec) -> NDArray[np.float64]:
        return np.column_stack([self._validated(name)[0].raw for name in ensemble.members])

    def _official_seed(self, name: str, seed: int) -> tuple[NDArray[np.float64], float]:
        model = self.models[name]
        record = make_record(PROTOCOL, self.code_root, {"seed": seed}, {}, {"model": self.signatures[name]})
        key = f"official-{signature.signature(record)}"
        found = self.kept.read(key)
        if found is not None:
            return found[0], float(found[1]["train_s"])
        X, config = self.snapshot.joined(model), self._settings(model).model_copy(update={"seed": seed})
        began = time.process_time()
        data, rows = self._data(X), self.snapshot.rows
        with plain_errors(model.name, self._target, data, row_limit(model.recipe, config)):
            trainer = self._trainer(model, config)
            raw = predict_test_rows(model.recipe, config, self._target, X, data.values, rows, trainer)
        seconds = time.process_time() - began
        self.kept.write(key, raw, {"train_s": seconds})
        return raw, seconds

    def _auxiliary(self, model: ModelSpec) -> list[str]:
        return model.auxiliary_of(self.snapshot.endpoint.name, self.others)

    def _trainer(self, model: ModelSpec, config: ModelConfig) -> Trainer | None:
        """Let a model learn from its auxiliary sets first, if it has any."""
        if not model.auxiliary:
            return None
        known = [self.others[name].as_auxiliary(model) for name in self._auxiliary(model)]
        return prepared(model.recipe, config, self.snapshot.dataset, known)

    @property
    def _target(self) -> Target:
        return self.snapshot.endpoint.target

    def _settings(self, model: ModelSpec) -> ModelConfig:
        return model.settings(self.snapshot.endpoint.name)

    def _data(self, X: Numbers) -> TrainingData:
        dataset = self.snapshot.dataset
        return TrainingData(X, dataset.values, dataset.folds, dataset.exact)


def _cost_ms(name: str, validated: Validated, X: Numbers | JoinedBlocks) -> float:
    """Milliseconds per molecule of the model as it would be served: saved and loaded.

    A model that no bundle can hold brings its own `load`.
    """
    assert validated.model is not None
    recipe = get(name)
    load = recipe.load if isinstance(recipe, OwnFormat) else load_model
    with tempfile.TemporaryDirectory() as folder:
        validated.model.save(Path(folder))
        return latency_ms(load(Path(folder)), X)


def official_rows(dataset: Dataset) -> OfficialRows:
    """Find each row of the two official files in a snapshot that keeps replicates.

    Raises
    ------
    DataError
        When a test row has no value: then there is nothing to be scored against.
    """
    report = dataset.report
    kept = (report["action"] == "kept").to_numpy()
    places = np.full(len(report), MISSING)
    places[kept] = np.arange(int(kept.sum()))
    test = report["file"].str.endswith("/test.csv").to_numpy()
    try:
        values = report.loc[test, "value"].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise DataError(f"test.csv: expected a number in every row: {error}") from error
    if not np.all(np.isfinite(values)):
        raise DataError("test.csv: expected a finite number in every row")
    return OfficialRows(places[~test], places[test], values)
