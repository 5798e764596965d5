"""Why a model predicts what it predicts: numbers for atoms that sum up, with a rest, to the prediction.

Belongs here: explaining any model that a bundle may hold.
Does not belong here: the file that a bundle keeps for it (see `explanation_file.py`), what atoms are worth (see
`additive.py`), tree SHAP (see `tree_shap.py`), paths through kernels (see `kernel_table.py`), the way from features to
atoms (see `attribution.py`), pictures.

Every model is explained by the sum over atoms that comes nearest to it. Where there are too few molecules to fit that,
and in bundles that were written earlier, two families are taken apart column by column: tree ensembles exactly
(path-dependent tree SHAP), kernel models by integrated gradients that start at molecules of the training set; an atom
gets what a unit of a column is worth times its part in the column. Every other model is then explained by occlusion:
what the prediction loses when an atom is masked. A blend is the weighted sum of its members. Whatever is not an atom's
stays in the rest: baseline, atoms and rest are the prediction by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Target
from model_zoo.explanation import additive
from model_zoo.explanation.additive import LEAST_REPRODUCED, AtomValues
from model_zoo.explanation.fragments import fragments_of, without
from model_zoo.explanation.kernel_table import KernelTable
from model_zoo.explanation.structures import Structures
from model_zoo.explanation.tree_shap import contributions
from model_zoo.explanation.tree_tables import TreeTable
from model_zoo.fitted_models.formats import Model
from model_zoo.type_aliases import Numbers
from model_zoo.uncertainty.calibration import ProbabilityRule

HERE = Structures()
SUM = "sum over atoms"
MOST_ASKED = 19
"""Groups that are taken off, one after another, where atoms reproduce too little: with the whole twenty predictions."""
NOTHING = 1e-12
"""How far a probability of 0 or 1 is drawn in where its log-odds are shown."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """Parts of one prediction: `baseline + sum(atoms) + rest = prediction`, on `scale`."""

    baseline: float
    """Where the sum begins: with `sum over atoms`, the value without any atom; else what the model says of the average
    training molecule."""
    atoms: tuple[float, ...]
    """What each of `n` atoms adds, in the order of the molecule's own SMILES."""
    rest: float
    """What cannot be given to atoms."""
    prediction: float
    """What the model says of this molecule."""
    scale: str
    """The scale of all of these: of a class that of the calibrated probability, of a value before it is cut to an
    endpoint's bounds."""
    method: str
    """`sum over atoms`, `tree SHAP`, `integrated gradients`, `occlusion`, or those of a blend's members."""
    fidelity: float | None = None
    """Share of the variance of the model's predictions for drugs that atoms alone reproduce; none where it is not
    known."""
    lost: Mapping[tuple[int, ...], float] = field(default_factory=dict)
    """What the model loses without some groups, by their atoms: known where the sum reproduces too little."""


