"""How wrong a prediction is expected to be, from what is known of the molecule.

Belongs here: what makes a molecule hard, the expected error that this leads to, and fitting that on errors of molecules
while they were held out.
Does not belong here: intervals (see `conformal.py`), words for it (see `reliability.py`).

Log-linear in three signals: how unlike the molecule is to its nearest training molecule, how wrong the model was, out
of fold, on the training molecules nearest to it, and how far it is from them by size and kind; for classes in a
fourth, how undecided the probability is. A signal can only raise what is expected. What was tried beside them, and how
this one was chosen: `docs/uncertainty.md`. Sources: Papadopoulos et al., J. Artif. Intell. Res. 2011, 40, 815;
Sheridan, J. Chem. Inf. Model. 2012, 52, 814 (error from distance, and from what else is known).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from model_zoo.chemistry.similarity import tanimoto_nearest
from model_zoo.uncertainty.property_distance import PropertySpace

NEIGHBOURS = 5
"""Training molecules whose errors are looked at."""
FEWEST_ROWS = 50
"""With fewer errors than this, nothing can be learnt: every molecule gets the same expectation, the mean error."""
SHRINKAGE = 0.01

Floats = NDArray[np.float64]


class ErrorModel(BaseModel):
    """The absolute error to expect, by how hard the molecule is.

    It is `exp(clip(weights . (1, (difficulty - center) / spread), low, high))`, on the scale of training. Bundles up to
    format 3 have two signals.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    center: tuple[float, ...] = (0.0, 0.0)
    spread: tuple[float, ...] = (1.0, 1.0)
    weights: tuple[float, ...] = (0.0, 0.0, 0.0)
    """The first one is alone; one more per signal."""
    low: float = 0.0
    high: float = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> ErrorModel:
        if not len(self.center) == len(self.spread) == len(self.weights) - 1:
            raise ValueError(f"expected a center, a spread and a weight per signal, got {self.center}, {self.spread}")
        return self

    @property
    def signals(self) -> int:
        """How many numbers say how hard a molecule is."""
        return len(self.center)

    def scale(self, difficulty: Floats) -> Floats:
        """Return the absolute error to expect of `n` molecules from their `n x signals` difficulty."""
        inputs = (difficulty - np.array(self.center)) / np.array(self.spread)
        log_scale: Floats = np.clip(self.weights[0] + inputs @ np.array(self.weights[1:]), self.low, self.high)
        return np.exp(log_scale)


def difficulty(similarity: Floats, errors: Floats, *more: Floats) -> Floats:
    """Return how hard `n` molecules are: distance to the nearest training molecule, error around it, and more.

    Parameters
    ----------
    similarity
        `n x k` Tanimoto similarities to the nearest training molecules, most similar first.
    errors
        `n x k` absolute out-of-fold errors of these, on the scale of training.
    more
        `n` numbers each: distance by properties, and how undecided a probability is.

    Examples
    --------
    >>> difficulty(np.array([[1.0, 0.5]]), np.array([[0.2, 0.2]])).round(6).tolist()
    [[0.0, 0.2]]
    """
    weights = similarity**2 + 1e-3
    return np.column_stack([1.0 - similarity[:, 0], (weights * errors).sum(axis=1) / weights.sum(axis=1), *more])


def doubt(probability: Floats) -> Floats:
    """Return how undecided `n` probabilities are: the logarithm of the share of wrong draws, `2 p (1 - p)`.

    Examples
    --------
    >>> doubt(np.array([0.5, 1.0])).round(2).tolist()
    [-0.69, -6.91]
    """
    return np.log(np.maximum(2.0 * probability * (1.0 - probability), 1e-3))


def held_out_difficulty(
    packed: NDArray[np.uint8],
    errors: Floats,
    folds: NDArray[np.int_],
    properties: Floats | None = None,
    rows: NDArray[np.intp] | None = None,
) -> Floats:
    """Return how hard training molecules were while their fold was held out, `m x 2` or, by properties, `m x 3`.

    Neighbours are sought in the other folds only, among all molecules there; with a single fold, among all.

    Parameters
    ----------
    packed, errors, folds, properties
        `n` fingerprints, absolute out-of-fold errors, fold numbers, and sizes and kinds.
    rows
        The `m` rows that are asked for; all `n` when omitted.
    """
    asked = np.arange(len(packed)) if rows is None else rows
    result, own = np.empty((len(asked), 2)), folds[asked]
    for fold in np.unique(own):
        inside, others = own == fold, np.flatnonzero(folds != fold)
        others = others if len(others) else np.arange(len(packed))
        similarity, found = tanimoto_nearest(packed[asked[inside]], packed[others], NEIGHBOURS)
        result[inside] = difficulty(similarity, errors[others][found])
    if properties is None:
        return result
    return np.column_stack([result, PropertySpace(properties).held_out(folds)[asked]])


def fit_error_model(hard: Floats, errors: Floats, ceiling: float = 0.0) -> ErrorModel:
    """Fit by the likelihood of a Laplace distribution: the mean of log(scale) + error / scale, by Newton.

    Parameters
    ----------
    hard, errors
        `n x signals` difficulties, and `n` absolute errors.
    ceiling
        The error of knowing nothing of the molecule. Beyond the hardest molecule that was seen, what is expected rises
        up to this.
    """
    signals, typical = hard.shape[1], float(errors.mean())
    zeros, ones = (0.0,) * signals, (1.0,) * signals
    if not typical > 0:
        return ErrorModel(center=zeros, spread=ones, weights=(0.0, *zeros))
    start = float(np.log(typical))
    if len(errors) < FEWEST_ROWS:
        return ErrorModel(center=zeros, spread=ones, weights=(start, *zeros), low=start, high=start)
    # What counts as no spread at all is an error in its own unit for the second, a plain number for the others.
    least = np.ones(signals)
    least[1] = typical
    center, spread = hard.mean(axis=0), np.maximum(hard.std(axis=0), 1e-9 * least)
    inputs = np.column_stack([np.ones(len(hard)), (hard - center) / spread])
    weights = _rising_weights(inputs, errors, start)
    low, high = np.quantile(inputs @ weights, [0.005, 0.995])
    return ErrorModel(
        center=tuple(map(float, center)),
        spread=tuple(map(float, spread)),
        weights=tuple(map(float, weights)),
        low=float(low),
        high=max(float(high), float(np.log(ceiling)) if ceiling > 0 else -np.inf),
    )


def _rising_weights(inputs: Floats, errors: Floats, start: float) -> Floats:
    """Return the likeliest weights, none but the first negative: signals that would lower it are left out."""
    kept = np.arange(inputs.shape[1])
    while True:
        weights = _weights(inputs[:, kept], errors, start)
        if len(kept) == 1 or weights[1:].min() >= 0:
            break
        kept = np.delete(kept, 1 + int(np.argmin(weights[1:])))
    whole = np.zeros(inputs.shape[1])
    whole[kept] = weights
    return whole


def _weights(inputs: Floats, errors: Floats, start: float) -> Floats:
    size = inputs.shape[1]
    weights, ridge = np.zeros(size), SHRINKAGE * np.eye(size)
    weights[0], ridge[0, 0] = start, 0.0
    for _ in range(50):
        ratio = errors / np.exp(inputs @ weights)
        gradient = inputs.T @ (1.0 - ratio) / len(errors) + ridge @ weights
        curvature = (inputs * ratio[:, None]).T @ inputs / len(errors) + ridge + 1e-6 * np.eye(size)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return weights
