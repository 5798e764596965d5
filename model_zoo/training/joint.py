"""Fitting one model on all endpoints of a group, and giving each endpoint its column.

Every fold and the test split hold the same molecules for all endpoints, so that nothing measured on a molecule at any
of them helps to predict it. Values are learnt on each endpoint's own scale of training.

Belongs here: joining the snapshots of a group, the folds, and the folder that each endpoint's part leaves.
Does not belong here: how a group is divided (see `data/group_dataset.py`), the joint models.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo.data.dataset import Dataset
from model_zoo.data.folds import held_out, training_rows
from model_zoo.data.group_dataset import GroupDataset
from model_zoo.data.targets import Target, Task
from model_zoo.errors import TrainingError
from model_zoo.features.blocks import JoinedBlocks, read_blocks
from model_zoo.fitted_models.formats import load_model
from model_zoo.models import JointModel, get
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import (
    SAME,
    TrainingData,
    finite_predictions,
    keep_trained,
    require_measured,
    scored,
    training_values,
)
from model_zoo.type_aliases import Json, Numbers

FILE, PREDICTIONS = "joint.json", "predictions.npz"
LEAST_ROWS = 10
"""Measured molecules that an endpoint must have outside of any fold."""
LEAST_SHARED = 10
"""Molecules that two endpoints or more must have measured: from them it is learnt how endpoints go together."""

WatchJoint = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class JointLearner:
    """What is fitted."""

    recipe: str
    config: ModelConfig
    """`recipe` and `config`: the module of the model, and its hyper-parameters."""
    targets: Mapping[str, Target]
    """By endpoint of the group, its task and scale."""


@dataclass(frozen=True)
class JointData:
    """What a joint model may learn from."""

    X: Numbers | JoinedBlocks
    """`n x d` features of every molecule of the group, test split included."""
    Y: NDArray[np.float64]
    """`n x t` values on the scale of training, NaN where nothing was measured."""
    folds: NDArray[np.int_]
    """`n` fold numbers; see `model_zoo/data/folds.py`."""
    endpoints: tuple[str, ...]
    tasks: tuple[Task, ...]
    """`endpoints` and `tasks`: the `t` endpoints, and what kind of values they have."""

    def only(self, places: Sequence[int]) -> JointData:
        """Return some of the endpoints."""
        chosen = list(places)
        names = tuple(self.endpoints[place] for place in chosen)
        return JointData(self.X, self.Y[:, chosen], self.folds, names, tuple(self.tasks[place] for place in chosen))


def fit_jointly(
    learner: JointLearner, group: Path, features: Sequence[Path], watch: WatchJoint, folder: Path
) -> dict[str, Json]:
    """Fit a joint model on what is on disk, with every fold left out in turn, and write it.

    Parameters
    ----------
    learner
        What is fitted.
    group, features
        The folder of the group's snapshots, and the files of its molecules' features, in the model's order.
    watch
        Wraps the fit: translates what libraries raise, changes nothing.
    folder
        An existing, empty folder. Receives `model/<endpoint>/`, `predictions.npz` (`raw`, `n x t`, on the scales of
        training) and `joint.json`.

    Returns
    -------
    dict
        The content of `joint.json`: `endpoints` in the order of the columns, `left_out` with the reason of each that
        nothing could be learnt of, molecules, how many of them are `shared`, and seconds.

    Raises
    ------
    TrainingError
        When fewer than two endpoints are left, they share too few molecules, or a prediction is not finite.
    """
    started = time.perf_counter()
    whole, left_out = joined(GroupDataset.load(group), learner.targets, read_blocks(features))
    data, unusable = _usable(whole)
    left_out |= unusable
    shared = int((np.isfinite(data.Y[training_rows(data.folds)]).sum(axis=1) > 1).sum())
    _require_group(data, shared, left_out)
    test = ~training_rows(data.folds)
    with watch():
        raw = cross_validate_jointly(learner.recipe, learner.config, data)
        model = _trained(learner.recipe, learner.config, data, ~test)
    raw[test] = _finite(model, data.X[test], learner.recipe, len(data.endpoints))
    record = {
        "endpoints": list(data.endpoints),
        "left_out": left_out,
        "molecules": int(np.isfinite(data.Y).any(axis=1).sum()),
        "shared": shared,
        "train_s": round(time.perf_counter() - started, 3),
    }
    (folder / "model").mkdir()
    for place, name in enumerate(data.endpoints):
        part = folder / "model" / name
        part.mkdir()
        model.column(place).save(part)
        saved = load_model(part).predict(data.X[test])
        difference = float(np.abs(saved - raw[test, place]).max(initial=0))
        size = float(np.nanmax(np.abs(data.Y[:, place])))
        if not difference <= SAME * size:
            raise TrainingError(
                f"{learner.recipe}: the part of {name} predicts otherwise than the joint model: they differ by "
                f"{difference:.3g}, expected at most {SAME * size:.3g}"
            )
    np.savez(folder / PREDICTIONS, raw=raw)
    (folder / FILE).write_text(json.dumps(record, allow_nan=False) + "\n", encoding="utf-8")
    return record


def cross_validate_jointly(recipe: str, config: ModelConfig, data: JointData) -> NDArray[np.float64]:
    """Predict every molecule of the folds by a model that was fitted without its fold; the test split takes no part.

    Returns
    -------
    ndarray
        `n x t` predictions on the scale of training, NaN in the test split.

    Raises
    ------
    TrainingError
        When one is not finite.
    """
    raw = np.full(data.Y.shape, np.nan)
    for _, fitted, inside in held_out(data.folds):
        model = _trained(recipe, config, data, fitted)
        raw[inside] = _finite(model, data.X[inside], recipe, len(data.endpoints))
    return raw


def _trained(recipe: str, config: ModelConfig, data: JointData, rows: NDArray[np.bool_]) -> JointModel:
    """Fit on the molecules among these that some endpoint measured."""
    fitted = rows & np.isfinite(data.Y).any(axis=1)
    model: JointModel = get(recipe).train_jointly(data.X[fitted], data.Y[fitted], data.tasks, config)
    return model


def read_joint_record(folder: Path) -> dict[str, Json]:
    """Read the content of `joint.json`."""
    try:
        record: dict[str, Json] = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder / FILE}: expected what a joint model left, got {error}") from error
    return record


def take_column(
    name: str,
    endpoint: str,
    target: Target,
    group: Path,
    joint: Path,
    own: tuple[Dataset, Sequence[Path]],
    folder: Path,
) -> dict[str, Json]:
    """Return an endpoint its part of a joint model, as `train_and_score` leaves a model of its own.

    Parameters
    ----------
    name, endpoint, target
        The model; the endpoint, its task and scale.
    group, joint
        The folder of the group's snapshots, and the one that `fit_jointly` filled.
    own
        The endpoint's snapshot, and the files of its molecules' features, in the model's order.
    folder
        An existing, empty folder. Receives what `train_and_score` writes.

    Raises
    ------
    TrainingError
        When nothing could be learnt of this endpoint, with the reason, or its part predicts something else on its own
        features.
    """
    record = read_joint_record(joint)
    if endpoint not in record["endpoints"]:
        reason = record["left_out"].get(endpoint, "it had no snapshot in its group")
        raise TrainingError(f"{name}: {endpoint} is left out of its group's joint model: {reason}")
    dataset, X = own[0], read_blocks(own[1])
    places = {smiles: row for row, smiles in enumerate(Dataset.load(group).table["smiles"])}
    rows = [places[smiles] for smiles in dataset.table["smiles"]]
    with np.load(joint / PREDICTIONS, allow_pickle=False) as predictions:
        raw = np.asarray(predictions["raw"], dtype=np.float64)[rows, record["endpoints"].index(endpoint)]
    data = TrainingData(X, dataset.values, dataset.folds, dataset.exact)
    require_measured(data)
    model = load_model(joint / "model" / endpoint)
    finite_predictions(model, X[:1], name)
    return keep_trained(name, target, data, scored(raw, target, data), model, record["train_s"], folder)


def joined(
    group: GroupDataset, targets: Mapping[str, Target], X: Numbers | JoinedBlocks
) -> tuple[JointData, dict[str, str]]:
    """Put the endpoints of a group side by side; give those that have no place on their scale with the reason."""
    molecules = group.molecules.table
    places = {smiles: row for row, smiles in enumerate(molecules["smiles"])}
    columns, left_out = {}, dict(group.faults)
    for name, dataset in group.datasets.items():
        try:
            y = training_values(targets[name], dataset.values)
        except TrainingError as error:
            left_out[name] = str(error)
            continue
        rows = np.array([places[smiles] for smiles in dataset.table["smiles"]])
        count = np.bincount(rows, minlength=len(places))
        with np.errstate(invalid="ignore"):  # repeats that a benchmark keeps count by their mean
            columns[name] = np.bincount(rows, weights=y, minlength=len(places)) / np.where(count, count, np.nan)
    names = tuple(columns)
    Y = np.column_stack([columns[name] for name in names]) if names else np.empty((len(places), 0))
    tasks = tuple(targets[name].task for name in names)
    return JointData(X, Y, molecules["fold"].to_numpy(dtype=int), names, tasks), left_out


def _usable(data: JointData) -> tuple[JointData, dict[str, str]]:
    """Leave endpoints out of which some fold would leave nothing to learn."""
    kept, left_out = [], {}
    for place, name in enumerate(data.endpoints):
        for fold, fitted, _ in held_out(data.folds):
            y = data.Y[fitted, place]
            y = y[np.isfinite(y)]
            if len(y) < LEAST_ROWS:
                left_out[name] = f"expected at least {LEAST_ROWS} molecules outside of fold {fold}, got {len(y)}"
            elif np.ptp(y) == 0:
                left_out[name] = f"all {len(y)} values outside of fold {fold} are {y[0]:g}: expected ones that differ"
            elif not np.abs(y).max() <= np.finfo(np.float32).max:
                left_out[name] = "expected values that single precision holds"
        if name not in left_out:
            kept.append(place)
    return data.only(kept), left_out


def _require_group(data: JointData, shared: int, left_out: Mapping[str, str]) -> None:
    reasons = "".join(f"; {name} is left out: {why}" for name, why in left_out.items())
    if len(data.endpoints) < 2:
        raise TrainingError(
            f"a joint model: expected two endpoints or more, got {len(data.endpoints)}{reasons}. Models of single "
            "endpoints continue without it"
        )
    if shared < LEAST_SHARED:
        raise TrainingError(
            f"a joint model: expected at least {LEAST_SHARED} training molecules that two endpoints have measured, got "
            f"{shared}: it learns from them how endpoints go together{reasons}. Take endpoints that share no compounds "
            "out of the group, or this model out of `models`"
        )


def _finite(model: JointModel, X: Numbers, name: str, columns: int) -> NDArray[np.float64]:
    predicted = np.asarray(model.predict(X), dtype=np.float64)
    if predicted.shape != (len(X), columns):
        raise TrainingError(f"{name}: expected {len(X)} x {columns} predictions, got {predicted.shape}")
    if not np.isfinite(predicted).all():
        bad = int((~np.isfinite(predicted)).sum())
        raise TrainingError(f"{name}: {bad} of {predicted.size} predictions are not finite numbers")
    return predicted
