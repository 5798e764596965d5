"""Tree ensembles as tables of numbers: what an explanation needs to know of a fitted forest or booster.

Reading a graph takes the library `onnx` and happens when a bundle is written; the service reads the finished table with
numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_zoo.fitted_models.oblivious_trees import ObliviousModel
from model_zoo.type_aliases import Json, Numbers

if TYPE_CHECKING:
    import onnx

MOST_NODES = 1_500_000
"""A larger forest is not explained: its table would take more memory than all the rest of a bundle."""
_BRANCHES = {b"BRANCH_LEQ": 0, b"BRANCH_LT": 1, b"BRANCH_GT": 2, b"BRANCH_GTE": 3}
_ENSEMBLES = {"TreeEnsemble", "TreeEnsembleRegressor", "TreeEnsembleClassifier"}
_ROWS = 1024


@dataclass(frozen=True)
class TreeTable:
    """All trees of an ensemble, node by node: level by level from the roots, the children of one node side by side.

    A node is also the edge that leads to it, and the conditions on that edge's feature since the root are merged into
    one interval.
    """

    feature: NDArray[np.int32]
    """`m` columns that the edges ask about; -1 for roots."""
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    """`low` and `high`: `m` ends of the interval: a molecule agrees when `low < x <= high`."""
    share: NDArray[np.float64]
    """`m` shares of training molecules that agree, among those that the other conditions of the path let pass."""
    parent: NDArray[np.int32]
    """`m` node numbers; a root is its own parent."""
    before: NDArray[np.int32]
    """`m` numbers of the nearest node above whose edge asks about the same feature; -1 where there is none."""
    value: NDArray[np.float64]
    """`m` values of leaves; 0 for other nodes."""
    levels: NDArray[np.int32]
    """Where each level starts, and the end."""
    numbers: NDArray[np.float64]
    """What is added to the sum of leaves; the sum for the average training molecule; whether the sum is log-odds (1) or
    the prediction itself (0)."""

    @property
    def start(self) -> float:
        """What is added to the sum of leaves."""
        return float(self.numbers[0])

    @property
    def baseline(self) -> float:
        """The sum for the average training molecule."""
        return float(self.numbers[1])

    @property
    def log_odds(self) -> bool:
        """Whether the sum is the log-odds of class 1 instead of the prediction itself."""
        return bool(self.numbers[2])

    @property
    def depth(self) -> int:
        """The most edges on a path."""
        return len(self.levels) - 2

    def arrays(self) -> Iterator[tuple[str, Numbers]]:
        """Yield the table as named arrays."""
        for each in fields(self):
            yield each.name, getattr(self, each.name)


@dataclass(frozen=True)
class Nodes:
    """The trees of an ensemble as a graph has them: `m` nodes in any order."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    """`feature` and `threshold`: what each node asks; a molecule goes `left` when `x <= threshold`. Anything for
    leaves."""
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    """`left` and `right`: numbers of the children; -1 for leaves."""
    value: NDArray[np.float64]
    """Values of leaves."""
    roots: NDArray[np.int64]
    """Numbers of the trees' first nodes."""
    start: float
    log_odds: bool
    """`start` and `log_odds`: see `TreeTable`."""

    def leaves(self, X: Numbers) -> NDArray[np.int64]:
        """Return the leaf of each of `n` molecules in each of `t` trees, `n x t`."""
        now = np.repeat(self.roots[None], len(X), axis=0)
        rows = np.arange(len(X))[:, None]
        while (inner := self.left[now] >= 0).any():
            goes_left = X[rows, np.where(inner, self.feature[now], 0)] <= self.threshold[now]
            now = np.where(inner, np.where(goes_left, self.left[now], self.right[now]), now)
        return now

    def sums(self, X: Numbers) -> NDArray[np.float64]:
        """Return the sum of leaves of `n` molecules, with what is added to it."""
        return (
            np.concatenate(
                [self.value[self.leaves(X[at : at + _ROWS])].sum(axis=1) for at in range(0, len(X), _ROWS)]
                or [np.empty(0)]
            )
            + self.start
        )

    def counts(self, X: Numbers) -> NDArray[np.float64]:
        """Count how many of `n` molecules pass each node."""
        count = np.zeros(len(self.left))
        for at in range(0, len(X), _ROWS):
            count += np.bincount(self.leaves(X[at : at + _ROWS]).ravel(), minlength=len(count))
        for nodes in reversed(self._by_level()):
            inner = nodes[self.left[nodes] >= 0]
            count[inner] = count[self.left[inner]] + count[self.right[inner]]
        return count

    def _by_level(self) -> list[NDArray[np.int64]]:
        levels = [self.roots]
        while True:
            inner = levels[-1][self.left[levels[-1]] >= 0]
            if not len(inner):
                return levels
            levels.append(np.column_stack([self.left[inner], self.right[inner]]).ravel())

    def table(self, cover: NDArray[np.float64]) -> TreeTable:
        """Arrange the nodes for explaining.

        Parameters
        ----------
        cover
            How much of the training data passes each node; `counts`, or the library's own weights.
        """
        by_level = self._by_level()
        order = np.concatenate(by_level)
        place = np.empty(len(self.left), dtype=np.int64)
        place[order] = np.arange(len(order))
        m, levels = len(order), np.cumsum([0, *map(len, by_level)])
        feature, before = np.full(m, -1), np.full(m, -1)
        low, high = np.full(m, -np.inf, dtype=np.float32), np.full(m, np.inf, dtype=np.float32)
        share, parent = np.ones(m), np.arange(m)
        inner = order[self.left[order] >= 0]
        for children, goes_left in ((self.left[inner], True), (self.right[inner], False)):
            at = place[children]
            parent[at], feature[at] = place[inner], self.feature[inner]
            passed = cover[inner]
            share[at] = np.divide(cover[children], passed, out=np.full(len(at), 0.5), where=passed > 0)
            (high if goes_left else low)[at] = self.threshold[inner]
        for start, stop in pairwise(levels[1:]):
            nodes = np.arange(start, stop)
            above = parent[nodes].copy()
            while True:  # climb until the same feature was asked about, or the root is reached
                climbing = (feature[above] != feature[nodes]) & (feature[above] >= 0)
                if not climbing.any():
                    break
                above = np.where(climbing, parent[above], above)
            same = feature[above] == feature[nodes]
            nodes, above = nodes[same], above[same]
            before[nodes] = above
            share[nodes] *= share[above]
            low[nodes], high[nodes] = np.maximum(low[nodes], low[above]), np.minimum(high[nodes], high[above])
        value = np.where(self.left[order] < 0, self.value[order], 0.0)
        total = np.repeat(cover[self.roots].max(), m)
        baseline = self.start + float(np.sum(value * cover[order] / np.maximum(total, 1e-300)))
        numbers = np.array([self.start, baseline, float(self.log_odds)])
        ints = (array.astype(np.int32) for array in (feature, parent, before, levels))
        feature32, parent32, before32, levels32 = ints
        return TreeTable(feature32, low, high, share, parent32, before32, value, levels32, numbers)


