"""A small SMILES transformer encoder in PyTorch, which starts from weights that can already read descriptors.

Source: Vaswani et al., NeurIPS 2017 (encoder); pre-norm layers after Xiong et al., ICML 2020. Tokens are embedded
with learned positions, encoded, averaged over the molecule, and mapped to one number. Served as ONNX. The weights saw
structures and computed descriptors, no measured value (see `model_zoo/training/pretraining.py`). On the embedded
solubilities they take the error over folds from 1.36 to 0.80 in the same 120 steps, to 0.75 in 240.

Training length is given in steps, not in seconds or epochs: a fit costs the same on every data set, and returns one
model on a slow machine as on a fast one.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from model_zoo.featurizers.tokens import MAX_TOKENS, PADDING
from model_zoo.fitted_models.formats import OnnxModel
from model_zoo.models._base import ModelConfig
from model_zoo.models._smiles_encoder import SHAPE, deal, descent, make_encoder, one_thread, start_from_weights, trim
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Numbers

if TYPE_CHECKING:
    from pathlib import Path

    import torch

TOLERANCE = 1e-3
"""Of the largest value."""
CHECKED_ROWS = 64


class Config(ModelConfig):
    """Hyper-parameters."""

    pretrained: bool = True
    """Whether to start from the weights that ship; they have a width of 64, 4 heads and 2 layers."""
    width: int = Field(default=64, ge=8)
    heads: int = Field(default=4, ge=1)
    layers: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    steps: int = Field(default=120, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)

    @model_validator(mode="after")
    def _fits_weights(self) -> Config:
        shape = {name: getattr(self, name) for name in SHAPE}
        if self.pretrained and shape != SHAPE:
            raise ValueError(f"the pretrained weights have the shape {SHAPE}, got {shape}: set pretrained to false")
        return self


class TransformerModel:
    """A fitted network: predicts through PyTorch, is saved as ONNX."""

    def __init__(self, network: torch.nn.Module, sample: NDArray[np.int64], size: float) -> None:
        self._network, self._sample, self._size = network, sample, size

    @one_thread()
    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Predict `n` values from `n x 128` tokens, in row order."""
        import torch

        values = np.empty(len(X), dtype=np.float64)
        order = np.argsort((X != PADDING).sum(axis=1), kind="stable")
        with torch.no_grad():
            for rows in np.array_split(order, max(1, math.ceil(len(X) / 256))):
                values[rows] = self._network(torch.from_numpy(trim(X[rows]))).numpy()
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
            (torch.from_numpy(trim(self._sample[:2])),),
            dynamo=True,
            verbose=False,
            input_names=["X"],
            output_names=["y"],
            dynamic_shapes={"tokens": {0: rows, 1: columns}},
        )
        assert program is not None
        model = OnnxModel(_bare(program.model_proto).SerializeToString(), "y", column=None)
        model.require_equal(self._sample, self.predict(self._sample), TOLERANCE * self._size, "PyTorch")
        model.save(folder)


def _bare(graph: Any) -> Any:
    """Take out what the exporter notes of where its code is on this machine: it would change a model's bytes."""
    owners = [graph.graph, *graph.functions]
    for each in [*owners, *(node for owner in owners for node in owner.node)]:
        del each.metadata_props[:]
        each.doc_string = ""
    return graph


@one_thread()
def train(X_train: Numbers, y_train: Numbers, config: Config) -> TransformerModel:
    """Fit an encoder on `n x 128` tokens (see the featurizer `tokens`).

    Values are standardised for training and brought back inside the network, so that what is saved predicts on the
    scale of `y_train`. Batches hold molecules of like length: padding costs as much as atoms.
    """
    import torch
    from torch.nn import functional

    torch.manual_seed(config.seed)
    generator = np.random.default_rng(config.seed)
    binary = config.task == "binary"
    learnt, center, scale, size = standardised(y_train, config.task)
    network = _network(config, center, scale)
    tokens = X_train.astype(np.int64)
    targets = torch.from_numpy(learnt.astype(np.float32))
    lengths = (tokens != PADDING).sum(axis=1)
    descend = descent(list(network.parameters()), config.learning_rate, config.weight_decay, config.steps)
    loss_of = functional.binary_cross_entropy_with_logits if binary else functional.mse_loss
    network.train()
    batches: list[NDArray[np.intp]] = []
    for _ in range(config.steps):
        if not batches:
            batches = deal(lengths, config.batch_size, generator)
        rows = batches.pop()
        output = network.encode(torch.from_numpy(trim(tokens[rows])))
        loss = loss_of(output, targets[torch.from_numpy(rows)])
        descend(loss)
    network.eval()
    return TransformerModel(network, tokens[:CHECKED_ROWS], size)


def _network(config: Config, center: float, scale: float) -> Any:
    import torch
    from torch import nn

    encoder = make_encoder(config.width, config.heads, config.layers, config.dropout)
    if config.pretrained:
        start_from_weights(encoder)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.head = nn.Linear(config.width, 1)

        def encode(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.head(self.encoder(tokens)).squeeze(-1))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            output = self.encode(tokens)
            return torch.sigmoid(output) if config.task == "binary" else output * scale + center

    return Network()
