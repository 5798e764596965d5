"""A network that learns several endpoints at once: two shared layers, and one output for each endpoint.

Source: Caruana, Machine Learning 1997, 28, 41; for molecules Dahl et al., arXiv 1406.1231 (a value that was not
measured has no part in the loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.models import gp
from model_zoo.models._auxiliary import Auxiliary
from model_zoo.models._covariance import Block
from model_zoo.models._onnx_graph import OnnxGraph

if TYPE_CHECKING:
    import torch

CLIP = 5.0
"""Standardised descriptors are cut here: no molecule must be far outside of what the network saw."""
CHUNK = 1024


class NetworkConfig(gp.Config):
    """Hyper-parameters of the network, beside those of the Gaussian process."""

    hidden: int = Field(default=512, ge=8)
    code: int = Field(default=128, ge=4)
    """Width of the second layer, from which every endpoint is read."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    epochs: int = Field(default=6, ge=1)
    batch_size: int = Field(default=256, ge=8)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)


class Joined:
    """The rows of several endpoints, each molecule once.

    Attributes
    ----------
    X
        `n x d` features.
    targets
        `n x t` values, NaN where nothing was measured: classes as 0 and 1, others standardised; the mean of several.
    binary
        Which of the `t` columns are classes.
    """

    def __init__(self, auxiliaries: Sequence[Auxiliary]) -> None:
        places: dict[str, int] = {}
        rows = [[places.setdefault(key, len(places)) for key in item.skeletons] for item in auxiliaries]
        self.X = np.empty((len(places), auxiliaries[0].X.shape[1]), dtype=np.float32)
        self.targets = np.full((len(places), len(auxiliaries)), np.nan, dtype=np.float32)
        self.binary = np.array([item.task == "binary" for item in auxiliaries])
        for column, (item, mine) in enumerate(zip(auxiliaries, rows, strict=True)):
            self.X[mine] = item.X
            y = item.y if item.task == "binary" else (item.y - item.y.mean()) / item.y.std()
            count = np.bincount(mine, minlength=len(places))
            total = np.bincount(mine, weights=y, minlength=len(places))
            self.targets[count > 0, column] = total[count > 0] / count[count > 0]


def pretrain(auxiliaries: Sequence[Auxiliary], blocks: Sequence[Block], config: NetworkConfig) -> bytes:
    """Fit the network, and give the ONNX graph from features `X` to `X` with one column per endpoint beside it.

    Raises
    ------
    TrainingError
        When there is nothing to learn from, or the fit diverges.
    """
    import torch

    useful = [item for item in auxiliaries if len(item.y) and np.ptp(item.y) > 0]
    joined = Joined(useful) if useful else None
    if joined is None or len(joined.X) < config.batch_size:
        raise TrainingError(
            f"multitask: expected at least {config.batch_size} molecules of other endpoints that are none of this "
            f"endpoint's own, got {0 if joined is None else len(joined.X)}. Name other endpoints in `auxiliary`, or "
            "leave this model out here."
        )
    scale = _Scale.of(joined.X, blocks)
    scale.apply(joined.X)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would give other weights on another machine
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = _network(joined.X.shape[1], len(useful), config)
            _fit(network, joined, config)
    finally:
        torch.set_num_threads(before)
    return _graph(joined.X.shape[1], scale, network.eval())


class _Scale:
    """Features as the network reads them: the logarithm of counts, descriptors standardised and cut."""

    def __init__(self, counted: NDArray[np.bool_], center: NDArray[np.float32], spread: NDArray[np.float32]) -> None:
        self.counted, self.center, self.spread = counted, center, spread

    @classmethod
    def of(cls, X: NDArray[np.float32], blocks: Sequence[Block]) -> _Scale:
        counted = np.repeat([block.distance == "minmax" for block in blocks], [block.columns for block in blocks])
        center, spread = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
        varying = spread > 1e-6 * np.maximum(np.abs(center), 1)
        return cls(
            counted,
            np.where(counted, 0, center).astype(np.float32),
            np.where(counted, 1, np.where(varying, spread, np.inf)).astype(np.float32),
        )

    def apply(self, X: NDArray[np.float32]) -> None:
        """Scale in place: with all endpoints of a benchmark, features are some hundred megabytes."""
        X -= self.center
        X /= self.spread
        for start in range(0, len(X), CHUNK):
            rows = X[start : start + CHUNK]
            rows[:] = np.where(self.counted, np.log1p(np.maximum(rows, 0)), np.clip(rows, -CLIP, CLIP))


def _network(width: int, outputs: int, config: NetworkConfig) -> torch.nn.Sequential:
    from torch import nn

    layers: list[nn.Module] = []
    for rows, columns in ((width, config.hidden), (config.hidden, config.code)):
        layers += [nn.Linear(rows, columns), nn.BatchNorm1d(columns), nn.ReLU(), nn.Dropout(config.dropout)]
    return nn.Sequential(*layers, nn.Linear(config.code, outputs))


def _fit(network: torch.nn.Sequential, joined: Joined, config: NetworkConfig) -> None:
    """Descend the mean loss of measured values; an endpoint counts by the root of how many it has."""
    import torch
    from torch.nn import functional

    x = torch.from_numpy(joined.X)
    known = torch.from_numpy(np.isfinite(joined.targets))
    targets = torch.nan_to_num(torch.from_numpy(joined.targets))
    binary = torch.from_numpy(joined.binary)
    share = known.sum(dim=0).to(torch.float32).rsqrt()
    weight = known * (share / share.mean())
    steps = len(x) // config.batch_size
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * steps, pct_start=0.2
    )
    for _ in range(config.epochs):
        order = torch.randperm(len(x))
        for step in range(steps):
            rows = order[step * config.batch_size : (step + 1) * config.batch_size]
            output = network(x[rows])
            each = torch.where(
                binary,
                functional.binary_cross_entropy_with_logits(output, targets[rows], reduction="none"),
                functional.smooth_l1_loss(output, targets[rows], reduction="none"),
            )
            loss = (each * weight[rows]).sum() / known[rows].sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if not torch.isfinite(loss):
            raise TrainingError("multitask: the training diverged: lower learning_rate, or look for huge features")


def _graph(width: int, scale: _Scale, network: torch.nn.Sequential) -> bytes:
    """Write the scale and the layers, normalisation folded into their weights, as an ONNX graph."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_linear_bn_eval

    graph = OnnxGraph()
    scaled = graph.add("Sub", "X", graph.constant(scale.center))
    scaled = graph.add("Div", scaled, graph.constant(scale.spread))
    zero, one, low, high = (graph.constant(np.float32(number)) for number in (0, 1, -CLIP, CLIP))
    logarithm = graph.add("Log", graph.add("Add", graph.add("Max", scaled, zero), one))
    hidden = graph.add("Where", graph.constant(scale.counted), logarithm, graph.add("Clip", scaled, low, high))
    *shared, last = (layer for layer in network if isinstance(layer, nn.Linear))
    norms = (layer for layer in network if isinstance(layer, nn.BatchNorm1d))
    for layer in (*map(fuse_linear_bn_eval, shared, norms), last):
        weight, bias = (graph.constant(values.detach().numpy()) for values in (layer.weight.T, layer.bias))
        hidden = graph.add("Gemm", hidden, weight, bias)
        hidden = hidden if layer is last else graph.add("Relu", hidden)
    graph.add("Concat", "X", hidden, name="y", axis=1)
    return graph.serialized("multitask_network", width, graph.types.FLOAT, ("n", width + last.out_features))
