"""The assets: one file per kind, one factory per file.

Belongs here: joining the factories. Does not belong here: what an asset does; its file is named after it.
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg
from model_zoo.config.files import load_screens

from ai_drug_assets.assets.champion_model import champion_model
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.assets.dataset import dataset
from ai_drug_assets.assets.features import features
from ai_drug_assets.assets.group_dataset import group_dataset
from ai_drug_assets.assets.inference_service import inference_service
from ai_drug_assets.assets.joint_model import joint_model
from ai_drug_assets.assets.leaderboard import leaderboard
from ai_drug_assets.assets.monitoring import monitoring
from ai_drug_assets.assets.run_scope import step_name
from ai_drug_assets.assets.screen import screen_asset
from ai_drug_assets.assets.trained_model import trained_model

FACTORIES = {
    "group_dataset": group_dataset,
    "group_features": features,
    "joint_model": joint_model,
    "dataset": dataset,
    "features": features,
    "trained_model": trained_model,
    "leaderboard": leaderboard,
    "champion_model": champion_model,
    "inference_service": inference_service,
}


def build_assets(asset_context: AssetContext, only: Collection[str] | None = None) -> list[dg.AssetsDefinition]:
    """Make every asset of the catalog, upstream first, what watches each champion in use, and the screens.

    Parameters
    ----------
    asset_context
        Where they are made.
    only
        Steps, see `run_scope.step_name`: the assets of others are left out.
    """

    def wanted(key: str) -> bool:
        return only is None or step_name(key) in only

    nodes, endpoints = asset_context.catalog.nodes.values(), asset_context.catalog.configs.endpoints
    made = [FACTORIES[node.kind](asset_context, node) for node in nodes if wanted(node.key)]
    watched = [
        monitoring(asset_context, endpoint) for name, endpoint in endpoints.items() if wanted(f"monitoring/{name}")
    ]
    screens = load_screens(asset_context.settings.configs / "screens")
    screened = [screen_asset(asset_context, screen) for name, screen in screens.items() if wanted(f"screen/{name}")]
    return [*made, *watched, *screened]
