"""ErG, the extended reduced graph: pairs of pharmacophore points at each distance, fuzzy, 315 wide.

Source: Stiefl, Watson, Baumann & Zaliani, J. Chem. Inf. Model. 2006, 46, 208. With the values of that paper: 21 pairs
of six kinds of points, 15 distances, 0.3 added to the neighbouring distances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdReducedGraphs

from model_zoo.chemistry.molecules import Molecule

WIDTH = 315
LONGEST, SHORTEST, FUZZ = 15, 1, 0.3


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 315` fuzzy counts as `float32`.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> round(float(featurize([parse_molecule("NCCCO")]).sum()), 1)
    9.6
    """
    matrix = np.empty((len(molecules), WIDTH), dtype=np.float32)
    for row, molecule in enumerate(molecules):
        matrix[row] = rdReducedGraphs.GetErGFingerprint(
            molecule.mol, fuzzIncrement=FUZZ, minPath=SHORTEST, maxPath=LONGEST
        )
    return matrix
