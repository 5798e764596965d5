"""The ONNX graph of a tree ensemble that learnt standardised values, brought back to the values' own scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model_zoo.errors import TrainingError

if TYPE_CHECKING:
    import onnx

LEAVES, START = "target_weights", "base_values"


def rescale_leaves(graph: onnx.ModelProto, center: float, scale: float) -> None:
    """Make a regressor predict `center + scale * prediction`, in place.

    Raises
    ------
    TrainingError
        When the graph is not one ensemble of regression trees with its leaves in single precision.
    """
    from onnx import helper

    ensembles = [node for node in graph.graph.node if node.op_type == "TreeEnsembleRegressor"]
    attributes = {each.name: each for node in ensembles for each in node.attribute}
    if len(ensembles) != 1 or LEAVES not in attributes:
        raise TrainingError(f"expected a graph of one tree ensemble with {LEAVES}, got {len(ensembles)} of them")
    leaves = attributes[LEAVES]
    scaled = (np.array(leaves.floats, dtype=np.float64) * scale).astype(np.float32).tolist()
    before = list(attributes[START].floats) if START in attributes else [0.0]
    start = [center + scale * float(value) for value in before]
    if START in attributes:
        ensembles[0].attribute.remove(attributes[START])
    ensembles[0].attribute.append(helper.make_attribute(START, start))
    del leaves.floats[:]
    leaves.floats.extend(scaled)
