"""The file that a bundle keeps for explaining its model: what atoms are worth to it, or its trees and kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError
from model_zoo.explanation.additive import (
    FEWEST_MOLECULES,
    LEAST_REPRODUCED,
    AtomValues,
    Floats,
    asked,
    fit_atom_values,
    log_odds,
)
from model_zoo.explanation.explainer import Explainer, Part
from model_zoo.explanation.kernel_graph import read_kernels
from model_zoo.explanation.kernel_table import KernelTable
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
_ATOMS = "atom values:"


def write_tables(
    folder: Path,
    model_folder: Path,
    X: Numbers,
    target: Target,
    smiles: Sequence[str],
    features: Sequence[str],
    others: Sequence[Molecule] = (),
) -> None:
    """Write what explaining a saved model takes.

    Parameters
    ----------
    folder
        Where `explanation.npz` is written.
    model_folder
        The saved model.
    X
        `n x d` features of the training molecules.
    target
        The endpoint's task.
    smiles, features
        The training molecules, and the featurizers of `X` in its order. With fewer than `additive.FEWEST_MOLECULES`,
        or none, trees and kernels are written instead of what atoms are worth.
    others
        Molecules beside them, by which it is judged how much of the model atoms reproduce.
    """
    model = load_model(model_folder)
    mean = X.mean(axis=0, dtype=np.float64)
    arrays: dict[str, NDArray[Any]] = {"features": mean}
    known = None
    if len(smiles) >= FEWEST_MOLECULES:
        rows = asked(len(smiles))
        predicted = model.predict(X[rows])
        predicted = log_odds(predicted) if target.task == "binary" else predicted
        molecules = [Molecule(smiles[row], Chem.MolFromSmiles(smiles[row])) for row in rows]
        known = fit_atom_values(molecules, features, X[rows], predicted, target.task)
        if others:
            parts = [part for _, part in _parts(model)]
            share = _reproduced(Explainer(parts, mean, features, target, "", atom_values=known), others)
            known = replace(known, numbers=np.array([known.start, share]))
    if known is None or known.numbers[1] < LEAST_REPRODUCED:
        tables = _tables(model, model_folder, X, mean)
        if known is None or _are_exact(model, tables):
            known, arrays = None, arrays | tables
    if known is not None:
        arrays |= {f"{_ATOMS}{key}": value for key, value in known.arrays()}
    np.savez_compressed(folder / FILE, allow_pickle=False, **arrays)


def _reproduced(explainer: Explainer, others: Sequence[Molecule]) -> float:
    """Return the share of the variance of predictions for some molecules that their atoms alone give."""
    found = [explainer.explain(each) for each in others]
    predicted, rest = np.array([each.prediction for each in found]), np.array([each.rest for each in found])
    spread = float(((predicted - predicted.mean()) ** 2).sum())
    return 1.0 - float((rest**2).sum()) / spread if spread > 0 else np.nan


def _tables(model: Model, model_folder: Path, X: Numbers, mean: Floats) -> dict[str, NDArray[Any]]:
    """Return trees and kernels: how many molecules pass each node, where paths start, what the average one gets."""
    squares = np.einsum("nd,nd->d", X, X, dtype=np.float64)  # `X.var` would hold all of X in double precision
    arrays: dict[str, NDArray[Any]] = {"variance": np.maximum(squares / len(X) - mean**2, 0.0)}
    for name, part in _parts(model):
        mine = part.pick(X)
        predicted = part.model.predict(mine)
        table = _table(part.model, model_folder / name, mine, predicted)
        odds = isinstance(table, KernelTable) and table.log_odds
        arrays[f"{name}/mean"] = np.array((_logit(predicted) if odds else predicted).mean())
        if table is not None:
            arrays |= {f"{name}/{key}": value for key, value in table.arrays()}
    return arrays


def _are_exact(model: Model, tables: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether every part of a model has its trees or kernels: none would be explained by masking."""
    return all(any(key.startswith(f"{name}/") and key != f"{name}/mean" for key in tables) for name, _ in _parts(model))


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
            known = {key.removeprefix(_ATOMS): stored[key] for key in stored.files if key.startswith(_ATOMS)}
            if known:
                parts = [part for _, part in _parts(model)]
                return Explainer(parts, average, features, target, unit, atom_values=AtomValues(**known), rule=rule)
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
    """Return a model's trees or kernels, when it is made of such and they predict what it predicts."""
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
    difference = (1 / (1 + np.exp(-np.clip(sums, -500, 500))) if found.log_odds else sums) - predicted[:CHECKED_ROWS]
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


def _logit(probability: Floats) -> Floats:
    inside = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside / (1 - inside)))
