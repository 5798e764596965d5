"""A small ensemble of multi-layer perceptrons, made for features of a pretrained network.

Source: the task head of MiniMol (Klaser et al., arXiv 2404.14986): two hidden layers, batch normalisation, and the
input beside the last hidden layer; one member per internal fold, each kept at its best epoch on the rows it did not
see, predictions averaged. The members are trained at once, as one batched network, by PyTorch; served as ONNX.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import Model, OnnxModel
from model_zoo.models._base import ModelConfig
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Numbers

if TYPE_CHECKING:
    import torch

CHECKED_ROWS = 256
TOLERANCE = 1e-3
"""Of the largest value."""
CLIP = 8.0
"""Standardised features are cut here: what no training molecule had must not be extrapolated without bound."""


class Config(ModelConfig):
    """Hyper-parameters."""

    hidden: int = Field(default=512, ge=8)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    members: int = Field(default=5, ge=2, le=20)
    epochs: int = Field(default=25, ge=1)
    batch_size: int = Field(default=64, ge=4)
    max_batches: int = Field(default=100, ge=1)
    """Batches per epoch; where rows would make more, batches are larger."""
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)


def train(X_train: Numbers, y_train: Numbers, config: Config) -> Model:
    """Fit the members on `n x d` features.

    Features and values are standardised for training and brought back inside the network.

    Raises
    ------
    TrainingError
        When a member diverges, or the ONNX graph does not predict what the network predicts.
    """
    import torch

    X = X_train.astype(np.float32)
    center = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = X.std(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.where(spread > 1e-6 * np.maximum(np.abs(center), 1), spread, np.inf).astype(np.float32)
    binary = config.task == "binary"
    learnt, y_center, y_scale, size = standardised(y_train, config.task)
    inputs = torch.from_numpy(np.clip((X - center) / scale, -CLIP, CLIP))
    targets = torch.from_numpy(learnt.astype(np.float32))
    layers = _fit(inputs, targets, config)
    graph = _graph(layers, (center, scale), (y_center, y_scale), binary=binary)
    model = OnnxModel(graph, "y", column=None)
    sample = X[:CHECKED_ROWS]
    with torch.no_grad():
        raw = _output(layers, inputs[:CHECKED_ROWS]).double()
    expected = (raw.sigmoid() if binary else raw * y_scale + y_center).mean(dim=0).numpy()
    model.require_equal(sample, expected, TOLERANCE * size, "PyTorch")
    return model


class _Network:
    """The members side by side: every parameter has a leading axis of members."""

    def __init__(self, width: int, config: Config, generator: torch.Generator) -> None:
        import torch

        self.config, self.generator = config, generator
        members, hidden = config.members, config.hidden

        def weight(rows: int, columns: int) -> torch.Tensor:
            bound = 1 / math.sqrt(rows)
            return ((torch.rand(members, rows, columns, generator=generator) * 2 - 1) * bound).requires_grad_()

        def filled(columns: int, value: float) -> torch.Tensor:
            return torch.full((members, 1, columns), value).requires_grad_()

        self.weights = [weight(width, hidden), weight(hidden, hidden), weight(hidden + width, 1)]
        self.biases = [filled(hidden, 0.0), filled(hidden, 0.0), filled(1, 0.0)]
        self.gains = [filled(hidden, 1.0), filled(hidden, 1.0)]
        self.means = [torch.zeros(members, 1, hidden) for _ in self.gains]
        self.variances = [torch.ones(members, 1, hidden) for _ in self.gains]

    @property
    def parameters(self) -> list[torch.Tensor]:
        return [*self.weights, *self.biases, *self.gains]

    def train_output(self, x: torch.Tensor) -> torch.Tensor:
        """Return `members x rows` outputs for `members x rows x width` inputs, with dropout and batch statistics."""
        import torch

        hidden = x
        for place, gain in enumerate(self.gains):
            hidden = hidden @ self.weights[place]
            mean, variance = hidden.mean(dim=1, keepdim=True), hidden.var(dim=1, keepdim=True, unbiased=False)
            with torch.no_grad():
                self.means[place].lerp_(mean, 0.1)
                self.variances[place].lerp_(variance, 0.1)
            hidden = torch.relu((hidden - mean) * torch.rsqrt(variance + 1e-5) * gain + self.biases[place])
            kept = torch.rand(hidden.shape, generator=self.generator) >= self.config.dropout
            hidden = hidden * kept / (1 - self.config.dropout)
        return (torch.cat([hidden, x], dim=2) @ self.weights[2] + self.biases[2])[:, :, 0]

    def layers(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the layers as they predict."""
        import torch

        folded = []
        for place, gain in enumerate(self.gains):
            factor = gain * torch.rsqrt(self.variances[place] + 1e-5)
            folded.append((self.weights[place] * factor, self.biases[place] - self.means[place] * factor))
        folded.append((self.weights[2], self.biases[2]))
        return [(weight.detach().clone(), bias.detach().clone()) for weight, bias in folded]


