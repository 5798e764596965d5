"""How entangled a molecule is, counted before any work that grows with it.

Fingerprints walk along bonds. In chains, and in what chemists make, few ways lead on from an atom; where every carbon
has four neighbours in rings, their number triples with each step, and seconds pass in which no other thread may run.
Of 7,807 compounds of B3DB the worst has 4,600 such walks; buckminsterfullerene has 11,340.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem

STEPS = 6
MOST_WALKS = 15_000
"""Up to here no featurizer holds the interpreter for 50 ms, measured on random graphs, cages, lattices, dendrimers."""


def walks(mol: Chem.Mol) -> int:
    """Count walks of up to six bonds that never turn on the spot, each in both directions.

    Examples
    --------
    >>> walks(Chem.MolFromSmiles("CCC")), walks(Chem.MolFromSmiles("C12C3C4C1C5C2C3C45")) > 1000
    (6, True)
    """
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    if not bonds:
        return 0
    there = np.array(bonds).T
    start, end = np.hstack([there, there[::-1]])
    count = np.ones(len(start))
    total = count.sum()
    for _ in range(STEPS - 1):
        arrived = np.bincount(end, count, mol.GetNumAtoms())
        count = arrived[start] - np.roll(count, len(bonds))
        total += count.sum()
    return int(total)


def is_too_complex(mol: Chem.Mol) -> bool:
    """Return whether featurizers would take too long over a molecule; most need not even be counted."""
    rings = mol.GetNumBonds() - mol.GetNumAtoms()
    return rings > 10 and walks(mol) > MOST_WALKS