def read_oblivious(model: ObliviousModel) -> Nodes | None:
    """Write oblivious trees out node by node; none where they are too many."""
    trees, depth = model.feature.shape
    inner, size = 2**depth - 1, 2 ** (depth + 1) - 1
    if trees * size > MOST_NODES:
        return None
    # A tree's nodes as in a heap, its last question first: so leaves are in the order of their numbers.
    level = np.floor(np.log2(np.arange(1, inner + 1))).astype(int)
    asked = depth - 1 - level
    first = np.arange(trees)[:, None] * size
    feature, threshold = np.zeros((trees, size), dtype=np.int64), np.zeros((trees, size), dtype=np.float32)
    left, right = np.full((trees, size), -1), np.full((trees, size), -1)
    value = np.zeros((trees, size))
    feature[:, :inner], threshold[:, :inner] = model.feature[:, asked], model.border[:, asked]
    left[:, :inner], right[:, :inner] = (first + 2 * np.arange(inner) + side for side in (1, 2))
    value[:, inner:] = model.leaf
    return Nodes(
        feature.ravel(),
        threshold.ravel(),
        left.ravel(),
        right.ravel(),
        value.ravel(),
        first.ravel(),
        model.start,
        model.log_odds,
    )


def read_onnx(graph: bytes) -> Nodes | None:
    """Read the trees of an ONNX graph; none where it holds anything but one tree ensemble, or too large a one."""
    import onnx

    whole = onnx.load_model_from_string(graph).graph
    ensembles = [node for node in whole.node if node.op_type in _ENSEMBLES]
    others = {node.op_type for node in whole.node} - _ENSEMBLES - {"Cast", "Identity"}
    if len(ensembles) != 1:
        return None
    table = {each.name: onnx.helper.get_attribute_value(each) for each in ensembles[0].attribute}
    if ensembles[0].op_type == "TreeEnsemble":
        return _of_forest(table, whole) if len(others) == 1 and others < {"Add", "Clip"} else None
    if others:
        return None
    kind = "class" if ensembles[0].op_type == "TreeEnsembleClassifier" else "target"
    modes = table["nodes_modes"]
    transform = table.get("post_transform", b"NONE")
    known = all(mode == b"LEAF" or mode in _BRANCHES for mode in set(modes))
    if not known or transform not in (b"NONE", b"LOGISTIC") or len(modes) > MOST_NODES:
        return None
    return _nodes(table, modes, kind, log_odds=transform == b"LOGISTIC")


