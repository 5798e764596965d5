"""Covariances between endpoints: how far a value at one of them tells something of another.

The covariance of molecule `i` at endpoint `s` and molecule `j` at endpoint `t` is the sum over blocks of features of
`B[s, t] * exp(-distance[i, j] / reach)`, with a `B` and a `reach` of each block's own, and noise of each endpoint's own
(linear model of coregionalisation: Alvarez, Rosasco & Lawrence, Foundations and Trends in Machine Learning 2012,
4, 195).

Belongs here: finding these terms, and the weights of the learned values under them.
Does not belong here: distances (see `_covariance.py`), what is predicted (see `gp_joint.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.models._covariance import WIDTH_OF_PRIOR, factored

ALIKE = 0.6
"""Correlation of two endpoints where the search begins."""
WIDTH_OF_FACTORS = 0.5
"""Standard deviation of the entries of a factor of `B` around where the search begins."""
PRECISION = 1e-7
"""Of the values: what is left unexplained when the weights are found."""
MOST_STEPS = 5000


@dataclass(frozen=True)
class JointTerms:
    """What the marginal likelihood found, for values of variance one.

    Attributes
    ----------
    between
        `b x t x t` covariances between endpoints, one matrix per block of features.
    reaches
        Per block, how far a covariance reaches.
    noise
        Per endpoint, the variance of the noise.
    """

    between: NDArray[np.float64]
    reaches: NDArray[np.float64]
    noise: NDArray[np.float64]


def find_joint_terms(
    distances: Sequence[NDArray[np.float64]], Y: NDArray[np.float64], smallest_noise: NDArray[np.float64]
) -> JointTerms:
    """Maximise the marginal likelihood, each parameter held within reason by a prior around where the search begins.

    Parameters
    ----------
    distances
        Per block, `n x n` between molecules.
    Y
        `n x t` values of mean zero and variance one, NaN where nothing was measured.
    smallest_noise
        Per endpoint, the least variance of the noise.
    """
    from scipy.optimize import minimize

    search = _Search(distances, Y, smallest_noise)
    found = minimize(search.loss, search.start, jac=True, method="L-BFGS-B", options={"maxiter": 50})
    factors, reaches, noise = search.parts(found.x)
    return JointTerms(factors @ factors.transpose(0, 2, 1), reaches, noise)


def weights_of(
    terms: JointTerms, covariances: Sequence[NDArray[np.float64]], Y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve for the weights of `n x t` values, zero where nothing was measured, by conjugate gradients.

    The matrix of all values is never formed: with 5,000 molecules at nine endpoints it would take 16 gigabytes, and
    its product with a vector takes one small product per block.

    Parameters
    ----------
    terms
        The covariances between endpoints.
    covariances
        Per block, `n x n`: `exp(-distance / reach)`.
    Y
        `n x t` values, NaN where nothing was measured.

    Raises
    ------
    TrainingError
        When they are not found.
    """
    known = np.isfinite(Y)
    target = np.where(known, Y, 0.0)
    diagonal = known * (terms.noise + sum(np.diagonal(each) for each in terms.between))
    weights, left = np.zeros_like(target), target.copy()
    preconditioned = np.divide(left, diagonal, out=np.zeros_like(left), where=known)
    direction, size = preconditioned.copy(), float(np.vdot(left, preconditioned))
    goal = PRECISION * float(np.linalg.norm(target))
    for _ in range(MOST_STEPS):
        if float(np.linalg.norm(left)) <= goal:
            return weights
        product = sum(
            np.asarray(each @ (direction @ between)) for each, between in zip(covariances, terms.between, strict=True)
        )
        product = np.where(known, product + terms.noise * direction, 0.0)
        step = size / float(np.vdot(direction, product))
        weights += step * direction
        left -= step * product
        preconditioned = np.divide(left, diagonal, out=preconditioned, where=known)
        size, before = float(np.vdot(left, preconditioned)), size
        direction = preconditioned + size / before * direction
    raise TrainingError(
        f"gp_joint: the weights of {int(known.sum())} values were not found in {MOST_STEPS} steps: raise smallest_noise"
    )


