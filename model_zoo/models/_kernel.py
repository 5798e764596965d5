"""The MinMax kernel on counts, for models that compare a molecule with those they learned from.

Source: Ralaivola et al., Neural Networks 2005, 18, 1093. The kernel of two rows is the sum of the smaller counts over
the sum of the larger ones: Tanimoto's coefficient when counts are 0 and 1. A count written in unary (3 as 1110..)
turns the sum of smaller counts into a dot product, so that a matrix product computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.models._base import ModelConfig
from model_zoo.type_aliases import Numbers

LARGEST_COUNT = 255


class KernelConfig(ModelConfig):
    """The settings of all kernel models."""

    recipe: ClassVar[str] = "kernel model"
    """Whose configuration this is, for messages."""
    presence: bool = False
    """Look at which features are there, not at how often."""
    max_rows: int = Field(default=6000, ge=10)
    """Time grows with the cube of the rows, memory with their square."""
    above: Literal["refuse", "subsample"] = "refuse"
    """What happens to more rows than that: an error, or a seeded choice of `max_rows` of them."""


def rows_to_learn(count: int, config: KernelConfig) -> NDArray[np.intp]:
    """Return the rows to learn from.

    Raises
    ------
    TrainingError
        When there are more than `max_rows`, and the configuration does not say to choose among them.
    """
    if count <= config.max_rows:
        return np.arange(count)
    if config.above == "refuse":
        raise TrainingError(
            f"{config.recipe}: expected at most {config.max_rows} rows, got {count}: time grows with their cube. Set "
            "`above: subsample` to learn from a part of them, raise `max_rows`, or take another model for this "
            "endpoint."
        )
    return np.sort(np.random.default_rng(config.seed).choice(count, config.max_rows, replace=False))


def require_rows(count: int, config: KernelConfig) -> None:
    """Refuse more rows than `train` learns from, before the first fold is fitted.

    Raises
    ------
    TrainingError
        When there are more than `max_rows`, and the configuration does not say to choose among them.
    """
    rows_to_learn(count, config)


def counts_of(X: Numbers, config: KernelConfig) -> NDArray[np.float32]:
    """Check that features are counts, and reduce them to 0 and 1 where the configuration says so.

    Raises
    ------
    TrainingError
        When some are negative or no whole numbers.
    """
    if not np.all(np.isfinite(X) & (X >= 0) & (np.floor(X) == X)):
        raise TrainingError(
            f"{config.recipe}: expected counts (whole numbers from 0), got other features. Name fingerprints in its "
            "YAML, such as `features: [morgan_count]`."
        )
    counts = X.astype(np.float32)
    return np.minimum(counts, 1) if config.presence else np.minimum(counts, LARGEST_COUNT)


@dataclass(frozen=True)
class Unary:
    """Counts in unary: bit `b` is set when column `columns[b]` is at least `thresholds[b]`.

    Examples
    --------
    >>> unary = Unary.of(np.array([[2.0, 0.0], [0.0, 1.0]]))
    >>> unary.bits(np.array([[3.0, 1.0]])).tolist()
    [[1.0, 1.0, 1.0]]
    """

    columns: NDArray[np.int64]
    thresholds: NDArray[np.float32]

    @classmethod
    def of(cls, counts: Numbers) -> Unary:
        """Take as many bits per column as its largest count: more would meet nothing."""
        largest = counts.max(axis=0).astype(int)
        columns = np.repeat(np.arange(len(largest)), largest)
        thresholds = np.concatenate([np.arange(1, count + 1) for count in largest])
        return cls(columns.astype(np.int64), thresholds.astype(np.float32))

    def bits(self, counts: Numbers) -> NDArray[np.float32]:
        """Return `n x b` bits."""
        return (counts[:, self.columns] >= self.thresholds).astype(np.float32)


def kernel(left: NDArray[np.float32], right: NDArray[np.float32], sums: tuple[Numbers, Numbers]) -> NDArray[np.float64]:
    """Return the kernel of `n` rows with `m` rows from their bits and their sums of counts, `n x m`, in [0, 1]."""
    common = (left @ right.T).astype(np.float64)
    union = sums[0][:, None] + sums[1][None, :] - common
    return np.asarray(common / np.maximum(union, 1))


def expansion_graph(
    counts: NDArray[np.float32],
    weights: NDArray[np.float64],
    intercept: float,
    config: KernelConfig,
    *,
    logistic: tuple[float, float] | None = None,
) -> bytes:
    """Write `intercept + sum of weight x kernel with each learned row` as an ONNX graph from features to `y`.

    Parameters
    ----------
    counts
        The `m` learned rows, as `counts_of` gives them.
    weights, intercept
        `m` weights, and what is added.
    logistic
        Slope and offset that turn the sum into a probability; none for a regression.
    """
    from onnx import TensorProto, helper, numpy_helper

    unary = Unary.of(counts)
    values: dict[str, NDArray[Any]] = {
        "columns": unary.columns,
        "thresholds": unary.thresholds,
        "largest": np.array(1 if config.presence else LARGEST_COUNT, dtype=np.float32),
        "learned": unary.bits(counts).astype(np.uint8).T.copy(),
        "learned_sums": counts.sum(axis=1, dtype=np.float64),
        "one": np.array(1, dtype=np.float64),
        "weights": weights[:, None],
        "intercept": np.array(intercept, dtype=np.float64),
        "axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Min", ["X", "largest"], ["counts"]),
        helper.make_node("Gather", ["counts", "columns"], ["spread"], axis=1),
        helper.make_node("GreaterOrEqual", ["spread", "thresholds"], ["set"]),
        helper.make_node("Cast", ["set"], ["bits"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["learned"], ["learned_bits"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["bits", "learned_bits"], ["shared"]),
        helper.make_node("Cast", ["shared"], ["common"], to=TensorProto.DOUBLE),
        helper.make_node("ReduceSum", ["counts", "axis"], ["sum"], keepdims=1),
        helper.make_node("Cast", ["sum"], ["own"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["own", "learned_sums"], ["both"]),
        helper.make_node("Sub", ["both", "common"], ["larger"]),
        helper.make_node("Max", ["larger", "one"], ["union"]),
        helper.make_node("Div", ["common", "union"], ["likeness"]),
        helper.make_node("MatMul", ["likeness", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "intercept"], ["y" if logistic is None else "decision"]),
    ]
    if logistic is not None:
        values |= {"slope": np.array(logistic[0], dtype=np.float64), "offset": np.array(logistic[1], dtype=np.float64)}
        nodes += [
            helper.make_node("Mul", ["decision", "slope"], ["tilted"]),
            helper.make_node("Add", ["tilted", "offset"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["y"]),
        ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "kernel_expansion",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ("n", counts.shape[1]))],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ("n", 1))],
        [numpy_helper.from_array(value, name) for name, value in values.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def fitted_logistic(decisions: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the logistic curve through decisions that were made without their own label.

    Decisions that say nothing, or the opposite, are worth no more than the share of class 1.
    """
    from sklearn.linear_model import LogisticRegression

    curve = LogisticRegression(C=1e6).fit(decisions[:, None], labels.astype(int))
    slope = float(curve.coef_[0, 0])
    share = float(labels.mean())
    return (slope, float(curve.intercept_[0])) if slope > 0 else (0.0, float(np.log(share / (1 - share))))
