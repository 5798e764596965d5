"""How a challenger is tried beside the champion.

Belongs here: the words of a trial, as configuration and pointer share them.
Does not belong here: who is on trial (see `bundles/store.py`), the verdict (see `review.py`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

RolloutMode = Literal["shadow", "split"]


class RolloutRules(BaseModel):
    """How a challenger is tried in use."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mode: RolloutMode = "shadow"
    """`shadow`: predicts what the champion predicts, unseen by callers. `split`: answers for a share of molecules."""
    share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the molecules that it answers for in a split."""
    promote: Literal["by hand", "automatic"] = "by hand"
    """Who promotes a challenger that is better on measured molecules: `aidrug promote`, or the nightly review."""
