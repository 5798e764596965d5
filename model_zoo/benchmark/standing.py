"""Where results are among all published ones, and how much of a gap the test set cannot resolve.

Belongs here: normalised ranks over the sets, with what drawing other test molecules would make of them; noise beside
gaps. Does not belong here: goals, and the document (see `report.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_zoo.metrics import HIGHER_IS_BETTER

DRAWS = 2000
IN_INTERVAL = 2 * 1.959964
"""Standard deviations between the ends of a 95 % interval."""
MOST_SETS_MISSED = 2
"""Published models that are on all sets but so many are ranked over them."""


@dataclass(frozen=True)
class Scored:
    """A score on one set."""

    metric: str
    mean: float
    """`metric` and `mean`: the official metric, and the mean over the seeds."""
    interval: tuple[float, float]
    """95 % interval over test molecules."""

    @property
    def noise(self) -> float:
        """Standard deviation of the score over draws of the test molecules."""
        return (self.interval[1] - self.interval[0]) / IN_INTERVAL


@dataclass(frozen=True)
class Standing:
    """Mean of normalised ranks: 0 is the best on every set, 1 the worst on each."""

    mean: float
    interval: tuple[float, float] | None
    """`mean` and `interval`: over the sets; the 95 % interval is that of test molecules drawn again, none for published
    models."""
    sets: int
    """How many sets that is."""


def normalised_rank(score: float | NDArray[np.float64], others: Sequence[float], metric: str) -> NDArray[np.float64]:
    """Return the share of the others that are better than a score, or than each of several.

    Examples
    --------
    >>> float(normalised_rank(0.8, [0.9, 0.8, 0.7, 0.6], "auroc")), float(normalised_rank(0.8, [0.9, 0.8], "mae"))
    (0.25, 0.0)
    """
    sign = 1 if HIGHER_IS_BETTER[metric] else -1
    better = sign * np.asarray(others) > sign * np.asarray(score)[..., None]
    return np.asarray(better.mean(axis=-1), dtype=np.float64)


def standing(results: Mapping[str, Scored], published: Mapping[str, Mapping[str, float]]) -> Standing:
    """Rank results among the published scores of their sets.

    Our own scores are drawn as widely as their intervals say, and the published ones stay: what both would gain or lose
    by other test molecules together is not taken out, so that the interval is rather too wide.

    Parameters
    ----------
    results
        Ours by set; sets without published scores do not count.
    published
        By set, the scores of each model.
    """
    ranked = [name for name in results if published.get(name)]
    generator = np.random.default_rng(0)
    ranks, drawn = [], []
    for name in ranked:
        ours, others = results[name], list(published[name].values())
        ranks.append(float(normalised_rank(ours.mean, others, ours.metric)))
        draws = ours.mean + ours.noise * generator.standard_normal(DRAWS)
        drawn.append(normalised_rank(draws, others, ours.metric))
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return Standing(float(np.mean(ranks)), (float(low), float(high)), len(ranked))


def standings(results: Mapping[str, Scored], published: Mapping[str, Mapping[str, float]]) -> dict[str, Standing]:
    """Rank the published models that are on nearly all sets of the results, the best first.

    Each is ranked among the other published ones and ours.
    """
    sets = [name for name in results if published.get(name)]
    names = {model for name in sets for model in published[name]}
    found = {}
    for model in names:
        mine = [name for name in sets if model in published[name]]
        if len(mine) < len(sets) - MOST_SETS_MISSED:
            continue
        ranks = []
        for name in mine:
            others = [score for other, score in published[name].items() if other != model]
            ranks.append(normalised_rank(published[name][model], [*others, results[name].mean], results[name].metric))
        found[model] = Standing(float(np.mean(ranks)), None, len(mine))
    return dict(sorted(found.items(), key=lambda item: (item[1].mean, item[0])))


def noise_share(scored: Scored, goal: float) -> float | None:
    """Return how large the noise of the test set is beside the gap to a goal, at most 1; none where it is reached.

    Examples
    --------
    >>> noise_share(Scored("auroc", 0.8, (0.8 - 1.959964 * 0.02, 0.8 + 1.959964 * 0.02)), 0.9) # doctest: +ELLIPSIS
    0.2...
    >>> noise_share(Scored("mae", 0.8, (0.7, 0.9)), 0.9) is None
    True
    """
    gap = (goal - scored.mean) * (1 if HIGHER_IS_BETTER[scored.metric] else -1)
    return None if gap <= 0 else min(1.0, scored.noise / gap)
