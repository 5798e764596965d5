"""SMILES as integer tokens for sequence models, with a fixed vocabulary.

The vocabulary is written out, not learned from data: a featurizer is pure, so a SMILES has the same tokens for
ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule

MAX_TOKENS = 128
WIDTH = MAX_TOKENS
"""Longer SMILES are cut: 99 % of the 7,807 molecules of the embedded BBB set have at most 125 tokens."""
PADDING, UNKNOWN = 0, 1
_PATTERN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")
_ATOMS = (
    "C c N n O o S s P p F Cl Br I B b [nH] [C@H] [C@@H] [C@] [C@@] [N+] [n+] [O-] [N-] [S+] [s+] [Si] [Se] "
    "[se] [H] [NH+] [NH2+] [NH3+] [C-] [c-] [n-] [S-] [P+] [B-] [S@] [S@@] [P@] [P@@] [2H] [3H]"
)
_BONDS = "( ) = # - + / \\ : . ~ 1 2 3 4 5 6 7 8 9 0 %10 %11 %12 %13 %14"
VOCABULARY = {token: index for index, token in enumerate(f"{_ATOMS} {_BONDS}".split(), start=2)}
SIZE = len(VOCABULARY) + 2


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.int64]:
    """Return `n x 128` token numbers as `int64`: 0 is padding, 1 an unknown token.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> featurize([parse_molecule("CCO")])[0, :4].tolist()
    [2, 2, 6, 0]
    """
    matrix = np.full((len(molecules), MAX_TOKENS), PADDING, dtype=np.int64)
    for row, molecule in enumerate(molecules):
        tokens = [VOCABULARY.get(token, UNKNOWN) for token in _PATTERN.findall(molecule.smiles)]
        matrix[row, : min(len(tokens), MAX_TOKENS)] = tokens[:MAX_TOKENS]
    return matrix