@dataclass(frozen=True)
class Part:
    """A model, or a member of a blend, as it is explained."""

    model: Model
    """The fitted model."""
    weight: float
    """Its share of the prediction."""
    columns: tuple[tuple[int, int], ...] | None
    """Ranges `(start, stop)` of the features that it reads; none for all of them."""
    table: TreeTable | KernelTable | None
    """Its trees or its kernels; none where it is explained by occlusion."""
    mean: float
    """Its mean prediction for the training molecules, of kernels that give log-odds the mean of those."""

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
    atom_values
        What atoms are worth; none where that was not fitted.
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
        atom_values: AtomValues | None = None,
        *,
        rule: ProbabilityRule | None = None,
    ) -> None:
        self.atom_values = atom_values
        self.parts, self._mean, self._features = tuple(parts), mean, tuple(features)
        self._variance, self._rule = variance, rule
        self._target, self._unit = target, unit

    def explain(self, molecule: Molecule, structures: Structures = HERE) -> Explanation:
        """Explain the prediction for a standardised molecule; `structures` are looked at here unless they are given."""
        blocks = [structures.featurize(name, [molecule]) for name in self._features]
        X = featurizers.join(blocks)
        if self.atom_values is not None:
            known = self.atom_values
            why = self._sum(known, molecule, dict(zip(self._features, blocks, strict=True)), X, structures)
            low = known.fidelity is not None and known.fidelity < LEAST_REPRODUCED
            return replace(why, lost=self._lost(molecule, why, structures)) if low else why
        columns, slopes, on_atoms = np.zeros(X.shape[1]), np.zeros(X.shape[1]), np.zeros(molecule.mol.GetNumAtoms())
        baseline = prediction = 0.0
        for part in self.parts:
            if part.table is None:
                lost, start, end = self._occlude(part, molecule, X, structures)
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
                on_atoms += structures.spread_above_average(name, molecule, block[0], self._mean[mine], columns[mine])
            if slopes[mine].any():
                on_atoms += structures.spread(name, molecule, block[0], slopes[mine])
            at = mine.stop
        log_odds = self._scale() == "log-odds"
        stretch, baseline, prediction = self._calibrated(baseline, prediction, log_odds=log_odds)
        on_atoms *= stretch
        rest = prediction - baseline - float(on_atoms.sum())
        return Explanation(baseline, tuple(map(float, on_atoms)), rest, prediction, self._scale(), self._method())

    def _sum(
        self, known: AtomValues, molecule: Molecule, blocks: Mapping[str, Numbers], X: Numbers, structures: Structures
    ) -> Explanation:
        binary = self._target.task == "binary"
        predicted = _predicted(self.parts, X)
        prediction = float((additive.log_odds(predicted, NOTHING) if binary else predicted)[0])
        stretch, start, prediction = self._calibrated(known.start, prediction, log_odds=binary)
        atoms = known.of(molecule, blocks, structures.spread) * stretch
        rest, scale = prediction - start - float(atoms.sum()), "log-odds" if binary else self._scale()
        return Explanation(start, tuple(map(float, atoms)), rest, prediction, scale, SUM, known.fidelity)

    def _lost(self, molecule: Molecule, why: Explanation, structures: Structures) -> dict[tuple[int, ...], float]:
        """Ask the model about the molecule without each of its groups: real molecules, on the explanation's scale."""
        groups = fragments_of(molecule.mol, why.atoms)[:MOST_ASKED]
        left = {each.atoms: rest for each in groups if (rest := without(molecule.mol, each.atoms)) is not None}
        if not left:
            return {}
        X = featurizers.join([structures.featurize(name, list(left.values())) for name in self._features])
        predicted = _predicted(self.parts, X)
        if self._target.task == "binary":
            predicted = self._rule.calibrate(predicted) if self._rule is not None else predicted
            predicted = additive.log_odds(predicted, NOTHING)
        return {atoms: float(why.prediction - each) for atoms, each in zip(left, predicted, strict=True)}

    def _calibrated(self, start: float, end: float, *, log_odds: bool) -> tuple[float, float, float]:
        """Bring both ends to the probability that is reported; give the slope of the line through them."""
        rule = self._rule
        if rule is None or self._target.task != "binary" or (rule.slope, rule.intercept) == (1.0, 0.0):
            return 1.0, start, end

        def reported(value: float) -> float:
            probability = rule.calibrate(np.array([_sigmoid(value) if log_odds else value]))
            return float(additive.log_odds(probability, NOTHING)[0] if log_odds else probability[0])

        near = 1e-4
        if abs(end - start) > near:
            return (reported(end) - reported(start)) / (end - start), reported(start), reported(end)
        return (reported(end + near) - reported(end - near)) / (2 * near), reported(start), reported(end)

    def _grow(self, part: Part, table: TreeTable, X: Numbers) -> tuple[Floats, float, float]:
        """Return what each column adds by the trees of a part, from which baseline to which prediction."""
        moved, end = contributions(table, part.pick(X)[0])
        share, start, end = self._met(table.baseline, end, log_odds=table.log_odds)
        return part.back(moved * share, X.shape[1]), start, end

    def _follow(self, part: Part, table: KernelTable, X: Numbers) -> tuple[Floats, float, float]:
        """Return what a unit of each column is worth by a part's kernels, from which baseline to which prediction."""
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

    def _occlude(
        self, part: Part, molecule: Molecule, X: Numbers, structures: Structures
    ) -> tuple[Floats, float, float]:
        """Return what a part's prediction loses without each atom."""
        without = featurizers.join([structures.without_atoms(name, molecule) for name in self._features])
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


def _predicted(parts: Sequence[Part], X: Numbers) -> Floats:
    """Return what the parts together say."""
    return np.asarray(sum(part.weight * part.model.predict(part.pick(X)) for part in parts), dtype=np.float64)


def _sigmoid(value: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -500, 500)))
