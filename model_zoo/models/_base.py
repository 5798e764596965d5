"""What all models share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from model_zoo.data.targets import Task


class ModelConfig(BaseModel):
    """Base of a model's hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: Task = "regression"
    """Set from the endpoint, never in the model's YAML."""
    seed: int = 0
