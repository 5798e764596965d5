"""Connectivity and shape indices from one walk over the paths of a molecule: Chi, Kappa, Phi.

Belongs here: what counts paths of two to four bonds or sums over them. Source: Hall & Kier, Rev. Comput. Chem. 1991,
2, 367. RDKit finds the paths anew for each of nine indices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdMolDescriptors

from model_zoo.featurizers._rdkit_descriptors.graph import Floats, Graph
from model_zoo.featurizers._rdkit_descriptors.surface import OUTER_ELECTRONS

_WALKED = ("Chi2n", "Chi2v", "Chi3n", "Chi3v", "Chi4n", "Chi4v", "Kappa2", "Kappa3", "Phi")


def descriptors(graph: Graph) -> dict[str, float]:
    """Give Chi0, Chi1, Chi2n to Chi4v, Kappa2, Kappa3 and Phi."""
    degrees = [atom[4] for atom in graph.atoms]
    values = {
        "Chi0": _sum(1.0 / degree for degree in degrees if degree),
        "Chi1": _sum(1.0 / (degrees[begin] * degrees[end]) for begin, end in graph.ends),
    }
    if not graph.is_plain or not graph.ends or any(0 < bond[2] <= 4 for bond in graph.bonds):
        # RDKit also counts a ring of three or four as a path.
        return values | {name: getattr(rdMolDescriptors, f"Calc{name}")(graph.mol) for name in _WALKED}
    return values | _walk(graph)


def _sum(squares: object) -> float:
    roots = np.sqrt(np.array(list(squares)))  # type: ignore[call-overload]
    return float(np.add.accumulate(roots)[-1]) if len(roots) else 0.0


def _walk(graph: Graph) -> dict[str, float]:
    weights = _weights(graph)
    counts = np.array([len(near) for near in graph.neighbours])
    starts = np.cumsum(counts) - counts
    targets = np.array([other for near in graph.neighbours for other in near])
    path = [np.repeat(np.arange(len(counts)), counts), targets]
    product = weights[:, path[0]] * weights[:, path[1]]
    values, found = {}, []
    for bonds in (2, 3, 4):
        steps = counts[path[-1]]
        origin = np.repeat(np.arange(len(steps)), steps)
        first = np.cumsum(steps) - steps
        reached = targets[(starts[path[-1]] - first)[origin] + np.arange(len(origin))]
        path = [column[origin] for column in path]
        fresh = path[0] != reached
        for column in path[1:-1]:
            fresh &= column != reached
        path = [column[fresh] for column in [*path, reached]]
        product = product[:, origin[fresh]] * weights[:, path[-1]]
        once = path[0] < path[-1]
        found.append(int(np.count_nonzero(once)))
        sums = np.add.accumulate(product[:, once], axis=1)[:, -1] if found[-1] else (0.0, 0.0)
        values[f"Chi{bonds}n"], values[f"Chi{bonds}v"] = sums
    return values | _shapes(graph, found)


def _weights(graph: Graph) -> Floats:
    """Give `2 x n`: one over the root of each atom's valence electrons, as counted for Chi-n and for Chi-v."""
    simple, scaled = [], []
    for number, _, _, hydrogens, *_ in graph.atoms:
        outer = OUTER_ELECTRONS[number]
        electrons = float(outer - hydrogens)
        simple.append(electrons)
        scaled.append(electrons if number <= 10 else electrons / (number - outer - 1))
    values: NDArray[np.float64] = np.array([simple, scaled])
    return np.where(values != 0, 1.0 / np.sqrt(values), 0.0)


def _shapes(graph: Graph, found: list[int]) -> dict[str, float]:
    size, alpha = len(graph.atoms), rdMolDescriptors.CalcHallKierAlpha(graph.mol)
    second, third = (found[0] + alpha) ** 2, (found[1] + alpha) ** 2
    kappa2 = (size + alpha - 1) * (size + alpha - 2) ** 2 / second if second else 0.0
    factor = size + alpha - 1 if size % 2 else size + alpha - 2
    kappa3 = factor * (size + alpha - 3) ** 2 / third if third else 0.0
    return {"Kappa2": kappa2, "Kappa3": kappa3, "Phi": rdMolDescriptors.CalcKappa1(graph.mol) * kappa2 / size}
