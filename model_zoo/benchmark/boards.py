"""The two boards of a benchmark, and which model may be on which.

*strict*: models that learn from the set's own training rows alone. *open*: every model; one whose weights saw labels
says which.
"""

from __future__ import annotations

from collections.abc import Sequence

from model_zoo import featurizers, models
from model_zoo.config.model_spec import ModelSpec

STRICT, OPEN = BOARDS = ("strict", "open")


def pretraining_data(model: ModelSpec) -> dict[str, str]:
    """Say what the weights behind a model saw, by the featurizer (or model) that brings them; empty when none do.

    Examples
    --------
    >>> pretraining_data(ModelSpec(name="rf", description="", features=("morgan_count",)))
    {}
    """
    parts = {name: featurizers.get(name) for name in model.features} | {model.recipe: models.get(model.recipe)}
    return {name: module.PRETRAINING_DATA for name, module in parts.items() if isinstance(module, models.Pretrained)}


def competitors(known: Sequence[ModelSpec], board: str) -> list[ModelSpec]:
    """Return the models that may be on a board; none for *open* when none of them saw anything."""
    seen = [model for model in known if pretraining_data(model)]
    if board == STRICT:
        return [model for model in known if model not in seen]
    return list(known) if seen else []
