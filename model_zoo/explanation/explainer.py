"""Why a model predicts what it predicts: numbers for atoms that sum up, with a rest, to the prediction.

Belongs here: explaining any model that a bundle may hold, and the file a bundle keeps for it.
Does not belong here: tree SHAP (see `tree_shap.py`), paths through kernels (see `kernel_table.py`), the way from
features to atoms (see `attribution.py`), pictures.

Two families are taken apart column by column: tree ensembles exactly (path-dependent tree SHAP), kernel models by
integrated gradients that start at molecules of the training set. Both tell what a unit of a column is worth, and an
atom gets that times its part in the column. Every other model is explained by occlusion: what the prediction loses when
an atom is masked, which makes the molecule unlike any other and is the least faithful (`bench_explanation`). A blend is
the weighted sum of its members. Whatever is not an atom's (descriptors of the molecule as a whole, what other molecules
have and this one lacks) stays in the rest: baseline, atoms and rest are the prediction by construction.
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
from model_zoo.explanation import attribution, masking
from model_zoo.explanation.kernel_graph import read_kernels
from model_zoo.explanation.kernel_table import KernelTable
from model_zoo.explanation.tree_shap import contributions
from model_zoo.explanation.tree_tables import TreeTable, read_oblivious, read_onnx
from model_zoo.fitted_models.formats import Model, OnnxModel, load_model
from model_zoo.fitted_models.oblivious_trees import ObliviousModel
from model_zoo.type_aliases import Numbers
from model_zoo.uncertainty.calibration import ProbabilityRule

FILE = "explanation.npz"
CHECKED_ROWS = 256
OTHERS = 12
"""Training molecules that the paths through a kernel start at: 32 gave the same correlation with a known truth."""
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
        The scale of all of these: of a class that of the calibrated probability, of a value before it is cut to an
        endpoint's bounds.
    method
        `tree SHAP`, `integrated gradients`, `occlusion`, or those of a blend's members.
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
        Its trees or its kernels; none where it is explained by occlusion.
    mean
        Its mean prediction for the training molecules, of kernels that give log-odds the mean of those.
    """

    model: Model
    weight: float
    columns: tuple[tuple[int, int], ...] | None
    table: TreeTable | KernelTable | None
    mean: float

    def pick(self, X: Numbers) -> Numbers:
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
    mean, variance
        `d` features of the average training molecule, and how much they vary; without the latter, what columns add is
        spread over atoms by the earlier rule.
    features
        The featurizers whose columns the model reads, in order, as `policies.featurizer` finds them.
    target
        The endpoint's task and scale.
    unit
        Its unit.
    rule
        How the probability that the model gives is calibrated; without it that probability itself is explained.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        mean: Numbers,
        features: Sequence[str],
        target: Target,
        unit: str,
        variance: Numbers | None = None,
        *,
        rule: ProbabilityRule | None = None,
    ) -> None:
        self.parts, self._mean, self._features = tuple(parts), mean, tuple(features)
        self._variance, self._rule = variance, rule
        self._target, self._unit = target, unit

    def explain(self, molecule: Molecule) -> Explanation:
        """Explain the prediction for a standardised molecule."""
        blocks = [policies.featurizer(name).featurize([molecule]) for name in self._features]
        X = featurizers.join(blocks)
        columns, slopes, on_atoms = np.zeros(X.shape[1]), np.zeros(X.shape[1]), np.zeros(molecule.mol.GetNumAtoms())
        baseline = prediction = 0.0
        for part in self.parts:
            if part.table is None:
                lost, start, end = self._occlude(part, molecule, X)
                on_atoms += part.weight * lost
            elif isinstance(part.table, KernelTable):
                worth, start, end = self._follow(part, part.table, X)
                slopes += part.weight * worth
            else:
                moved, start, end = self._grow(part, part.table, X)
                columns += part.weight * moved
            baseline, prediction = baseline + part.weight * start, prediction + part.weight * end
        if self._variance is not None:
            # Of what a column moved, the part that goes with its amount: all of it for a rare bit that is there.
            away = X[0] - self._mean
            slopes += columns * away / np.maximum(away**2 + self._variance, 1e-300)
        at = 0
        for name, block in zip(self._features, blocks, strict=True):
            mine = slice(at, at + block.shape[1])
            if self._variance is None and columns[mine].any():
                on_atoms += attribution.spread_above_average(name, molecule, block[0], self._mean[mine], columns[mine])
            if slopes[mine].any():
                on_atoms += attribution.spread(name, molecule, block[0], slopes[mine])
            at = mine.stop
        stretch, baseline, prediction = self._calibrated(baseline, prediction)
        on_atoms *= stretch
        rest = prediction - baseline - float(on_atoms.sum())
        return Explanation(baseline, tuple(map(float, on_atoms)), rest, prediction, self._scale(), self._method())

    def _calibrated(self, start: float, end: float) -> tuple[float, float, float]:
        """Bring both ends to the probability that is told; give the slope of the line through them."""
        rule = self._rule
        if rule is None or self._target.task != "binary" or (rule.slope, rule.intercept) == (1.0, 0.0):
            return 1.0, start, end

        def told(value: float) -> float:
            probability = rule.calibrate(np.array([_sigmoid(value) if log_odds else value]))
            return float(_logit(probability)[0] if log_odds else probability[0])

        log_odds = self._scale() == "log-odds"
        near = 1e-4
        if abs(end - start) > near:
            return (told(end) - told(start)) / (end - start), told(start), told(end)
        return (told(end + near) - told(end - near)) / (2 * near), told(start), told(end)

    def _grow(self, part: Part, table: TreeTable, X: Numbers) -> tuple[Floats, float, float]:
        """Give what each column adds by the trees of a part, from which baseline to which prediction."""
        moved, end = contributions(table, part.pick(X)[0])
        share, start, end = self._met(table.baseline, end, log_odds=table.log_odds)
        return part.back(moved * share, X.shape[1]), start, end

    def _follow(self, part: Part, table: KernelTable, X: Numbers) -> tuple[Floats, float, float]:
        """Give what a unit of each column is worth by a part's kernels, from which baseline to which prediction."""
        mine = part.pick(X)
        share, start, end = self._met(part.mean, float(table.sums(mine)[0]), log_odds=table.log_odds)
        return part.back(table.slopes(mine[0]) * share, X.shape[1]), start, end

    def _met(self, start: float, end: float, *, log_odds: bool) -> tuple[float, float, float]:
        """Bring log-odds to probabilities where members of a blend meet as such; give the factor, and both ends."""
        if not log_odds or len(self.parts) == 1:
            return 1.0, start, end
        before, after = _sigmoid(start), _sigmoid(end)
        slope = (after - before) / (end - start) if abs(end - start) > 1e-9 else before * (1.0 - before)
        return slope, before, before + slope * (end - start)

    def _occlude(self, part: Part, molecule: Molecule, X: Numbers) -> tuple[Floats, float, float]:
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
        names = {TreeTable: "tree SHAP", KernelTable: "integrated gradients", type(None): "occlusion"}
        methods = {names[type(part.table)] for part in self.parts}
        return " and ".join(sorted(methods, reverse=True))


