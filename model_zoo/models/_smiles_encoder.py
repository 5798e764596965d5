"""The encoder of the SMILES transformer, and the weights it may start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.featurizers.tokens import MAX_TOKENS, PADDING, SIZE
from model_zoo.io.digests import file_digest
from model_zoo.type_aliases import Numbers

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).with_name("_smiles_encoder.npz")
DIGEST = "bc4055c598fbdd140dea044d1c7537673871ed7b40bc31bd9a98d977292f687d"
"""SHA-256 of the weights: they are part of the code, so a signature sees when they change."""
SHAPE = {"width": 64, "heads": 4, "layers": 2}
"""The shape that the weights have."""


def make_encoder(width: int, heads: int, layers: int, dropout: float) -> Any:
    """Return a network from `n x t` tokens to `n x width` vectors: pre-norm layers, averaged over the molecule."""
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(SIZE, width, padding_idx=PADDING)
            self.position = nn.Parameter(torch.randn(MAX_TOKENS, width) * 0.02)
            layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.norm = nn.LayerNorm(width)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            padding = tokens == PADDING
            states = self.embedding(tokens) + self.position[: tokens.shape[1]]
            states = self.encoder(states, src_key_padding_mask=padding)
            kept = (~padding).to(states.dtype).unsqueeze(-1)
            return torch.as_tensor(self.norm((states * kept).sum(1) / kept.sum(1).clamp(min=1.0)))

    return Encoder()


def start_from_weights(encoder: torch.nn.Module) -> None:
    """Put the pretrained weights into an encoder of their shape.

    Raises
    ------
    TrainingError
        When the file is not the one that this code was written for.
    """
    import torch

    if file_digest(WEIGHTS) != DIGEST:
        raise TrainingError(f"{WEIGHTS.name}: its SHA-256 is not the one in {Path(__file__).name}: restore the file")
    with np.load(WEIGHTS, allow_pickle=False) as kept:
        encoder.load_state_dict({name: torch.from_numpy(kept[name].astype(np.float32)) for name in kept.files})


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch work on one thread: its operations are so small here that a second one makes them slower.

    A fit of 120 steps took 3.1 s on one thread and 8.4 s on two of two free cores, 14 s and 210 s on busy ones.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def descent(
    parameters: list[torch.Tensor], learning_rate: float, weight_decay: float, steps: int
) -> Callable[[torch.Tensor], None]:
    """Return what takes one step down a loss, by AdamW in one cycle of so many steps, gradients cut at a norm of 1."""
    import torch

    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)

    def step(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()

    return step


def trim(tokens: Numbers) -> NDArray[np.int64]:
    """Cut the padding that no row of the batch needs; at least two columns, which the exported graph expects."""
    longest = int((tokens != PADDING).sum(axis=1).max(initial=2))
    return np.ascontiguousarray(tokens[:, : max(2, longest)], dtype=np.int64)


def deal(lengths: NDArray[np.int_], size: int, generator: np.random.Generator) -> list[NDArray[np.intp]]:
    """Deal one epoch into batches of like length, in random order: padding costs as much as atoms."""
    noisy = lengths + generator.uniform(0, 4, len(lengths))
    order = np.argsort(noisy, kind="stable")
    batches = np.array_split(order, max(1, round(len(order) / size)))
    return [batches[index] for index in generator.permutation(len(batches))]
