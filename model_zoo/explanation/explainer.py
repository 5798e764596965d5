"""Why a model predicts what it predicts: numbers for atoms that sum up, with a rest, to the prediction.

Belongs here: explaining any model that a bundle may hold, and the file a bundle keeps for it.
Does not belong here: tree SHAP (see `tree_shap.py`), the ways from features to atoms (see `explanation/attribution/`),
pictures.

Tree ensembles are explained exactly (path-dependent tree SHAP), every other model by occlusion: what the prediction
loses when an atom is masked. A blend is the weighted sum of its members. Whatever is not an atom's (descriptors of the
molecule as a whole, fingerprint bits that are absent, what occlusion does not see) stays in the rest: baseline, atoms
and rest are the prediction by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError
from model_zoo.explanation import attribution
from model_zoo.explanation.attribution import masking
from model_zoo.explanation.tree_shap import contributions
from model_zoo.explanation.tree_tables import TreeTable, read_oblivious, read_onnx
from model_zoo.fitted_models.formats import Model, OnnxModel, load_model
from model_zoo.fitted_models.oblivious_trees import ObliviousModel

FILE = "explanation.npz"
CHECKED_ROWS = 256
TOLERANCE = 1e-3
"""Largest accepted difference between a table's own prediction and the model's, relative to the largest of them;
of probabilities, as it is."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """Parts of one prediction: `baseline + sum(atoms) + rest = prediction`, on `scale`.

    Attributes
    ----------
    baseline
        What the model says of the average training molecule.
    atoms
        What each of `n` atoms adds, in the order of the molecule's own SMILES.
    rest
        What cannot be given to atoms.
    prediction
        What the model says of this molecule.
    scale
        The scale of all of these, before calibration and before values are cut to an endpoint's bounds.
    method
        `tree SHAP`, `occlusion`, or both for a blend of both.
    """

    baseline: float
    atoms: tuple[float, ...]
    rest: float
    prediction: float
    scale: str
    method: str


@dataclass(frozen=True)
class Part:
    """A model, or a member of a blend, as it is explained.

    Attributes
    ----------
    model
        The fitted model.
    weight
        Its share of the prediction.
    columns
        Ranges `(start, stop)` of the features that it reads; none for all of them.
    table
        Its trees; none where it is explained by occlusion.
    mean
        Its mean prediction for the training molecules.
    """

    model: Model
    weight: float
    columns: tuple[tuple[int, int], ...] | None
    table: TreeTable | None
    mean: float

    def pick(self, X: NDArray[Any]) -> NDArray[Any]:
        """Pick this part's columns of `n x d` features."""
        return X if self.columns is None else np.hstack([X[:, start:stop] for start, stop in self.columns])

    def back(self, values: Floats, d: int) -> Floats:
        """Put values of its columns back to the places of the `d` columns."""
        if self.columns is None:
            return values
        result, at = np.zeros(d), 0
        for start, stop in self.columns:
            result[start:stop] += values[at : at + stop - start]
            at += stop - start
        return result


