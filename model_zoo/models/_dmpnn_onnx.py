"""A trained D-MPNN as an ONNX graph, from packed molecular graphs and raw descriptors to the prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_zoo.featurizers.graph import ATOM_RADICES, BOND_RADICES, MAX_ATOMS, WIDTH
from model_zoo.models._onnx_graph import OnnxGraph

Weights = Sequence[NDArray[np.float32]]
"""Of one network: start, update, atom and its bias, readout and its bias, head and its bias; each `out x in`."""
NORM = 100.0
"""Atoms are summed up and divided by this."""
_FLAG = np.array([[0.0], [1.0]])
ATOM_TABLES = (*(np.eye(radix) for radix in ATOM_RADICES[:-1]), _FLAG)
"""What a network sees of each class of an atom, beside the mass."""
BOND_TABLES = (np.eye(BOND_RADICES[0], k=1), _FLAG, _FLAG, np.eye(BOND_RADICES[-1]))
"""The same of a bond. The first column marks a bond that is none, the last type has no column, as in Chemprop."""


def slopes(knots: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `(k - 1) x d` inverse distances of adjacent quantiles: a step for equal ones, 0 where all are equal."""
    distance = np.diff(knots, axis=0)
    tiny = np.float32(1e-6) * np.maximum(np.abs(knots[1:]), np.float32(1e-3))
    steep = np.float32(1) / np.maximum(distance, tiny)
    return np.where(knots[:1] == knots[-1:], np.float32(0), steep).astype(np.float32)


