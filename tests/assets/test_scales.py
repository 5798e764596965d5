"""Scores on two scales are never set against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_drug_assets.assets.champion_model import _served
from ai_drug_assets.assets.context import AssetContext
from model_zoo.bundles.store import FolderStore
from model_zoo.data.targets import Target
from tests.bundle_factory import publish
from tests.project_factory import Project, write_yaml

WIDE: dict[str, Any] = {"transform": "logit", "lower": -50.0, "upper": 50.0}


@pytest.mark.parametrize(
    ("now", "compared"),
    [
        (WIDE, True),
        ({**WIDE, "lower": -20.0, "upper": 20.0}, False),
        ({"transform": "log1p"}, False),
        ({"transform": "identity"}, False),
        ({**WIDE, "score_scale": "unit"}, False),
    ],
    ids=["same", "bounds", "transform", "none", "unit"],
)
def test_a_holder_that_learnt_another_scale_defends_no_title(
    project: Project, tmp_path: Path, now: dict[str, Any], compared: bool
) -> None:
    """Its error of 0.1 on one logarithm is no better than one of 0.2 on another."""
    spread = {"mean": 0.1, "std": 0.0, "folds": [0.1] * 3}
    contender = {"model": "rf", "signature": "a", "snapshot": "s", "folds": {"rmse": [0.1] * 3}, "ms_per_molecule": 1.0}
    card = {"contender": contender, "scores": {"cv": {"rmse": spread}, "test": {"rmse": 0.1}, "scale": "training"}}
    target = Target(task="regression", **WIDE)
    publish(FolderStore(Path(project.settings.store)), tmp_path / "a", endpoint="logp", target=target, card=card)
    path = project.settings.configs / "endpoints" / "logp.yaml"
    write_yaml(path, {**yaml.safe_load(path.read_text()), **now})
    context = AssetContext(project.catalog())

    holder = _served(context, context.catalog.configs.endpoints["logp"]).holder
    assert holder is not None
    assert bool(holder.folds) == compared
