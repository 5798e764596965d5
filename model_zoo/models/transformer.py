"""A small SMILES transformer encoder, trained from scratch in PyTorch.

Source: Vaswani et al., NeurIPS 2017 (encoder); pre-norm layers after Xiong et al., ICML 2020. Tokens are embedded
with learned positions, encoded, averaged over the molecule, and mapped to one number. Served as ONNX.

Training length is given in steps, not in seconds or epochs: a fit costs the same on every data set, and gives the
same model on a slow machine as on a fast one.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.featurizers.tokens import MAX_TOKENS, PADDING, SIZE
from model_zoo.model_formats import OnnxModel
from model_zoo.models._base import ModelConfig

if TYPE_CHECKING:
    from pathlib import Path

    import torch

TOLERANCE = 1e-3
CHECKED_ROWS = 64


class Config(ModelConfig):
    """Hyper-parameters."""

    width: int = Field(default=64, ge=8)
    heads: int = Field(default=4, ge=1)
    layers: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    steps: int = Field(default=120, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)


class TransformerModel:
    """A fitted network: predicts through PyTorch, is saved as ONNX."""

    def __init__(self, network: torch.nn.Module, sample: NDArray[np.int64]) -> None:
        self._network, self._sample = network, sample

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Predict `n` values from `n x 128` tokens, in row order."""
        import torch

        values = np.empty(len(X), dtype=np.float64)
        order = np.argsort((X != PADDING).sum(axis=1), kind="stable")
        with torch.no_grad():
            for rows in np.array_split(order, max(1, math.ceil(len(X) / 256))):
                values[rows] = self._network(torch.from_numpy(_trim(X[rows]))).numpy()
        return values

    def save(self, folder: Path) -> None:
        """Export the network, check it against PyTorch, and write it.

        Raises
        ------
        TrainingError
            When the ONNX graph does not predict what the network predicts.
        """
        import torch

        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        # PyTorch warns of its own use of its own deprecated names while it exports.
        warnings.filterwarnings("ignore", category=FutureWarning, module="copyreg")
        rows, columns = torch.export.Dim("rows", max=1 << 20), torch.export.Dim("columns", max=MAX_TOKENS)
        program = torch.onnx.export(
            self._network,
            (torch.from_numpy(_trim(self._sample[:2])),),
            dynamo=True,
            verbose=False,
            input_names=["X"],
            output_names=["y"],
            dynamic_shapes={"tokens": {0: rows, 1: columns}},
        )
        assert program is not None
        model = OnnxModel(program.model_proto.SerializeToString(), "y", column=None)
        model.require_equal(self._sample, self.predict(self._sample), TOLERANCE, "PyTorch")
        model.save(folder)


def train(X_train: NDArray[Any], y_train: NDArray[Any], config: Config) -> TransformerModel:
    """Fit an encoder on `n x 128` tokens (see the featurizer `tokens`).

    Values are standardised for training and brought back inside the network, so that what is saved predicts on the
    scale of `y_train`. Batches hold molecules of like length: padding costs as much as atoms.
    """
    import torch
    from torch.nn import functional

    torch.manual_seed(config.seed)
    generator = np.random.default_rng(config.seed)
    binary = config.task == "binary"
    center, scale = (0.0, 1.0) if binary else (float(np.mean(y_train)), float(np.std(y_train)) or 1.0)
    network = _network(config, center, scale)
    tokens = X_train.astype(np.int64)
    targets = torch.from_numpy(((y_train - center) / scale).astype(np.float32))
    lengths = (tokens != PADDING).sum(axis=1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.steps)
    loss_of = functional.binary_cross_entropy_with_logits if binary else functional.mse_loss
    network.train()
    batches: list[NDArray[np.intp]] = []
    for _ in range(config.steps):
        if not batches:
            batches = _batches(lengths, config.batch_size, generator)
        rows = batches.pop()
        output = network.encode(torch.from_numpy(_trim(tokens[rows])))
        loss = loss_of(output, targets[torch.from_numpy(rows)])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()
    return TransformerModel(network, tokens[:CHECKED_ROWS])


def _network(config: Config, center: float, scale: float) -> Any:
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(SIZE, config.width, padding_idx=PADDING)
            self.position = nn.Parameter(torch.randn(MAX_TOKENS, config.width) * 0.02)
            layer = nn.TransformerEncoderLayer(
                config.width, config.heads, 2 * config.width, config.dropout, batch_first=True, norm_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, 1))

        def encode(self, tokens: torch.Tensor) -> torch.Tensor:
            padding = tokens == PADDING
            states = self.embedding(tokens) + self.position[: tokens.shape[1]]
            states = self.encoder(states, src_key_padding_mask=padding)
            kept = (~padding).to(states.dtype).unsqueeze(-1)
            mean = (states * kept).sum(1) / kept.sum(1).clamp(min=1.0)
            return torch.as_tensor(self.head(mean).squeeze(-1))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            output = self.encode(tokens)
            return torch.sigmoid(output) if config.task == "binary" else output * scale + center

    return Encoder()


def _batches(lengths: NDArray[np.int_], size: int, generator: np.random.Generator) -> list[NDArray[np.intp]]:
    """Deal one epoch into batches of like length, in random order."""
    noisy = lengths + generator.uniform(0, 4, len(lengths))
    order = np.argsort(noisy, kind="stable")
    batches = np.array_split(order, max(1, round(len(order) / size)))
    return [batches[index] for index in generator.permutation(len(batches))]


def _trim(tokens: NDArray[Any]) -> NDArray[np.int64]:
    """Cut the padding that no row of the batch needs; at least two columns, which the exported graph expects."""
    longest = int((tokens != PADDING).sum(axis=1).max(initial=2))
    return np.ascontiguousarray(tokens[:, : max(2, longest)], dtype=np.int64)