def _output(layers: Any, x: torch.Tensor) -> Any:
    """Return `members x rows` outputs for `rows x width` inputs."""
    import torch

    hidden = x.expand(len(layers[0][0]), *x.shape)
    for weight, bias in layers[:-1]:
        hidden = torch.relu(hidden @ weight + bias)
    weight, bias = layers[-1]
    together = torch.cat([hidden, x.expand(len(weight), *x.shape)], dim=2)
    return (together @ weight + bias)[:, :, 0]


def _fit(inputs: torch.Tensor, targets: torch.Tensor, config: Config) -> Any:
    """Train the members, each without its own part of the rows, and keep each at its best epoch there."""
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(config.seed)
    rows, members = len(targets), config.members
    if rows < 2 * members:
        raise TrainingError(f"mlp: expected at least {2 * members} rows for {members} internal folds, got {rows}")
    part = torch.randperm(rows, generator=generator) % members
    fitted = [torch.nonzero(part != member)[:, 0] for member in range(members)]
    smallest = min(len(mine) for mine in fitted)
    batch = min(smallest, max(config.batch_size, math.ceil(smallest / config.max_batches)))
    steps = smallest // batch
    network = _Network(inputs.shape[1], config, generator)
    optimizer = torch.optim.AdamW(
        network.parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * steps, pct_start=0.2
    )
    binary = config.task == "binary"
    loss_of = functional.binary_cross_entropy_with_logits if binary else functional.mse_loss
    best = torch.full((members,), math.inf)
    kept: Any = None
    for _ in range(config.epochs):
        orders = torch.stack([mine[torch.randperm(len(mine), generator=generator)[:smallest]] for mine in fitted])
        for step in range(steps):
            chosen = orders[:, step * batch : (step + 1) * batch]
            loss = loss_of(network.train_output(inputs[chosen]), targets[chosen]) * members
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        layers = network.layers()
        with torch.no_grad():
            errors = loss_of(_output(layers, inputs), targets.expand(members, -1), reduction="none")
        held = torch.stack([errors[member, part == member].mean() for member in range(members)])
        if not torch.isfinite(held).all():
            raise TrainingError("mlp: the training diverged: lower learning_rate, or look for huge features")
        better = held < best
        best = torch.where(better, held, best)
        if kept is None:
            kept = layers
        for old, new in zip(kept, layers, strict=True):
            for mine, fresh in zip(old, new, strict=True):
                mine[better] = fresh[better]
    return kept


def _graph(
    layers: Any, features: tuple[NDArray[np.float32], NDArray[np.float32]], values: tuple[float, float], *, binary: bool
) -> bytes:
    """Write the members as one ONNX graph: standardise, cut, predict with each, average."""
    import onnx
    from onnx import helper, numpy_helper

    constants: dict[str, NDArray[Any]] = {
        "center": features[0],
        "scale": features[1],
        "low": np.array(-CLIP, dtype=np.float32),
        "high": np.array(CLIP, dtype=np.float32),
        "spread": np.array([len(layers[0][0]), 1, 1], dtype=np.int64),
        "first": np.array([0], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
        "y_scale": np.array(values[1], dtype=np.float32),
        "y_center": np.array(values[0], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Sub", ["X", "center"], ["moved"]),
        helper.make_node("Div", ["moved", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["x"]),
        helper.make_node("Unsqueeze", ["x", "first"], ["one"]),
        helper.make_node("Expand", ["one", "spread"], ["all"]),
    ]
    hidden = "all"
    for place, (weight, bias) in enumerate(layers):
        constants |= {f"W{place}": weight.numpy(), f"b{place}": bias.numpy()}
        if place == len(layers) - 1:
            nodes.append(helper.make_node("Concat", [hidden, "all"], ["together"], axis=2))
            hidden = "together"
        nodes.append(helper.make_node("MatMul", [hidden, f"W{place}"], [f"m{place}"]))
        nodes.append(helper.make_node("Add", [f"m{place}", f"b{place}"], [f"a{place}"]))
        if place < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [f"a{place}"], [f"h{place}"]))
        hidden = f"h{place}" if place < len(layers) - 1 else f"a{place}"
    if binary:
        nodes.append(helper.make_node("Sigmoid", [hidden], ["each"]))
    else:
        nodes.append(helper.make_node("Mul", [hidden, "y_scale"], ["wide"]))
        nodes.append(helper.make_node("Add", ["wide", "y_center"], ["each"]))
    nodes.append(helper.make_node("Squeeze", ["each", "last"], ["flat"]))
    nodes.append(helper.make_node("ReduceMean", ["flat", "first"], ["y"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ("n", len(features[0])))],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ("n",))],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())
