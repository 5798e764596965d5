"""ONNX graphs of tree ensembles that learnt standardised values, on the values' own scale.

A booster's comes from a converter and is brought to that scale. A forest's is written here: a converter makes Python
objects of each of millions of nodes, and an operator whose attributes take three times as much on disk and, while they
are read, in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.models._onnx_graph import OnnxGraph
from model_zoo.type_aliases import Numbers

if TYPE_CHECKING:
    import onnx

LEAVES, START = "target_weights", "base_values"
TREES_DOMAIN = "ai.onnx.ml"
LESS_OR_EQUAL = 0
"""The question of a node, `x <= split`, as the operator `TreeEnsemble` numbers it."""
SUM = 1
"""How it puts the trees' leaves together."""


class Grown(Protocol):
    """A tree as scikit-learn has it: node by node, -1 for the children of leaves."""

    children_left: NDArray[np.int64]
    children_right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]


class Estimator(Protocol):
    """One fitted tree of a forest."""

    tree_: Grown


@dataclass(frozen=True)
class Forest:
    """Trees as `TreeEnsemble` takes them: `m` questions and `l` leaves, each numbered over all trees."""

    feature: NDArray[np.int64]
    split: NDArray[np.float32]
    """`feature` and `split`: what each question asks: is column `feature` at most `split`?"""
    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    """`yes` and `no`: `m` numbers of what follows: questions, or leaves where `yes_leaf`, `no_leaf` say so."""
    yes_leaf: NDArray[np.bool_]
    no_leaf: NDArray[np.bool_]
    """`yes_leaf` and `no_leaf`: `m` truth values."""
    value: NDArray[np.float64]
    """`l` values of leaves."""
    roots: NDArray[np.int64]
    """The first question of each tree."""

    @classmethod
    def of(cls, estimators: Iterable[Estimator], label: int | None = None) -> Forest:
        """Take the trees of a forest of scikit-learn."""
        parts, questions, leaves = [], 0, 0
        for estimator in estimators:
            tree = estimator.tree_
            asks = tree.children_left >= 0
            value = tree.value[:, 0, 0 if label is None else label]
            part = _alone(float(value[0])) if not asks.any() else _split(tree, asks, value)
            parts.append(part.moved(questions, leaves))
            questions, leaves = questions + len(part.feature), leaves + len(part.value)
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def moved(self, questions: int, leaves: int) -> Forest:
        """Number everything after so many questions and leaves of other trees."""
        yes, no = (
            side + np.where(leaf, leaves, questions)
            for side, leaf in ((self.yes, self.yes_leaf), (self.no, self.no_leaf))
        )
        arrays = (self.feature, self.split, yes, no, self.yes_leaf, self.no_leaf, self.value)
        return Forest(*arrays, self.roots + questions)

    def graph(self, columns: int, start: float, scale: float, *, probability: bool) -> bytes:
        """Write the graph from `n x columns` features to `y`: `start` and `scale` times the trees' mean, `n x 1`.

        A probability is kept in [0, 1]: leaves summed in single precision may give 1.0000001.
        """
        graph = OnnxGraph()
        weights = (scale * self.value / len(self.roots)).astype(np.float32)
        trees = graph.add("TreeEnsemble", "X", domain=TREES_DOMAIN, n_targets=1, aggregate_function=SUM)
        node = graph.nodes[-1]
        for name, numbers in {
            "tree_roots": self.roots,
            "nodes_featureids": self.feature,
            "nodes_truenodeids": self.yes,
            "nodes_falsenodeids": self.no,
            "nodes_trueleafs": self.yes_leaf,
            "nodes_falseleafs": self.no_leaf,
            "leaf_targetids": np.zeros(len(weights), dtype=np.int64),
        }.items():
            node.attribute.append(_integers(name, numbers))
        modes = np.full(len(self.feature), LESS_OR_EQUAL, dtype=np.uint8)
        tensors: dict[str, Numbers] = {"nodes_splits": self.split, "nodes_modes": modes, "leaf_weights": weights}
        for name, tensor in tensors.items():
            node.attribute.append(_tensor(name, tensor))
        total = graph.add("Cast", trees, to=graph.types.DOUBLE)
        if probability:
            graph.add("Clip", total, graph.constant(np.float64(0)), graph.constant(np.float64(1)), name="y")
        else:
            graph.add("Add", total, graph.constant(np.float64(start)), name="y")
        opsets = {"": 21, TREES_DOMAIN: 5}
        return graph.serialized("forest", columns, graph.types.DOUBLE, ("n", 1), opsets)


def _split(tree: Grown, asks: NDArray[np.bool_], value: NDArray[np.float64]) -> Forest:
    """Take one tree of at least one question."""
    place = np.where(asks, np.cumsum(asks) - 1, np.cumsum(~asks) - 1)
    yes, no = tree.children_left[asks], tree.children_right[asks]
    split = tree.threshold[asks].astype(np.float32)
    # Features are single precision: a column is at most the split where it is at most the next such number below.
    split = np.where(split > tree.threshold[asks], np.nextafter(split, np.float32(-np.inf)), split)
    numbers = (tree.feature[asks].astype(np.int64), split, place[yes], place[no], ~asks[yes], ~asks[no])
    return Forest(*numbers, value[~asks], np.zeros(1, dtype=np.int64))


def _alone(value: float) -> Forest:
    """Return a tree that asks nothing as one whose question does not matter: the operator knows no other."""
    one, leaf = np.zeros(1, dtype=np.int64), np.ones(1, dtype=bool)
    return Forest(one, np.zeros(1, dtype=np.float32), one, one + 1, leaf, leaf, np.full(2, value), one)


def _integers(name: str, numbers: Numbers) -> onnx.AttributeProto:
    from onnx import AttributeProto

    attribute = AttributeProto(name=name, type=AttributeProto.INTS)
    attribute.ints.extend(numbers.astype(np.int64).tolist())  # `make_attribute` looks at each number's type
    return attribute


def _tensor(name: str, numbers: Numbers) -> onnx.AttributeProto:
    from onnx import helper, numpy_helper

    return helper.make_attribute(name, numpy_helper.from_array(numbers, name))


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
