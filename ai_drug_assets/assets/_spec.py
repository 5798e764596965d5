"""What all asset factories say about their assets in the same way.

Belongs here: key, dependencies, code version, group, owners, kinds, automation.
"""

from __future__ import annotations

from typing import Any

from ai_drug_assets import keys
from ai_drug_assets.automation import condition_for
from ai_drug_assets.catalog import Catalog, Node

DEFAULT_OWNERS = ("team:drug-discovery",)


def common(catalog: Catalog, node: Node, description: str) -> dict[str, Any]:
    """Give the arguments of `@dg.asset` that every asset declares."""
    endpoint = catalog.configs.endpoints[node.endpoint] if node.endpoint else None
    return {
        "key": keys.asset_key(node.key),
        "deps": [keys.asset_key(dep) for dep in node.deps],
        "code_version": keys.code_version(node),
        "group_name": keys.group(node),
        "owners": list((endpoint.owners if endpoint else ()) or DEFAULT_OWNERS),
        "kinds": keys.KINDS[node.kind],
        "description": description,
        "automation_condition": condition_for(node.kind),
        "output_required": True,
    }