def _of_forest(table: dict[str, Json], graph: onnx.GraphProto) -> Nodes | None:
    """Read what `Forest.graph` of `models/_tree_graph.py` wrote: questions first, then leaves."""
    from onnx import numpy_helper

    questions, leaves = len(table["nodes_featureids"]), len(table["leaf_targetids"])
    if questions + leaves > MOST_NODES:
        return None
    (end,) = (node for node in graph.node if node.op_type in ("Add", "Clip"))
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    none, nothing = np.full(leaves, -1), np.zeros(leaves)
    left, right = (
        np.concatenate(
            [np.array(table[f"nodes_{side}nodeids"]) + questions * np.array(table[f"nodes_{side}leafs"]), none]
        )
        for side in ("true", "false")
    )
    return Nodes(
        np.concatenate([np.array(table["nodes_featureids"]), none]),
        np.concatenate([numpy_helper.to_array(table["nodes_splits"]), nothing.astype(np.float32)]),
        left,
        right,
        np.concatenate([np.zeros(questions), numpy_helper.to_array(table["leaf_weights"]).astype(np.float64)]),
        np.array(table["tree_roots"]),
        float(constants[end.input[1]]) if end.op_type == "Add" else 0.0,
        log_odds=False,
    )


def _nodes(table: dict[str, Json], modes: list[bytes], kind: str, *, log_odds: bool) -> Nodes:
    tree, node = (np.asarray(table[f"nodes_{name}"], dtype=np.int64) for name in ("treeids", "nodeids"))
    width = int(node.max()) + 1
    at = np.full((int(tree.max()) + 1) * width, -1)
    at[tree * width + node] = np.arange(len(tree))
    branch = np.array([_BRANCHES.get(mode, -1) for mode in modes])
    yes, no = (
        np.where(branch >= 0, at[tree * width + np.asarray(table[f"nodes_{name}"], dtype=np.int64)], -1)
        for name in ("truenodeids", "falsenodeids")
    )
    threshold = np.asarray(table["nodes_values"], dtype=np.float32)
    strict = (branch == 1) | (branch == 3)  # x < t is x <= the number before t; x >= t is the opposite of that
    threshold = np.where(strict, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    swapped = branch >= 2
    left, right = np.where(swapped, no, yes), np.where(swapped, yes, no)
    labels = np.asarray(table[f"{kind}_ids"], dtype=np.int64)
    weights = np.asarray(table[f"{kind}_weights"], dtype=np.float64)
    leaf = at[np.asarray(table[f"{kind}_treeids"]) * width + np.asarray(table[f"{kind}_nodeids"])]
    wanted = labels == labels.max()  # of a classifier class 1, which is alone where the graph names one class only
    value = np.zeros(len(tree))
    np.add.at(value, leaf[wanted], weights[wanted])
    children = np.concatenate([left[left >= 0], right[right >= 0]])
    roots = np.setdiff1d(np.arange(len(tree)), children)
    start = float(table.get("base_values", [0.0])[-1])
    return Nodes(
        np.asarray(table["nodes_featureids"], dtype=np.int64), threshold, left, right, value, roots, start, log_odds
    )
