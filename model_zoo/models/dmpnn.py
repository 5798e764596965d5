"""Directed message passing over bonds, with RDKit descriptors beside the learned vector (D-MPNN).

Source: Yang et al., J. Chem. Inf. Model. 2019, 59, 3370; settings, atom and bond classes and the learning rate's
course as in Chemprop 2 (Heid et al., J. Chem. Inf. Model. 2024, 64, 9). Descriptors enter by their quantiles among the
training rows. Trained by PyTorch, on a GPU where there is one, for a fixed number of epochs; served as ONNX.

The layers are Chemprop's to the last weight (`tests/unit/model_zoo/models/test_dmpnn.py` holds numbers that Chemprop
gave). Its package is not used: with its command line and splitters it brings sixteen distributions and ten seconds of
import, a step takes half as long again, and its modules do not export to ONNX.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.errors import TrainingError
from model_zoo.featurizers.graph import ATOM_RADICES, BOND_RADICES, MAX_ATOMS, WIDTH, unpacked
from model_zoo.fitted_models.formats import ConstantModel, Model, OnnxModel
from model_zoo.models._base import ModelConfig
from model_zoo.models._dmpnn_onnx import ATOM_TABLES, BOND_TABLES, NORM, dmpnn_graph, slopes
from model_zoo.models._values import standardised
from model_zoo.type_aliases import Numbers

if TYPE_CHECKING:
    import torch

CHECKED_ROWS = 64
TOLERANCE = 1e-4
"""Of the largest value."""
KNOTS = 33
"""Quantiles that a descriptor is brought to [0, 1] by."""


class Config(ModelConfig):
    """Hyper-parameters."""

    hidden: int = Field(default=300, ge=4)
    depth: int = Field(default=3, ge=1, le=10)
    readout: int = Field(default=300, ge=4)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    members: int = Field(default=1, ge=1, le=20)
    """Networks that differ in their random start and order of rows; their mean predicts."""
    epochs: int = Field(default=50, ge=1)
    warmup_epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    """At the end of the warm-up; a tenth of it at the start and at the end."""


def train(X_train: Numbers, y_train: Numbers, config: Config) -> Model:
    """Fit networks on the block `graph` followed by `d` descriptors; equal values give a constant.

    Raises
    ------
    TrainingError
        When the first columns are no graphs, a network diverges, or the ONNX graph does not predict what it predicts.
    """
    import torch

    if X_train.shape[1] < WIDTH:
        raise TrainingError(f"dmpnn: expected the features `graph` first, {WIDTH} columns, got {X_train.shape[1]}")
    if np.ptp(y_train) == 0:
        return ConstantModel(float(y_train[0]))
    binary = config.task == "binary"
    learnt, center, scale, size = standardised(y_train, config.task)
    knots = quantiles(X_train[:, WIDTH:])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    graphs = Graphs.of(X_train, knots, device)
    targets = torch.from_numpy(learnt.astype(np.float32)).to(device)
    networks = [_fit(graphs, targets, config, member) for member in range(config.members)]
    weights = [[value.detach().cpu().numpy() for value in network.parameters()] for network in networks]
    model = OnnxModel(dmpnn_graph(weights, config.depth, knots, (center, scale), binary=binary), "y", column=None)
    rows = np.arange(min(CHECKED_ROWS, len(y_train)))
    with torch.no_grad():
        raw = torch.stack([network(graphs.batch(rows)).double() for network in networks])
        expected = (raw.sigmoid() if binary else raw * scale + center).mean(dim=0).cpu().numpy()
    model.require_equal(X_train[rows], expected, TOLERANCE * size, "PyTorch")
    return model


def quantiles(descriptors: Numbers) -> NDArray[np.float32]:
    """Return `33 x d` quantiles of `n x d` descriptors."""
    return np.quantile(descriptors.astype(np.float64), np.linspace(0, 1, KNOTS), axis=0).astype(np.float32)


def ranks(descriptors: Numbers, knots: NDArray[np.float32]) -> NDArray[np.float32]:
    """Say where each value is among the quantiles, in [0, 1]; a descriptor that never changed says 0.

    Examples
    --------
    >>> ranks(np.array([[5.0], [16.0], [99.0]]), np.linspace(0, 32, KNOTS, dtype=np.float32)[:, None])[:, 0].tolist()
    [0.15625, 0.5, 1.0]
    """
    low, slope = knots[:-1], slopes(knots)
    ranked = np.zeros(descriptors.shape, dtype=np.float32)
    for place in range(len(low)):
        ranked += np.clip((descriptors.astype(np.float32) - low[place]) * slope[place], 0, 1)
    return np.asarray(ranked / np.float32(len(low)), dtype=np.float32)


@dataclass(frozen=True)
class Batch:
    """The graphs of some molecules as one, with every bond in both directions, one beside the other."""

    atoms: torch.Tensor
    """`a x 72` classes and masses."""
    bonds: torch.Tensor
    """`b x 14` classes, one row per bond."""
    source: torch.Tensor
    """`2b` atoms that messages leave."""
    target: torch.Tensor
    """`2b` atoms that messages reach."""
    molecule: torch.Tensor
    """`a` places of molecules."""
    descriptors: torch.Tensor
    """`n x d` ranks."""


@dataclass(frozen=True)
class Graphs:
    """All molecules of a fit, read out of their packed rows once."""

    atoms: torch.Tensor
    bonds: torch.Tensor
    ends: NDArray[np.int64]
    """`b x 2` atoms of each bond, counted within its molecule."""
    atom_starts: NDArray[np.int64]
    bond_starts: NDArray[np.int64]
    descriptors: torch.Tensor

    @classmethod
    def of(cls, X: Numbers, knots: NDArray[np.float32], device: torch.device) -> Graphs:
        """Unpack `n x (960 + d)` features."""
        import torch

        codes, masses, bonds = np.split(X[:, :WIDTH], [MAX_ATOMS, 2 * MAX_ATOMS], axis=1)
        classes = unpacked(codes[codes > 0].astype(np.int64) - 1, ATOM_RADICES)
        of_atoms = [rows[classes[:, place]] for place, rows in enumerate(ATOM_TABLES)]
        atoms = np.column_stack([*of_atoms, masses[codes > 0].astype(np.float32) * np.float32(0.01)])
        parts = unpacked(bonds[bonds > 0].astype(np.int64) - 1, (MAX_ATOMS, MAX_ATOMS, *BOND_RADICES))
        edges = np.column_stack([rows[parts[:, 2 + place]] for place, rows in enumerate(BOND_TABLES)])
        return cls(
            torch.from_numpy(atoms.astype(np.float32)).to(device),
            torch.from_numpy(edges.astype(np.float32)).to(device),
            parts[:, :2],
            np.concatenate([[0], np.cumsum((codes > 0).sum(axis=1))]),
            np.concatenate([[0], np.cumsum((bonds > 0).sum(axis=1))]),
            torch.from_numpy(ranks(X[:, WIDTH:], knots)).to(device),
        )

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Put some molecules side by side."""
        import torch

        device = self.atoms.device

        def moved(values: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        atoms, molecule = _ranges(self.atom_starts, rows)
        bonds, owner = _ranges(self.bond_starts, rows)
        sizes = self.atom_starts[rows + 1] - self.atom_starts[rows]
        ends = self.ends[bonds] + (np.cumsum(sizes) - sizes)[owner][:, None]
        return Batch(
            self.atoms[moved(atoms)],
            self.bonds[moved(bonds)],
            moved(ends.ravel()),
            moved(ends[:, ::-1].ravel()),
            moved(molecule),
            self.descriptors[moved(rows)],
        )


def _ranges(starts: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the members of some rows, one after the other, and the place in `rows` that each belongs to."""
    sizes = starts[rows + 1] - starts[rows]
    owner = np.repeat(np.arange(len(rows)), sizes)
    return np.arange(sizes.sum()) + (starts[rows] - np.cumsum(sizes) + sizes)[owner], owner


def network(descriptors: int, config: Config) -> Any:
    """Make a network with random weights: for a `Batch` it gives `n` numbers."""
    import torch
    from torch import nn

    width_atom, width_bond = sum(rows.shape[1] for rows in ATOM_TABLES) + 1, sum(rows.shape[1] for rows in BOND_TABLES)

    class DirectedMessagePassing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.start = nn.Linear(width_atom + width_bond, config.hidden, bias=False)
            self.update = nn.Linear(config.hidden, config.hidden, bias=False)
            self.atom = nn.Linear(width_atom + config.hidden, config.hidden)
            self.readout = nn.Linear(config.hidden + descriptors, config.readout)
            self.head = nn.Linear(config.readout, 1)
            self.dropout = nn.Dropout(config.dropout)

        def forward(self, batch: Batch) -> torch.Tensor:
            # The first layer is linear: an atom goes through it once, not once per bond.
            of_atoms = batch.atoms @ self.start.weight[:, :width_atom].T
            of_bonds = (batch.bonds @ self.start.weight[:, width_atom:].T).repeat_interleave(2, dim=0)
            first = of_atoms.index_select(0, batch.source) + of_bonds
            state = first.relu()
            for _ in range(1, config.depth):
                back = state.view(-1, 2, config.hidden).flip(1).reshape(state.shape)
                message = self.gathered(batch, state).index_select(0, batch.source) - back
                state = self.dropout((first + self.update(message)).relu())
            atoms = self.dropout(self.atom(torch.cat((batch.atoms, self.gathered(batch, state)), 1)).relu())
            pooled = atoms.new_zeros(len(batch.descriptors), config.hidden).index_add(0, batch.molecule, atoms) / NORM
            hidden = self.readout(torch.cat((pooled, batch.descriptors), 1)).relu()
            return torch.as_tensor(self.head(self.dropout(hidden)).squeeze(1))

        def gathered(self, batch: Batch, state: torch.Tensor) -> torch.Tensor:
            return state.new_zeros(len(batch.atoms), config.hidden).index_add(0, batch.target, state)

    return DirectedMessagePassing()


def _fit(graphs: Graphs, targets: torch.Tensor, config: Config, member: int) -> Any:
    """Train one network; the global random state stays as it was."""
    import torch
    from torch.nn import functional

    generator = np.random.default_rng([config.seed, member])
    rows = len(targets)
    steps = math.ceil(rows / config.batch_size)
    loss_of = functional.binary_cross_entropy_with_logits if config.task == "binary" else functional.mse_loss
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(int(generator.integers(2**62)))
        fitted = network(graphs.descriptors.shape[1], config).to(targets.device)
        optimizer = torch.optim.Adam(fitted.parameters(), lr=config.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _course(step / steps, config))
        for _ in range(config.epochs):
            for chosen in np.array_split(generator.permutation(rows), steps):
                loss = loss_of(fitted(graphs.batch(chosen)), targets[torch.from_numpy(chosen).to(targets.device)])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if not torch.isfinite(loss):
                raise TrainingError("dmpnn: the training diverged: lower learning_rate, or look for huge values")
    return fitted.eval()


def _course(epoch: float, config: Config) -> float:
    """Return the learning rate over its highest value: a straight line up from a tenth, then down to a tenth.

    Examples
    --------
    >>> [round(_course(epoch, Config(epochs=10)), 3) for epoch in (0, 1, 2, 6, 10)]
    [0.1, 0.55, 1.0, 0.316, 0.1]
    """
    if epoch < config.warmup_epochs:
        return 0.1 + 0.9 * epoch / config.warmup_epochs
    return float(0.1 ** min(1.0, (epoch - config.warmup_epochs) / max(config.epochs - config.warmup_epochs, 1e-9)))
