"""Perceptrons that learn all endpoints of a group at once, on fingerprints and descriptors.

Source: Dahl et al., arXiv 1406.1231 (multi-task networks for QSAR: a value that was not measured has no part in the
loss), after Caruana, Machine Learning 1997, 28, 41. Two hidden layers are shared, each endpoint has an output of its
own; members differ in their random start and the order of rows, and their mean predicts. Counts enter by their
logarithm, other features by their quantiles among the training rows. Where little was measured, these quantiles are
also learnt, as endpoints of which no value is missing: they keep the shared layers to what describes a molecule.
Trained by PyTorch; each endpoint is served as an ONNX graph of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.data.targets import Task
from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import Model, OnnxModel
from model_zoo.models import gp
from model_zoo.models._base import ModelConfig
from model_zoo.models._columns import Columns
from model_zoo.models._covariance import Block
from model_zoo.models._onnx_graph import OnnxGraph
from model_zoo.models._values import Standardised, standardised
from model_zoo.type_aliases import Numbers

if TYPE_CHECKING:
    import torch

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Of one member: weights, `in x out`, and biases, layer by layer."""


class Config(ModelConfig):
    """Hyper-parameters."""

    blocks: tuple[Block, ...] = ()
    """The columns of the features in their order: of a block of distance `minmax` counts, else measures; all of them
    are counts when omitted."""
    hidden: int = Field(default=512, ge=4)
    """Width of the first layer; the second has half of it."""
    members: int = Field(default=4, ge=1, le=20)
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    input_dropout: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """After the first layer; two thirds of it after the second."""
    auxiliary: float = Field(default=0.5, ge=0)
    """What the mean error of the measures, learnt beside the endpoints, weighs against theirs; `bench_auxiliary`
    compares it with none."""
    auxiliary_until: int = Field(default=300, ge=0)
    """Where endpoints have more values than so many, in the mean, nothing is learnt beside them: what that would bring
    is not measured."""
    loss: Literal["MAE", "MSE"] = "MAE"
    """What regressions minimise; classes always the log loss."""


with_widths = gp.with_widths


class JointPerceptrons:
    """What was fitted: see `JointModel`."""

    def __init__(
        self, columns: Columns, members: Sequence[Layers], scales: Sequence[Standardised], tasks: Sequence[Task]
    ) -> None:
        self._columns, self._members, self._scales, self._tasks = columns, members, scales, tasks

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Predict `n x t` values."""
        inputs = self._columns.scaled(X)
        outputs = [_outputs(layers, inputs) for layers in self._members]
        classes = np.array([task == "binary" for task in self._tasks])
        with np.errstate(over="ignore"):  # where it does, the probability is 0
            each = [np.where(classes, 1 / (1 + np.exp(-raw)), raw) for raw in outputs]
        mean = np.mean(each, axis=0)
        center, scale = (np.array([getattr(one, part) for one in self._scales]) for part in ("center", "scale"))
        return np.asarray(np.where(classes, mean, center + scale * mean), dtype=np.float64)

    def column(self, place: int) -> Model:
        """Write what all members say of one endpoint as an ONNX graph."""
        graph = OnnxGraph()
        inputs, binary = self._columns.nodes(graph, "X"), self._tasks[place] == "binary"
        outputs = []
        for *hidden, (weight, bias) in self._members:
            state = inputs
            for each in hidden:
                state = graph.add("Relu", graph.add("Gemm", state, *(graph.constant(part) for part in each)))
            own = weight[:, place : place + 1], bias[place : place + 1]
            raw = graph.add("Gemm", state, *(graph.constant(part) for part in own))
            outputs.append(graph.add("Sigmoid", raw) if binary else raw)
        mean = graph.add("Mean", *outputs)
        if not binary:
            wide = graph.add("Cast", mean, to=graph.types.DOUBLE)
            moved = graph.add("Mul", wide, graph.constant(np.float64(self._scales[place].scale)))
            mean = graph.add("Add", moved, graph.constant(np.float64(self._scales[place].center)))
        else:
            mean = graph.add("Cast", mean, to=graph.types.DOUBLE)
        graph.add("Identity", mean, name="y")
        made = graph.serialized("mlp_joint", self._columns.width, graph.types.DOUBLE, ("n", 1))
        return OnnxModel(made, "y", column=None)


def train_jointly(X: Numbers, Y: NDArray[np.float64], tasks: Sequence[Task], config: Config) -> JointPerceptrons:
    """Fit on `n x d` features and `n x t` values, NaN where nothing was measured.

    Raises
    ------
    TrainingError
        When the training diverges.
    """
    import torch

    columns = Columns.of(X, config.blocks or (Block(columns=X.shape[1]),))
    scales, learnt = [], np.full(Y.shape, np.nan, dtype=np.float32)
    for place, task in enumerate(tasks):
        known = np.isfinite(Y[:, place])
        scales.append(standardised(Y[known, place], task))
        learnt[known, place] = scales[-1].values
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would give other weights on another machine
    try:
        with torch.random.fork_rng(devices=[]):
            inputs, targets = torch.from_numpy(columns.scaled(X)), torch.from_numpy(learnt)
            few = np.isfinite(learnt).sum() <= config.auxiliary_until * len(tasks)
            measures = inputs[:, len(columns.counts) :] if few and config.auxiliary else inputs[:, :0]
            members = [_fit(inputs, targets, measures, tasks, config, member) for member in range(config.members)]
    finally:
        torch.set_num_threads(before)
    return JointPerceptrons(columns, members, scales, tasks)


def _fit(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    measures: torch.Tensor,
    tasks: Sequence[Task],
    config: Config,
    member: int,
) -> Layers:
    """Train one member; the loss is the mean over what was measured, and that over the measures by its weight."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(config.seed * 1000 + member)
    half = max(2, config.hidden // 2)
    network = nn.Sequential(
        nn.Dropout(config.input_dropout),
        nn.Linear(inputs.shape[1], config.hidden),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.hidden, half),
        nn.ReLU(),
        nn.Dropout(config.dropout * 2 / 3),
        nn.Linear(half, targets.shape[1] + measures.shape[1]),
    )
    count = targets.shape[1]
    known = torch.isfinite(targets)
    values = torch.nan_to_num(targets)
    binary = torch.tensor([task == "binary" for task in tasks])
    of_regression = functional.l1_loss if config.loss == "MAE" else functional.mse_loss
    steps = math.ceil(len(inputs) / config.batch_size)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * steps, pct_start=0.1
    )
    for _ in range(config.epochs):
        for rows in torch.split(torch.randperm(len(inputs)), config.batch_size):
            output, predicted_measures = network(inputs[rows]).tensor_split([count], 1)
            target, measured = values[rows], known[rows]
            of_classes = functional.binary_cross_entropy_with_logits(output, target.clamp(0, 1), reduction="none")
            each = torch.where(binary, of_classes, of_regression(output, target, reduction="none"))
            loss = torch.where(measured, each, 0.0).sum() / measured.sum().clamp(min=1)
            if measures.shape[1]:
                loss = loss + config.auxiliary * of_regression(predicted_measures, measures[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if not torch.isfinite(loss):
            raise TrainingError("mlp_joint: the training diverged: lower learning_rate, or look for huge values")
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    layers = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linear]
    *hidden, (weight, bias) = [(weight.copy(), bias.copy()) for weight, bias in layers]
    return [*hidden, (weight[:, :count].copy(), bias[:count].copy())]


def _outputs(layers: Layers, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    *hidden, (weight, bias) = layers
    state = inputs
    for own, shift in hidden:
        state = np.maximum(state @ own + shift, 0)
    return state @ weight + bias
