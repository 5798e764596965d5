"""What candidates cost is what they read and weigh beside the champions of other endpoints."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from ai_drug_assets.assets.champion_model import costs
from ai_drug_assets.assets.context import AssetContext
from model_zoo.selection.election import Candidate
from model_zoo.training import whole_cost
from tests.project_factory import Project


def test_features_of_other_champions_are_free_and_files_are_weighed(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rf serves greasy, logp pays for its features no more, but for those that nobody reads; a pointer that names
    a bundle which is gone costs nothing but that knowledge.
    """
    asked: list[set[str]] = []

    def featurizing_ms(names: Collection[str], smiles: Sequence[str]) -> dict[str, float]:
        asked.append(set(names))
        return dict.fromkeys(names, 1.0)

    monkeypatch.setattr(whole_cost, "featurizing_ms", featurizing_ms)
    context = AssetContext(made.catalog())
    configs, place = context.catalog.configs, context.place(context.catalog.nodes["trained_model/logp/rf"])
    some = [Candidate(name, name, "", {}, 0.5) for name in ("naive", "rf")]
    own, shared = set(configs.models["naive"].features), set(configs.models["rf"].features)
    naive, forest = costs(context, configs.endpoints["logp"], some)

    assert asked == [own - shared]
    assert forest.ms == 0.5
    assert naive.ms == 0.5 + len(own - shared)
    assert forest.mb == sum(file.stat().st_size for file in (place / "model").rglob("*")) / 1e6 > naive.mb

    for manifest in (made.settings.home / "store" / "bundles" / "greasy").rglob("manifest.json"):
        manifest.unlink()
    _, forest = costs(context, configs.endpoints["logp"], some)
    assert asked[1] == own | shared
    assert forest.ms == 0.5 + len(shared)
