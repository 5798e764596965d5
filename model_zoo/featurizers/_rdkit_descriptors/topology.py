"""Indices of the molecular graph from its matrices: Ipc, Balaban's J, Bertz' complexity.

Sources: Bonchev & Trinajstic, J. Chem. Phys. 1977, 67, 4517; Balaban, Chem. Phys. Lett. 1982, 89, 399; Bertz, J. Am.
Chem. Soc. 1981, 103, 3599.
"""

from __future__ import annotations

import math

import numpy as np
from rdkit.ML.InfoTheory.rdInfoTheory import InfoEntropy

from model_zoo.featurizers._rdkit_descriptors.graph import Floats, Graph

_MOST_DISTANCES = 100
"""Two atoms are equivalent for Bertz when their distances to so many nearest atoms are."""


def descriptors(graph: Graph) -> dict[str, float]:
    """Return AvgIpc, Ipc, BalabanJ and BertzCT."""
    polynomial = np.abs(characteristic_polynomial(graph.distances == 1))
    entropy = InfoEntropy(polynomial)
    return {
        "AvgIpc": entropy,
        "Ipc": np.add.accumulate(polynomial)[-1] * entropy,
        "BalabanJ": _balaban(graph),
        "BertzCT": _bertz(graph),
    }


def characteristic_polynomial(adjacency: Floats) -> Floats:
    """Return the `n + 1` coefficients, the first one 1, of an `n x n` adjacency matrix.

    By Le Verrier's method as Faddeev and Frame improved it: `n` products of matrices. The same products as RDKit's,
    without the temporary matrices.

    Examples
    --------
    >>> characteristic_polynomial(np.array([[0, 1], [1, 0]])).tolist()
    [1.0, -0.0, -1.0]
    """
    matrix = np.ascontiguousarray(adjacency, dtype=np.float64)
    size = len(matrix)
    coefficients = np.empty(size + 1)
    coefficients[0] = 1.0
    power, product = matrix.copy(), np.empty_like(matrix)
    diagonal, next_diagonal = power.reshape(-1)[:: size + 1], product.reshape(-1)[:: size + 1]
    for order in range(1, size + 1):
        value = 1.0 / order * float(np.add.reduce(diagonal))
        coefficients[order] = value
        if math.isfinite(value):
            diagonal -= value
        else:  # RDKit subtracts value times the identity, which is NaN off the diagonal, too
            power -= value * np.identity(size)
        np.dot(matrix, power, out=product)
        power, product, diagonal, next_diagonal = product, power, next_diagonal, diagonal
    coefficients[1:] *= -1
    return coefficients


def _balaban(graph: Graph) -> float:
    sums = np.add.accumulate(graph.order_distances, axis=0)[-1]
    begin, end = np.nonzero(np.triu(graph.distances == 1))
    terms = 1.0 / np.sqrt(sums[begin] * sums[end])
    total = np.add.accumulate(terms)[-1] if len(terms) else 0.0
    bonds = len(graph.bonds)
    cycles = bonds - len(graph.atoms) + 1
    return float(bonds) / float(cycles + 1) * total if cycles + 1 else 0.0


def _bertz(graph: Graph) -> float:
    size = len(graph.atoms)
    if size < 2:
        return 0.0
    classes = _symmetry_classes(graph.order_distances)
    orders = {}
    for (begin, end), (order, aromatic, _) in zip(graph.ends, graph.bonds, strict=True):
        orders[begin, end] = orders[end, begin] = 1.5 if aromatic else order
    # The order of first occurrence is the order in which the entropy adds up.
    elements: dict[int, int] = {}
    connections: dict[object, float] = {}
    for atom, near in enumerate(graph.neighbours):
        number = graph.atoms[atom][0]
        elements[number] = elements.get(number, 0) + 1
        own = classes[atom]
        for place, one in enumerate(near):
            first, order = classes[one], orders[atom, one]
            if order > 1 and one > atom:
                key: object = (own, first) if own < first else (first, own)
                connections[key] = connections.get(key, 0) + order * (order - 1) / 2
            for other in near[place + 1 :]:
                second = classes[other]
                key = (first, own, second) if first < second else (second, own, first)
                connections[key] = connections.get(key, 0) + order * orders[atom, other]
    counts = list(connections.values()) or [1]
    total = np.add.accumulate(counts)[-1]
    if total <= 0:
        raise ValueError(f"expected bonds with an order above 0, got {counts}")
    bonding = total * (InfoEntropy(np.array(counts, float)) + math.log(total) / math.log(2))
    return size * InfoEntropy(np.array(list(elements.values()), float)) + bonding  # type: ignore[no-any-return]


def _symmetry_classes(distances: Floats) -> list[int]:
    """Number the atoms by their distances to others, sorted and rounded to four decimals, from the first seen."""
    rounded = np.rint(np.sort(distances, axis=1)[:, :_MOST_DISTANCES] * 10_000)
    seen: dict[bytes, int] = {}
    return [seen.setdefault(row.tobytes(), len(seen)) for row in rounded]