class _Builder(OnnxGraph):
    """A graph with the steps that a D-MPNN repeats."""

    def digits(self, codes: str, radices: Sequence[int]) -> list[str]:
        """Read codes in mixed radix, the first digit being the most significant."""
        found = []
        weight = int(np.prod(radices))
        for radix in radices:
            weight //= radix
            shifted = self.add("Div", codes, self.constant(weight))
            found.append(self.add("Mod", shifted, self.constant(radix)))
        return found

    def table(self, classes: str, rows: NDArray[np.float64]) -> str:
        return self.add("Gather", self.constant(rows, np.float32), classes)

    def summed(self, values: str, places: str, like: str, width: int) -> str:
        """Add up rows of `values` by place, into as many rows as `like` has."""
        rows = self.add("Shape", like, start=0, end=1)
        shape = self.add("Concat", rows, self.constant([width]), axis=0)
        blank = self.add("Expand", self.constant(0, np.float32), shape)
        at = self.add("Unsqueeze", places, self.constant([1]))
        return self.add("ScatterND", blank, at, values, reduction="add")

    def linear(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> str:
        product = self.add("MatMul", x, self.constant(weight.T, np.float32))
        return product if bias is None else self.add("Add", product, self.constant(bias, np.float32))


def dmpnn_graph(
    networks: Sequence[Weights], depth: int, knots: NDArray[np.float32], values: tuple[float, float], *, binary: bool
) -> bytes:
    """Write networks as one ONNX graph that averages them.

    Parameters
    ----------
    networks
        Their weights.
    depth
        Number of steps of message passing.
    knots
        `k x d` quantiles of the descriptors.
    values
        Center and scale that predictions of a regression are brought back by.
    binary
        Whether predictions are probabilities.
    """
    b = _Builder()
    atoms, mass, bonds, source, target, back, molecule = _unpacked(b)
    of_atoms = [b.table(classes, rows) for classes, rows in zip(atoms, ATOM_TABLES, strict=True)]
    x_atoms = b.add("Concat", *of_atoms, mass, axis=1)
    of_bonds = [b.table(classes, rows) for classes, rows in zip(bonds, BOND_TABLES, strict=True)]
    x_bonds = b.add("Concat", *of_bonds, axis=1)
    ranked = _ranks(b, knots)
    outputs = []
    for start, update, atom, atom_bias, readout, readout_bias, head, head_bias in networks:
        hidden, width = len(start), start.shape[1] - sum(table.shape[1] for table in BOND_TABLES)
        first = b.add(
            "Add",
            b.add("Gather", b.linear(x_atoms, start[:, :width]), source),
            b.linear(b.add("Concat", x_bonds, x_bonds, axis=0), start[:, width:]),
        )
        state = b.add("Relu", first)
        for _ in range(1, depth):
            gathered = b.add("Gather", b.summed(state, target, x_atoms, hidden), source)
            message = b.add("Sub", gathered, b.add("Gather", state, back))
            state = b.add("Relu", b.add("Add", first, b.linear(message, update)))
        seen = b.add("Concat", x_atoms, b.summed(state, target, x_atoms, hidden), axis=1)
        pooled = b.summed(b.add("Relu", b.linear(seen, atom, atom_bias)), molecule, "X", hidden)
        scaled = b.add("Div", pooled, b.constant(NORM, np.float32))
        read = b.add("Relu", b.linear(b.add("Concat", scaled, ranked, axis=1), readout, readout_bias))
        raw = b.linear(read, head, head_bias)
        outputs.append(b.add("Sigmoid", raw) if binary else raw)
    mean = b.add("Mean", *outputs)
    if not binary:
        wide = b.add("Mul", mean, b.constant(values[1], np.float32))
        mean = b.add("Add", wide, b.constant(values[0], np.float32))
    b.add("Squeeze", mean, b.constant([1]), name="y")
    return b.serialized("dmpnn", WIDTH + knots.shape[1], b.types.FLOAT, ("n",))


def _unpacked(b: _Builder) -> tuple[list[str], str, list[str], str, str, str, str]:
    """Read packed rows: classes of atoms, masses, classes of bonds, ends of messages, the way back, molecules of atoms.

    First come all bonds in one direction, then all in the other.
    """
    codes, masses = b.columns("X", 0, MAX_ATOMS), b.columns("X", MAX_ATOMS, 2 * MAX_ATOMS)
    packed = b.columns("X", 2 * MAX_ATOMS, WIDTH)
    one = b.constant(1)

    def present(matrix: str) -> tuple[str, str, str]:
        """Return the places of what is there, its codes, and the row that each is in."""
        places = b.add("Transpose", b.add("NonZero", matrix), perm=[1, 0])
        found = b.add("Sub", b.add("Cast", b.add("GatherND", matrix, places), to=b.types.INT64), one)
        return places, found, b.add("Gather", places, b.constant(0), axis=1)

    atom_places, atom_codes, molecule = present(codes)
    _, bond_codes, owner = present(packed)
    mass = b.add("Mul", b.add("GatherND", masses, atom_places), b.constant(0.01, np.float32))
    there = b.add("Cast", b.add("Greater", codes, b.constant(0, np.float32)), to=b.types.INT64)
    sizes = b.add("ReduceSum", there, b.constant([1]), keepdims=0)
    starts = b.add("Gather", b.add("CumSum", sizes, b.constant(0), exclusive=1), owner)
    begin, end, *classes = b.digits(bond_codes, (MAX_ATOMS, MAX_ATOMS, *BOND_RADICES))
    left, right = b.add("Add", begin, starts), b.add("Add", end, starts)
    source, target = b.add("Concat", left, right, axis=0), b.add("Concat", right, left, axis=0)
    zero, bonds = b.constant(0), b.add("Squeeze", b.add("Shape", begin))
    both = b.add("Add", bonds, bonds)
    back = b.add("Concat", b.add("Range", bonds, both, one), b.add("Range", zero, bonds, one), axis=0)
    atoms = b.digits(atom_codes, ATOM_RADICES)
    return atoms, b.add("Unsqueeze", mass, b.constant([1])), classes, source, target, back, molecule


def _ranks(b: _Builder, knots: NDArray[np.float32]) -> str:
    """Bring `n x d` descriptors to [0, 1] by their quantiles."""
    raw = b.add("Unsqueeze", b.columns("X", WIDTH, WIDTH + knots.shape[1]), b.constant([1]))
    moved = b.add("Mul", b.add("Sub", raw, b.constant(knots[:-1], np.float32)), b.constant(slopes(knots), np.float32))
    inside = b.add("Clip", moved, b.constant(0, np.float32), b.constant(1, np.float32))
    return b.add("ReduceMean", inside, b.constant([1]), keepdims=0)