class Explainer:
    """Explains the predictions of one bundle.

    Parameters
    ----------
    parts
        The model's parts; their weighted predictions sum to the model's.
    mean
        `d` features of the average training molecule.
    features
        The featurizers whose columns the model reads, in order, as `policies.featurizer` finds them.
    target
        The endpoint's task and scale.
    unit
        Its unit.
    """

    def __init__(
        self, parts: Sequence[Part], mean: NDArray[Any], features: Sequence[str], target: Target, unit: str
    ) -> None:
        self.parts, self._mean, self._features = tuple(parts), mean, tuple(features)
        self._target, self._unit = target, unit

    def explain(self, molecule: Molecule) -> Explanation:
        """Explain the prediction for a standardised molecule."""
        blocks = [policies.featurizer(name).featurize([molecule]) for name in self._features]
        X = featurizers.join(blocks)
        columns, on_atoms = np.zeros(X.shape[1]), np.zeros(molecule.mol.GetNumAtoms())
        baseline = prediction = 0.0
        for part in self.parts:
            if part.table is None:
                lost, start, end = self._occlude(part, molecule, X)
                on_atoms += part.weight * lost
            else:
                moved, start, end = self._grow(part, X)
                columns += part.weight * moved
            baseline, prediction = baseline + part.weight * start, prediction + part.weight * end
        at = 0
        for name, block in zip(self._features, blocks, strict=True):
            width = block.shape[1]
            mine = slice(at, at + width)
            if columns[mine].any():
                on_atoms += attribution.spread(name, molecule, block[0], self._mean[mine], columns[mine])
            at += width
        rest = prediction - baseline - float(on_atoms.sum())
        return Explanation(baseline, tuple(map(float, on_atoms)), rest, prediction, self._scale(), self._method())

    def _grow(self, part: Part, X: NDArray[Any]) -> tuple[Floats, float, float]:
        """Give what each column adds by the trees of a part, from which baseline to which prediction."""
        assert part.table is not None
        moved, end = contributions(part.table, part.pick(X)[0])
        start = part.table.baseline
        if part.table.log_odds and len(self.parts) > 1:  # members of a blend meet as probabilities
            before, after = _sigmoid(start), _sigmoid(end)
            slope = (after - before) / (end - start) if abs(end - start) > 1e-9 else before * (1.0 - before)
            moved, start, end = moved * slope, before, before + slope * (end - start)
        return part.back(moved, X.shape[1]), start, end

    def _occlude(self, part: Part, molecule: Molecule, X: NDArray[Any]) -> tuple[Floats, float, float]:
        """Give what a part's prediction loses without each atom."""
        without = featurizers.join([masking.masked_features(name, molecule.smiles) for name in self._features])
        whole = float(part.model.predict(part.pick(X))[0])
        return whole - part.model.predict(part.pick(without)), part.mean, whole

    def _scale(self) -> str:
        if self._target.task == "binary":
            table = self.parts[0].table
            return "log-odds" if len(self.parts) == 1 and table is not None and table.log_odds else "probability"
        transform = self._target.transform
        return self._unit if transform == "identity" else f"{transform} of {self._unit}"

    def _method(self) -> str:
        methods = {"occlusion" if part.table is None else "tree SHAP" for part in self.parts}
        return " and ".join(sorted(methods, reverse=True))


def write_tables(folder: Path, model_folder: Path, X: NDArray[Any]) -> None:
    """Write what explaining a saved model takes.

    Parameters
    ----------
    folder
        Where `explainer.npz` is written.
    model_folder
        The saved model.
    X
        `n x d` features of the training molecules: how many of them pass each node of a tree, and what the model says
        of the average one.
    """
    arrays: dict[str, NDArray[Any]] = {"features": X.mean(axis=0, dtype=np.float64)}
    for name, part in _parts(load_model(model_folder)):
        mine = part.pick(X)
        predicted = part.model.predict(mine)
        arrays[f"{name}/mean"] = np.array(predicted.mean())
        table = _table(part.model, model_folder / name, mine, predicted)
        if table is not None:
            arrays |= {f"{name}/{key}": value for key, value in table.arrays()}
    np.savez_compressed(folder / FILE, allow_pickle=False, **arrays)


def load_explainer(folder: Path, model: Model, features: Sequence[str], target: Target, unit: str) -> Explainer:
    """Read what `write_tables` wrote for a model.

    Raises
    ------
    BundleError
        When the file cannot be read, or does not belong to the model.
    """
    try:
        parts = []
        with np.load(folder / FILE, allow_pickle=False) as stored:
            average = stored["features"]
            for name, part in _parts(model):
                prefix = f"{name}/"
                own = {key.removeprefix(prefix): stored[key] for key in stored.files if key.startswith(prefix)}
                mean = float(own.pop("mean"))
                parts.append(replace(part, table=TreeTable(**own) if own else None, mean=mean))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / FILE}: expected tables for explaining the model, got {error!r}") from error
    return Explainer(parts, average, features, target, unit)


def _parts(model: Model) -> list[tuple[str, Part]]:
    """List the parts of a model without their tables, by the names of their folders."""
    members = getattr(model, "members", None)  # a blend's
    if members is None:
        return [(".", Part(model, 1.0, None, None, 0.0))]
    return [(each.name, Part(each.model, each.weight, each.columns, None, 0.0)) for each in members]


def _table(model: Model, folder: Path, X: NDArray[Any], predicted: Floats) -> TreeTable | None:
    """Give a model's trees, when it is made of trees and they predict what it predicts."""
    nodes = None
    if isinstance(model, ObliviousModel):
        nodes = read_oblivious(model)
    elif isinstance(model, OnnxModel):
        nodes = read_onnx((folder / OnnxModel.FILE).read_bytes())
    if nodes is None:
        return None
    X = X.astype(np.float32, copy=False)
    sums = nodes.sums(X[:CHECKED_ROWS])
    difference = (_sigmoid(sums) if nodes.log_odds else sums) - predicted[:CHECKED_ROWS]
    size = 1.0 if nodes.log_odds else float(np.abs(predicted).max())
    if np.any(np.abs(difference) > TOLERANCE * size):
        return None
    return nodes.table(nodes.counts(X))


def _sigmoid(value: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -500, 500)))
