"""Connectivity and shape indices from one walk over the paths of a molecule: Chi, Kappa, Phi.

Source: Hall & Kier, Rev. Comput. Chem. 1991, 2, 367. RDKit finds the paths again for each of nine indices.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate

from rdkit.Chem import rdMolDescriptors

from model_zoo.featurizers._rdkit_descriptors.graph import Graph
from model_zoo.featurizers._rdkit_descriptors.surface import OUTER_ELECTRONS

_SUMS = ("Chi2n", "Chi2v", "Chi3n", "Chi3v", "Chi4n", "Chi4v")
_WALKED = (*_SUMS, "Kappa2", "Kappa3", "Phi")

_Path = tuple[int, int, int, int, float, float]
"""First, last, last but one and last but two atom, and the products of the weights of all."""


def descriptors(graph: Graph) -> dict[str, float]:
    """Return Chi0, Chi1, Chi2n to Chi4v, Kappa2, Kappa3 and Phi."""
    degrees = [atom[4] for atom in graph.atoms]
    values = {
        "Chi0": _sum(1.0 / degree for degree in degrees if degree),
        "Chi1": _sum(1.0 / (degrees[begin] * degrees[end]) for begin, end in graph.ends),
    }
    if not graph.is_plain or not graph.ends or any(0 < bond[2] <= 4 for bond in graph.bonds):
        # RDKit also counts a ring of three or four as a path.
        return values | {name: getattr(rdMolDescriptors, f"Calc{name}")(graph.mol) for name in _WALKED}
    return values | _walk(graph)


def _sum(squares: Iterable[float]) -> float:
    """Add up square roots, one by one: Python's own `sum` of floats compensates its rounding since 3.12."""
    total = 0.0
    for total in accumulate(map(math.sqrt, squares)):  # noqa: B007
        pass
    return total


def _walk(graph: Graph) -> dict[str, float]:
    """Follow every path from each of its two ends, neighbours in ascending order, and count it from the lower one.

    Paths of two, three and four bonds carry the product of their atoms' weights, in the order of the walk, so that
    products and sums round as RDKit's do.
    """
    near, simple, scaled = graph.neighbours, *_weights(graph)
    paths = [
        (start, last, start, start, simple[start] * simple[last], scaled[start] * scaled[last])
        for start, others in enumerate(near)
        for last in others
    ]
    sums, found = [], []
    for _ in range(3):
        paths = _extend(paths, near, simple, scaled)
        total_n = total_v = 0.0
        count = 0
        for start, last, _, _, product_n, product_v in paths:
            if start < last:
                count += 1
                total_n += product_n
                total_v += product_v
        sums += [total_n, total_v]
        found.append(count)
    return dict(zip(_SUMS, sums, strict=True)) | _shapes(graph, found)


def _extend(paths: list[_Path], near: list[list[int]], simple: list[float], scaled: list[float]) -> list[_Path]:
    return [
        (start, following, last, before, product_n * simple[following], product_v * scaled[following])
        for start, last, before, earlier, product_n, product_v in paths
        for following in near[last]
        if following not in (before, earlier, start)
    ]


def _weights(graph: Graph) -> tuple[list[float], list[float]]:
    """Return one over the root of each atom's valence electrons, as counted for Chi-n and for Chi-v."""
    simple, scaled = [], []
    for number, _, _, hydrogens, *_ in graph.atoms:
        outer = OUTER_ELECTRONS[number]
        electrons = float(outer - hydrogens)
        simple.append(_inverse_root(electrons))
        scaled.append(_inverse_root(electrons if number <= 10 else electrons / (number - outer - 1)))
    return simple, scaled


def _inverse_root(value: float) -> float:
    if value > 0:
        return 1.0 / math.sqrt(value)
    return math.nan if value else 0.0


def _shapes(graph: Graph, found: list[int]) -> dict[str, float]:
    size, alpha = len(graph.atoms), rdMolDescriptors.CalcHallKierAlpha(graph.mol)
    # Products, not powers: `pow` is not always rounded to the nearest number.
    second, third = (found[0] + alpha) * (found[0] + alpha), (found[1] + alpha) * (found[1] + alpha)
    two, three = size + alpha - 2, size + alpha - 3
    kappa2 = (size + alpha - 1) * two * two / second if second else 0.0
    factor = size + alpha - 1 if size % 2 else size + alpha - 2
    kappa3 = factor * three * three / third if third else 0.0
    return {"Kappa2": kappa2, "Kappa3": kappa3, "Phi": rdMolDescriptors.CalcKappa1(graph.mol) * kappa2 / size}
