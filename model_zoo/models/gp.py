"""Exact Gaussian process on fingerprints and descriptors, one covariance per block of features.

Source: Rasmussen & Williams, Gaussian Processes for Machine Learning, MIT Press 2006 (chapters 2 and 5); a sum of
covariances of several kinds as in their section 5.4.3. How much each block says, how far it reaches, and the noise
maximise the marginal likelihood of a part of the rows. A class is regressed as 0 and 1, with a floor of noise because
labels are no measurements, and turned into a probability by a logistic curve through leave-one-out predictions. Fitted
by NumPy and SciPy, kept and served as ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import ConstantModel, Model, OnnxModel
from model_zoo.models import _kernel
from model_zoo.models._covariance import DISTANCES, Block, Minmax, Rank, Terms, factored, find_terms
from model_zoo.models._kernel import KernelConfig, fitted_logistic, rows_to_learn
from model_zoo.models._onnx_graph import OnnxGraph
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Json, Numbers

CHECKED_ROWS = 256
TOLERANCE = 1e-6
"""Of the largest value."""
PART = 500
"""Rows of a covariance that are worked on at once."""
NEGLIGIBLE = 1e-3
"""Blocks whose signal is a smaller share than this of all signals are left out: they cost time and say nothing."""


class Config(KernelConfig):
    """Hyper-parameters; the rest the marginal likelihood chooses."""

    recipe: ClassVar = "gp"
    blocks: tuple[Block, ...] = ()
    """The columns of the features in their order; all of them are one block of counts when omitted."""
    likelihood_rows: int = Field(default=1000, ge=10)
    """Rows the marginal likelihood looks at, chosen by the seed."""
    smallest_noise: float = Field(default=1e-3, gt=0, le=1)
    """Least variance of the noise of a regression, over the variance of its values."""
    label_noise: float = Field(default=0.2, gt=0, le=1)
    """The same for classes: without it the likelihood trusts near-duplicates of equal label, and folds score worse."""


def with_widths(settings: Mapping[str, Json], widths: Sequence[int]) -> dict[str, Json]:
    """Return each block the columns of its featurizer, where the settings do not say how many it has.

    Examples
    --------
    >>> with_widths({"blocks": [{"largest": 8}, {"columns": 2, "distance": "rank"}]}, [1024, 217])["blocks"]
    [{'columns': 1024, 'largest': 8}, {'columns': 2, 'distance': 'rank'}]
    """
    blocks = settings.get("blocks")
    if not isinstance(blocks, list | tuple) or len(blocks) != len(widths):
        return dict(settings)  # what is wrong with them is said where they are checked
    sized = [
        {"columns": width, **block} if isinstance(block, dict) else block
        for block, width in zip(blocks, widths, strict=True)
    ]
    return {**settings, "blocks": sized}


require_rows = _kernel.require_rows


def train(X_train: Numbers, y_train: Numbers, config: Config) -> Model:
    """Fit on `n x d` features; equal values give a constant.

    Raises
    ------
    TrainingError
        When there are more rows than `max_rows`, features do not fit the blocks, the covariance has no Cholesky
        factor, or the ONNX graph differs.
    """
    from scipy.linalg import cho_solve

    if np.ptp(y_train) == 0:
        return ConstantModel(float(y_train[0]))
    bounds = _bounds(X_train.shape[1], config)
    rows = rows_to_learn(len(y_train), config)
    X, values = X_train[rows], y_train[rows].astype(np.float64)
    binary = config.task == "binary"
    # Classes are regressed, and so standardised, as well.
    y, mean, scale, size = standardised(values, "regression")
    terms = _terms(X, y, bounds, config)
    kept = terms.signals >= NEGLIGIBLE * terms.signals.sum()
    bounds = [bound for bound, keep in zip(bounds, kept, strict=True) if keep]
    terms = Terms(terms.signals[kept], terms.reaches[kept], terms.noise)
    blocks = [DISTANCES[block.distance](X[:, start:stop], block) for block, start, stop in bounds]
    covariance = _covariance(X, bounds, blocks, terms)
    sample = covariance[:CHECKED_ROWS].copy()
    factor = factored(covariance, terms.noise)
    weights = cho_solve(factor, y, check_finite=False)
    logistic = fitted_logistic((y - weights / _precisions(factor[0])) * scale + mean, values) if binary else None
    graph = _graph(X.shape[1], bounds, blocks, terms, (weights * scale, mean), logistic)
    model = OnnxModel(graph, "y", column=None)
    raw = sample @ weights * scale + mean
    expected = 1 / (1 + np.exp(-(raw * logistic[0] + logistic[1]))) if logistic else raw
    model.require_equal(X[:CHECKED_ROWS], expected, TOLERANCE * size, "NumPy")
    return model


def _bounds(width: int, config: Config) -> list[tuple[Block, int, int]]:
    """Return the columns `start` to `stop` of each block."""
    blocks = config.blocks or (Block(columns=width, largest=1 if config.presence else 255),)
    total = sum(block.columns for block in blocks)
    if total != width:
        raise TrainingError(
            f"gp: expected {total} columns of features for the {len(blocks)} blocks of its configuration, got {width}. "
            "Give `blocks` in the order of `features`, each with the columns of its featurizer."
        )
    stops = np.cumsum([block.columns for block in blocks]).tolist()
    return [(block, stop - block.columns, stop) for block, stop in zip(blocks, stops, strict=True)]


def _terms(X: Numbers, y: NDArray[np.float64], bounds: list[tuple[Block, int, int]], config: Config) -> Terms:
    """Find the terms of the covariance on some of the rows."""
    count = min(len(y), config.likelihood_rows)
    rows = np.sort(np.random.default_rng(config.seed).choice(len(y), count, replace=False))
    parts = [(block, X[rows, start:stop]) for block, start, stop in bounds]
    distances = [DISTANCES[block.distance](part, block).distances(part) for block, part in parts]
    smallest = config.label_noise if config.task == "binary" else config.smallest_noise
    return find_terms(distances, y[rows], smallest)


def _covariance(
    X: Numbers, bounds: list[tuple[Block, int, int]], blocks: list[Minmax | Rank], terms: Terms
) -> NDArray[np.float64]:
    """Return the `n x n` covariance of the learned rows, some of its rows at once: a whole term takes as much as it."""
    covariance = np.empty((len(X), len(X)))
    for at in range(0, len(X), PART):
        some = X[at : at + PART]
        places = zip(blocks, bounds, strict=True)
        covariance[at : at + PART] = terms.covariance(block.distances(some[:, a:b]) for block, (_, a, b) in places)
    return covariance


def _precisions(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the diagonal of the inverse of `L L'`: the sums over each column's squares in the inverse of `L`.

    The factor is overwritten.
    """
    from scipy.linalg.lapack import dtrtri

    inverse, _ = dtrtri(factor, lower=1, overwrite_c=1)
    sums = np.zeros(len(inverse))
    for at in range(0, len(inverse), PART):
        sums += (np.tril(inverse[at : at + PART], at) ** 2).sum(axis=0)
    return sums


def _graph(
    width: int,
    bounds: list[tuple[Block, int, int]],
    blocks: list[Minmax | Rank],
    terms: Terms,
    line: tuple[NDArray[np.float64], float],
    logistic: tuple[float, float] | None,
) -> bytes:
    """Write the weighted sum of covariances with the learned rows as an ONNX graph."""
    graph = OnnxGraph()
    total = None
    for block, (_, start, stop), signal, reach in zip(blocks, bounds, terms.signals, terms.reaches, strict=True):
        distances = block.nodes(graph, graph.columns("X", start, stop))
        decayed = graph.add("Exp", graph.add("Mul", distances, graph.constant(np.float64(-1 / reach))))
        term = graph.add("MatMul", decayed, graph.constant(line[0][:, None] * signal))
        total = term if total is None else graph.add("Add", total, term)
    output = graph.add("Add", str(total), graph.constant(np.float64(line[1])))
    if logistic is not None:
        slope, offset = (graph.constant(np.float64(number)) for number in logistic)
        output = graph.add("Sigmoid", graph.add("Add", graph.add("Mul", output, slope), offset))
    graph.add("Identity", output, name="y")
    return graph.serialized("gaussian_process", width, graph.types.DOUBLE, ("n", 1))
