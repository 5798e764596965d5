"""What to measure next: a batch of molecules that promise much and teach much, and do not teach the same thing twice.

Each pick has the largest upper confidence bound: the mean of its desirability plus so many spreads. It then counts as
measured, so that less is left to be learnt of what is like it. Source: Desautels et al., J. Mach. Learn. Res. 2014, 15,
4053 (GP-BUCB); the covariance is the Tanimoto coefficient by counts. Several endpoints: the geometric mean of their
desirabilities (Derringer and Suich, J. Qual. Technol. 1980, 12, 214), its mean and spread over what the endpoints' own
intervals allow, the error of one taken as independent of that of another.

Belongs here: desirability under uncertainty, and the choice. Does not belong here: predicting, and who is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.similarity import PackedFingerprints, tanimoto_to_all
from model_zoo.config.desirability import Desirable
from model_zoo.data.targets import Target

Floats = NDArray[np.float64]

EXPLORATION = 1.0
"""How many spreads count by default; see `docs/suggestions.md` for what others find."""
WORTHLESS = 0.01
"""The least desirability of a value: where all are hopeless in one respect, the others still rank them."""
NOISE = 0.1
"""Variance of a measurement, of the variance between molecules: another look at one and the same teaches so little."""
WITHIN_INTERVAL = NormalDist().inv_cdf(0.95)
"""Standard deviations from the middle of a 90 % interval to its end."""
_NORMAL = np.array([NormalDist().inv_cdf((place + 0.5) / 32) for place in range(32)])


@dataclass(frozen=True)
class Goal:
    """What a project wants of one endpoint."""

    target: Target
    """The endpoint's task and scale of training."""
    desirable: Desirable | None = None
    """The range that the project wants; none where it says a direction only."""
    worst: float = 0.0
    best: float = 1.0
    """`worst` and `best`: on the scale of training: the values that are worth least and 1, where there is no such
    range."""

    @classmethod
    def of(
        cls,
        target: Target,
        desirable: Desirable | None,
        direction: Literal["higher", "lower", "none"],
        measured: Floats,
    ) -> Goal | None:
        """Return the goal of an endpoint; none where it says neither a range nor a direction.

        With a direction only, the worst measured value is worth least, and one as far above the best as half of all
        that was measured is worth 1: also among the best a better one counts. The outermost hundredths of the values
        are no measure of that, unless all others are the same.

        Examples
        --------
        >>> goal = Goal.of(Target(task="regression"), None, "lower", np.array([2.0, 4.0]))
        >>> round(goal.worst, 2), round(goal.best, 2)
        (3.98, 1.04)
        """
        if desirable is not None:
            return cls(target, desirable)
        if direction == "none":
            return None
        low, high = 0.0, 1.0
        if target.task == "regression":
            if len(measured) == 0 or np.ptp(measured) == 0:
                return None
            trained = target.to_training(measured)
            low, high = np.quantile(trained, [0.01, 0.99])
            if low == high:
                low, high = trained.min(), trained.max()
            reach = (high - low) / 2
            low, high = (low, high + reach) if direction == "higher" else (low - reach, high)
        worst, best = (low, high) if direction == "higher" else (high, low)
        return cls(target, None, float(worst), float(best))

    def score(self, y: Floats) -> Floats:
        """Return the desirability, `WORTHLESS` to 1, of values on the scale of training."""
        return np.asarray(WORTHLESS + (1 - WORTHLESS) * np.clip(self._worth(y), 0, 1))

    def _worth(self, y: Floats) -> Floats:
        if self.desirable is None:
            return np.asarray((y - self.worst) / (self.best - self.worst))
        values, wished = self.target.to_unit(y), self.desirable
        below = 0.0 if wished.low is None else wished.low - values
        above = 0.0 if wished.high is None else values - wished.high
        return np.asarray(1 - np.maximum(below, above) / wished.margin)

    def moments(self, y: Floats, half_width: Floats, power: float) -> tuple[Floats, Floats]:
        """Return the means of a power of the desirability, and of its square.

        Parameters
        ----------
        y, half_width
            `n` predictions on the scale of training (of classes the probability), and half of their 90 % intervals.
        power
            Which power.
        """
        if self.target.task == "binary":
            no, yes = self.score(np.array([0.0, 1.0])) ** power
            return (1 - y) * no + y * yes, (1 - y) * no**2 + y * yes**2
        scores = self.score(y[:, None] + half_width[:, None] / WITHIN_INTERVAL * _NORMAL) ** power
        return scores.mean(axis=1), (scores**2).mean(axis=1)


