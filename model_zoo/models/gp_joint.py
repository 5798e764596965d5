"""One Gaussian process for all endpoints of a group, which learns how far they go together.

The covariances of `gp`, one per block of features, each times a learned covariance between endpoints (see
`_coregionalisation.py`): a value at one endpoint says something of a similar molecule at another. How they go
together, how far each block reaches, and the noise of each endpoint maximise the marginal likelihood of some of the
molecules; the weights rest on all of them. A class is regressed as 0 and 1, and cut to a probability. Each endpoint is
served as an ONNX graph of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.data.targets import Task
from model_zoo.fitted_models.formats import Model, OnnxModel
from model_zoo.models import gp
from model_zoo.models._coregionalisation import JointTerms, find_joint_terms, weights_of
from model_zoo.models._covariance import DISTANCES, Minmax, Rank
from model_zoo.models._onnx_graph import OnnxGraph
from model_zoo.models._values import Standardised, standardised
from model_zoo.type_aliases import Numbers

LEAST_OF_EACH = 50
"""Molecules of an endpoint that the likelihood looks at, where it has so many."""
FARTHEST = 0.01
"""A probability is cut to this distance from 0 and 1: no count of a few dozen labels says more."""


class Config(gp.Config):
    """Hyper-parameters; the rest the marginal likelihood chooses."""

    max_rows: int = Field(default=8000, ge=10)
    """Molecules; memory grows with their square. Of more, so many are chosen by the seed."""
    likelihood_rows: int = Field(default=350, ge=10)
    """Molecules that the marginal likelihood looks at, chosen by the seed, however many endpoints measured them."""


with_widths = gp.with_widths


class GaussianProcesses:
    """What was fitted: see `JointModel`."""

    def __init__(
        self,
        blocks: Sequence[tuple[Minmax | Rank, int, int]],
        terms: JointTerms,
        weights: NDArray[np.float64],
        scales: Sequence[Standardised],
        tasks: Sequence[Task],
    ) -> None:
        self._blocks, self._terms, self._scales, self._tasks = blocks, terms, scales, tasks
        # Of each block, what a learned molecule says of each endpoint.
        self._says = [weights @ between * [each.scale for each in scales] for between in terms.between]
        self._width = blocks[-1][2]

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Predict `n x t` values."""
        result = np.tile([each.center for each in self._scales], (len(X), 1))
        for (block, start, stop), says, reach in zip(self._blocks, self._says, self._terms.reaches, strict=True):
            result += np.exp(-block.distances(X[:, start:stop]) / reach) @ says
        classes = [task == "binary" for task in self._tasks]
        return np.where(classes, np.clip(result, FARTHEST, 1 - FARTHEST), result)

    def column(self, place: int) -> Model:
        """Write the weighted sum of covariances of one endpoint as an ONNX graph."""
        graph = OnnxGraph()
        total = graph.constant(np.float64(self._scales[place].center))
        for (block, start, stop), says, reach in zip(self._blocks, self._says, self._terms.reaches, strict=True):
            distances = block.nodes(graph, graph.columns("X", start, stop))
            decayed = graph.add("Exp", graph.add("Mul", distances, graph.constant(np.float64(-1 / reach))))
            term = graph.add("MatMul", decayed, graph.constant(says[:, place : place + 1].copy()))
            total = graph.add("Add", total, term)
        if self._tasks[place] == "binary":
            bounds = (graph.constant(np.float64(bound)) for bound in (FARTHEST, 1 - FARTHEST))
            total = graph.add("Clip", total, *bounds)
        graph.add("Identity", total, name="y")
        return OnnxModel(graph.serialized("gp_joint", self._width, graph.types.DOUBLE, ("n", 1)), "y", column=None)


def train_jointly(X: Numbers, Y: NDArray[np.float64], tasks: Sequence[Task], config: Config) -> GaussianProcesses:
    """Fit on `n x d` features and `n x t` values, NaN where nothing was measured.

    Raises
    ------
    TrainingError
        When features do not fit the blocks, or the weights are not found.
    """
    X, Y = _chosen(X, Y, config.max_rows, config.seed)
    scales = [standardised(y[np.isfinite(y)], "regression") for y in Y.T]
    Z = np.full(Y.shape, np.nan)
    for place, scale in enumerate(scales):
        Z[np.isfinite(Y[:, place]), place] = scale.values
    bounds = gp.bounds_of(X.shape[1], config)
    blocks = [(DISTANCES[block.distance](X[:, start:stop], block), start, stop) for block, start, stop in bounds]
    distances = [block.distances(X[:, start:stop]) for block, start, stop in blocks]
    some = _some(Z, config)
    floors = np.array([config.label_noise if task == "binary" else config.smallest_noise for task in tasks])
    terms = find_joint_terms([each[np.ix_(some, some)] for each in distances], Z[some], floors)
    for distance, reach in zip(distances, terms.reaches, strict=True):
        np.exp(np.divide(distance, -reach, out=distance), out=distance)
    return GaussianProcesses(blocks, terms, weights_of(terms, distances, Z), scales, tasks)


def _chosen(X: Numbers, Y: NDArray[np.float64], most: int, seed: int) -> tuple[Numbers, NDArray[np.float64]]:
    if len(X) <= most:
        return X, Y
    rows = np.sort(np.random.default_rng(seed).choice(len(X), most, replace=False))
    return X[rows], Y[rows]


def _some(Z: NDArray[np.float64], config: Config) -> NDArray[np.intp]:
    """Choose the molecules that the likelihood looks at: some at random, and more of endpoints that have few."""
    order = np.random.default_rng(config.seed).permutation(len(Z))
    known = np.isfinite(Z[order])
    first = np.arange(len(Z)) < config.likelihood_rows
    return np.sort(order[first | (known & (known.cumsum(axis=0) <= LEAST_OF_EACH)).any(axis=1)])
