"""The assets: one file per kind, one factory per file.

Belongs here: joining the factories. Does not belong here: what an asset does; its file is named after it.
"""

from __future__ import annotations

import dagster as dg
from model_zoo.config.files import load_screens

from ai_drug_assets.assets.champion_model import champion_model
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.assets.dataset import dataset
from ai_drug_assets.assets.features import features
from ai_drug_assets.assets.inference_service import inference_service
from ai_drug_assets.assets.leaderboard import leaderboard
from ai_drug_assets.assets.monitoring import monitoring
from ai_drug_assets.assets.screen import screen_asset
from ai_drug_assets.assets.trained_model import trained_model

FACTORIES = {
    "dataset": dataset,
    "features": features,
    "trained_model": trained_model,
    "leaderboard": leaderboard,
    "champion_model": champion_model,
    "inference_service": inference_service,
}


def build_assets(asset_context: AssetContext) -> list[dg.AssetsDefinition]:
    """Make every asset of the catalog, upstream first, what watches each champion in use, and the screens."""
    made = [FACTORIES[node.kind](asset_context, node) for node in asset_context.catalog.nodes.values()]
    watched = [monitoring(asset_context, endpoint) for endpoint in asset_context.catalog.configs.endpoints.values()]
    screens = load_screens(asset_context.settings.configs / "screens").values()
    return [*made, *watched, *(screen_asset(asset_context, screen) for screen in screens)]