class _Search:
    """The negative logarithm of the posterior of the terms, and its gradient."""

    def __init__(
        self, distances: Sequence[NDArray[np.float64]], Y: NDArray[np.float64], smallest: NDArray[np.float64]
    ) -> None:
        self.columns, self.rows = np.nonzero(np.isfinite(Y).T)  # by endpoint, so that each has neighbouring rows
        self.y = Y[self.rows, self.columns]
        self.places, self.starts = np.unique(self.columns, return_index=True)
        self.distances = [distance[np.ix_(self.rows, self.rows)] for distance in distances]
        self.smallest, self.count = smallest, Y.shape[1]
        t, blocks = self.count, len(distances)
        self.lower = np.tril_indices(t)
        first = np.linalg.cholesky((ALIKE * np.ones((t, t)) + (1 - ALIKE) * np.eye(t)) / blocks)
        noise = np.log(np.maximum(0.3, smallest))
        self.start = np.concatenate([np.tile(first[self.lower], blocks), np.zeros(blocks), noise])
        widths = [np.full(blocks * len(self.lower[0]), WIDTH_OF_FACTORS), np.full(blocks + t, WIDTH_OF_PRIOR)]
        self.widths = np.concatenate(widths)

    def parts(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Read the factors of `B`, the reaches and the noise out of the parameters."""
        blocks, size = len(self.distances), len(self.lower[0])
        factors = np.zeros((blocks, self.count, self.count))
        factors[:, self.lower[0], self.lower[1]] = x[: blocks * size].reshape(blocks, size)
        reaches, noise = np.exp(x[blocks * size : blocks * (size + 1)]), np.exp(x[blocks * (size + 1) :])
        return factors, reaches, np.maximum(noise, self.smallest)

    def loss(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Give it, and its gradient (Rasmussen & Williams 2006, equation 5.9)."""
        from scipy.linalg import cho_solve

        factors, reaches, noise = self.parts(x)
        decays = [np.exp(-distance / reach) for distance, reach in zip(self.distances, reaches, strict=True)]
        betweens = [factor @ factor.T for factor in factors]
        total = np.zeros_like(decays[0])
        for decay, between in zip(decays, betweens, strict=True):
            total += decay * between[np.ix_(self.columns, self.columns)]
        total[np.diag_indices_from(total)] += noise[self.columns]
        factor = factored(total, 0.0)
        weights = cho_solve(factor, self.y, check_finite=False)
        away = (x - self.start) / self.widths
        loss = 0.5 * self.y @ weights + np.log(np.diagonal(factor[0])).sum() + 0.5 * away @ away
        slope = cho_solve(factor, np.eye(len(self.y)), check_finite=False) - np.outer(weights, weights)
        of_factors, of_reaches = [], []
        for distance, decay, between, root, reach in zip(
            self.distances, decays, betweens, factors, reaches, strict=True
        ):
            part = slope * decay
            of_factors.append((self._by_endpoint(part) @ root)[self.lower])
            of_reaches.append(0.5 * np.vdot(part * distance, between[np.ix_(self.columns, self.columns)]) / reach)
        own = np.zeros(self.count)
        own[self.places] = np.add.reduceat(np.diagonal(slope), self.starts)
        of_noise = np.where(np.exp(x[-self.count :]) > self.smallest, 0.5 * own * noise, 0.0)
        gradient = np.concatenate([*of_factors, of_reaches, of_noise])
        return float(loss), gradient + away / self.widths

    def _by_endpoint(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum an `n x n` matrix of values by pairs of endpoints."""
        result = np.zeros((self.count, self.count))
        summed = np.add.reduceat(np.add.reduceat(values, self.starts, axis=0), self.starts, axis=1)
        result[np.ix_(self.places, self.places)] = summed
        return result
