"""What candidates cost is what they read and weigh."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from ai_drug_assets.assets.champion_model import costs
from ai_drug_assets.assets.context import AssetContext
from model_zoo.selection.election import Candidate
from model_zoo.training import whole_cost
from tests.project_factory import Project


def test_endpoints_share_the_cost_of_features_and_files_are_weighed(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both endpoints read what rf reads, so logp pays half of it, whichever model serves greasy."""

    def featurizing_ms(names: Collection[str], smiles: Sequence[str]) -> dict[str, float]:
        return dict.fromkeys(names, 1.0)

    monkeypatch.setattr(whole_cost, "featurizing_ms", featurizing_ms)
    context = AssetContext(made.catalog())
    configs, place = context.catalog.configs, context.place(context.catalog.nodes["trained_model/logp/rf"])
    some = [Candidate(name, name, "", {}, 0.5) for name in ("naive", "rf")]
    naive, forest = costs(context, configs.endpoints["logp"], some)

    assert forest.ms == 0.5 + len(configs.models["rf"].features) / 2
    assert forest.mb == sum(file.stat().st_size for file in (place / "model").rglob("*")) / 1e6 > naive.mb

    (made.settings.home / "store" / "current.json").unlink()
    assert costs(context, configs.endpoints["logp"], some) == [naive, forest]
