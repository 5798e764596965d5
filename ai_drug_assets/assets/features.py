"""`features/<endpoint>/<featurizer>`: one featurizer's numbers for every molecule of a snapshot."""

import hashlib

import dagster as dg
import numpy as np
from model_zoo.training.fit import write_features

from ai_drug_assets.assets._asset import declare
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.tracking import Tracking

FILE = "features.npz"


def features(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    name = str(node.name)

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        asset_context.require_upstream(node)
        (source, _), *_ = asset_context.upstream(node, "group_dataset" if node.group else "dataset")
        with asset_context.scratch(node) as work:
            matrix = write_features(asset_context.place(source), name, asset_context.features.joined, work / FILE)
            file_size = (work / FILE).stat().st_size
            asset_context.keep(node, work)
        outcome.data_version = hashlib.sha256(np.ascontiguousarray(matrix).data).hexdigest()[:16]
        outcome.metadata = {
            "dagster/row_count": len(matrix),
            "columns": int(matrix.shape[1]),
            "dtype": str(matrix.dtype),
            "megabytes": round(file_size / 1e6, 2),
        }

    description = f"Molecules of {node.endpoint or node.group} as numbers, by the featurizer {name}."
    return declare(asset_context, node, body, description=description)
