"""The assets: one file per kind, one factory per file.

Belongs here: joining the factories. Does not belong here: what an asset does; its file is named after it.
"""

from __future__ import annotations

import dagster as dg

from ai_drug_assets.assets.champion_model import champion_model
from ai_drug_assets.assets.dataset import dataset
from ai_drug_assets.assets.features import features
from ai_drug_assets.assets.inference_service import inference_service
from ai_drug_assets.assets.leaderboard import leaderboard
from ai_drug_assets.assets.monitoring import monitoring
from ai_drug_assets.assets.trained_model import trained_model
from ai_drug_assets.workshop import Workshop

FACTORIES = {
    "dataset": dataset,
    "features": features,
    "trained_model": trained_model,
    "leaderboard": leaderboard,
    "champion_model": champion_model,
    "inference_service": inference_service,
}


def build_assets(workshop: Workshop) -> list[dg.AssetsDefinition]:
    """Make every asset of the catalog, upstream first, and what watches each endpoint's champion in use."""
    made = [FACTORIES[node.kind](workshop, node) for node in workshop.catalog.nodes.values()]
    return [*made, *(monitoring(workshop, endpoint) for endpoint in workshop.catalog.configs.endpoints.values())]
