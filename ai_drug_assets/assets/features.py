"""`features/<endpoint>/<featurizer>`: one featurizer's numbers for every molecule of a snapshot.

Belongs here: making them an asset. Does not belong here: computing them (see `model_zoo.fitting`).
"""

import hashlib

import dagster as dg
import numpy as np
from model_zoo.fitting import write_features

from ai_drug_assets.assets._asset import declare
from ai_drug_assets.catalog import Node
from ai_drug_assets.tracking import Tracking
from ai_drug_assets.workshop import Outcome, Workshop

FILE = "features.npy"


def features(workshop: Workshop, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    name = str(node.name)

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        workshop.require_upstream(node)
        (source, _), *_ = workshop.upstream(node, "dataset")
        with workshop.scratch(node) as work:
            matrix = write_features(workshop.place(source), name, workshop.features.joined, work / FILE)
            workshop.keep(node, work)
        outcome.data_version = hashlib.sha256(np.ascontiguousarray(matrix).tobytes()).hexdigest()[:16]
        outcome.metadata = {
            "dagster/row_count": len(matrix),
            "columns": int(matrix.shape[1]),
            "dtype": str(matrix.dtype),
            "megabytes": round(matrix.nbytes / 1e6, 2),
        }

    description = f"Molecules of {node.endpoint} as numbers, by the featurizer {name}."
    return declare(workshop, node, body, description=description)