def desirability(goals: Sequence[Goal], Y: Floats, half_widths: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the spread of the geometric mean of the goals' desirabilities.

    Parameters
    ----------
    goals
        The `k` goals, one at least.
    Y, half_widths
        `n x k` predictions on the scales of training, and half of their 90 % intervals: 0 where there is none.

    Examples
    --------
    >>> wide = Goal(Target(task="regression"), worst=0.0, best=2.0)
    >>> mean, spread = desirability([wide], np.array([[1.0], [1.0]]), np.array([[0.0], [0.5]]))
    >>> mean.round(2).tolist(), spread.round(2).tolist()
    ([0.5, 0.5], [0.0, 0.15])
    """
    mean, square = np.ones(len(Y)), np.ones(len(Y))
    for place, goal in enumerate(goals):
        first, second = goal.moments(Y[:, place], half_widths[:, place], 1 / len(goals))
        mean, square = mean * first, square * second
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


@dataclass(frozen=True)
class Pick:
    """A molecule of the batch."""

    row: int
    """Which of the candidates."""
    bound: float
    """What it was picked by: its mean, and what was left of its spread."""
    similarity: float = 0.0
    like: int | None = None
    """`similarity` and `like`: highest Tanimoto coefficient to one that was picked before, and which row that is; 0 and
    none for the first."""


def choose_batch(
    mean: Floats, spread: Floats, packed: NDArray[np.uint8], size: int, exploration: float = EXPLORATION
) -> list[Pick]:
    """Choose a batch, one by one; of equal candidates the first.

    Parameters
    ----------
    mean, spread
        Of the desirability of `n` candidates.
    packed
        Their fingerprints, as `chemistry.similarity.pack` gives them.
    size
        How many; all of them where there are fewer.
    exploration
        How many spreads count.

    Examples
    --------
    >>> packed = np.packbits(np.eye(8, dtype=np.uint8)[[0, 0, 1]], axis=1)
    >>> [pick.row for pick in choose_batch(np.array([0.5, 0.5, 0.45]), np.full(3, 0.2), packed, 3)]
    [0, 2, 1]
    >>> [pick.row for pick in choose_batch(np.array([0.5, 0.5, 0.45]), np.full(3, 0.2), packed, 3, exploration=0)]
    [0, 1, 2]
    """
    count, references = len(mean), PackedFingerprints(packed)
    left, closest, like = np.ones(count), np.zeros(count), np.full(count, -1)
    taken = np.zeros(count, dtype=bool)
    factors: list[Floats] = []
    picks: list[Pick] = []
    for _ in range(min(size, count)):
        bounds = np.where(taken, -np.inf, mean + exploration * spread * np.sqrt(left))
        row = int(np.argmax(bounds))
        picks.append(Pick(row, float(bounds[row]), float(closest[row]), int(like[row]) if picks else None))
        taken[row] = True
        covariance = tanimoto_to_all(packed[row], references)
        closer = covariance > closest
        closest[closer], like[closer | (like < 0)] = covariance[closer], row
        known = sum((factor * factor[row] for factor in factors), np.zeros(count))
        factors.append((covariance - known) / np.sqrt(left[row] + NOISE))
        left = np.maximum(left - factors[-1] ** 2, 0)
    return picks