def write_tables(folder: Path, model_folder: Path, X: Numbers) -> None:
    """Write what explaining a saved model takes.

    Parameters
    ----------
    folder
        Where `explainer.npz` is written.
    model_folder
        The saved model.
    X
        `n x d` features of the training molecules: how many of them pass each node of a tree, where paths through
        kernels start, and what the model says of the average one.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    squares = np.einsum("nd,nd->d", X, X, dtype=np.float64)  # `X.var` would hold all of X in double precision
    variance = np.maximum(squares / len(X) - mean**2, 0.0)
    arrays: dict[str, NDArray[Any]] = {"features": mean, "variance": variance}
    for name, part in _parts(load_model(model_folder)):
        mine = part.pick(X)
        predicted = part.model.predict(mine)
        table = _table(part.model, model_folder / name, mine, predicted)
        odds = isinstance(table, KernelTable) and table.log_odds
        arrays[f"{name}/mean"] = np.array((_logit(predicted) if odds else predicted).mean())
        if table is not None:
            arrays |= {f"{name}/{key}": value for key, value in table.arrays()}
    np.savez_compressed(folder / FILE, allow_pickle=False, **arrays)


def load_explainer(
    folder: Path,
    model: Model,
    features: Sequence[str],
    target: Target,
    unit: str,
    rule: ProbabilityRule | None = None,
) -> Explainer:
    """Read what `write_tables` wrote for a model.

    Raises
    ------
    BundleError
        When the file cannot be read, or does not belong to the model.
    """
    try:
        parts = []
        with np.load(folder / FILE, allow_pickle=False) as stored:
            average, variance = stored["features"], stored.get("variance")
            for name, part in _parts(model):
                prefix = f"{name}/"
                own = {key.removeprefix(prefix): stored[key] for key in stored.files if key.startswith(prefix)}
                mean = float(own.pop("mean"))
                parts.append(replace(part, table=_table_of(own), mean=mean))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / FILE}: expected tables for explaining the model, got {error!r}") from error
    return Explainer(parts, average, features, target, unit, variance, rule=rule)


def _parts(model: Model) -> list[tuple[str, Part]]:
    """List the parts of a model without their tables, by the names of their folders."""
    members = getattr(model, "members", None)  # a blend's
    if members is None:
        return [(".", Part(model, 1.0, None, None, 0.0))]
    return [(each.name, Part(each.model, each.weight, each.columns, None, 0.0)) for each in members]


def _table(model: Model, folder: Path, X: Numbers, predicted: Floats) -> TreeTable | KernelTable | None:
    """Give a model's trees or kernels, when it is made of such and they predict what it predicts."""
    X = X.astype(np.float32, copy=False)
    if isinstance(model, ObliviousModel):
        nodes, kernels = read_oblivious(model), None
    elif isinstance(model, OnnxModel):
        graph = (folder / OnnxModel.FILE).read_bytes()
        nodes = read_onnx(graph)
        kernels = read_kernels(graph, X[_spread_out(predicted)]) if nodes is None else None
    else:
        return None
    found = nodes or kernels
    if found is None:
        return None
    sums = found.sums(X[:CHECKED_ROWS])
    difference = (_sigmoid(sums) if found.log_odds else sums) - predicted[:CHECKED_ROWS]
    size = 1.0 if found.log_odds else float(np.abs(predicted).max())
    if np.any(np.abs(difference) > TOLERANCE * size):
        return None
    return nodes.table(nodes.counts(X)) if nodes is not None else kernels


def _table_of(arrays: dict[str, Numbers]) -> TreeTable | KernelTable | None:
    if not arrays:
        return None
    return KernelTable.of_arrays(arrays) if "kernel" in arrays else TreeTable(**arrays)


def _spread_out(predicted: Floats) -> NDArray[np.intp]:
    """Pick rows over the whole range of predictions, evenly by rank."""
    order = np.argsort(predicted, kind="stable")
    places = ((np.arange(OTHERS) + 0.5) / OTHERS * len(order)).astype(int)
    return np.asarray(order[np.unique(places)])


def _sigmoid(value: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -500, 500)))


def _logit(probability: Floats) -> Floats:
    inside = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside / (1 - inside)))
