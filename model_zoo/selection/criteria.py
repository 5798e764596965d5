"""The criteria by which an endpoint's champion is selected."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from model_zoo.metrics import HIGHER_IS_BETTER


class SelectionCriteria(BaseModel):
    """The rules of one endpoint's contest."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    metric: str
    """The metric that decides, by its cross-validation folds."""
    minimum: dict[str, float] = {}
    """Quality every champion must reach, as the mean over folds: at least, or at most where lower is better."""
    max_ms_per_molecule: float = Field(default=50.0, gt=0)
    """Latency budget for one molecule, without featurizing."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """A challenger must win the paired test at this one-sided level."""
    tie_margin: float = Field(default=0.01, ge=0)
    """At a first election, models within this relative distance of the best that do not lose the paired test
    tie with it; the cheapest of them wins."""

    def unmet(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the scores that fall short of `minimum`, by metric; one that equals it does not.

        Parameters
        ----------
        means
            Means over the folds, by metric; at least those of `minimum`.

        Examples
        --------
        >>> criteria = SelectionCriteria(metric="rmse", minimum={"rmse": 1.0, "r2": 0.3})
        >>> criteria.unmet({"rmse": 1.0, "r2": 0.2})
        {'r2': 0.2}
        """
        return {
            metric: means[metric]
            for metric, bound in self.minimum.items()
            if (means[metric] < bound if HIGHER_IS_BETTER[metric] else means[metric] > bound)
        }
