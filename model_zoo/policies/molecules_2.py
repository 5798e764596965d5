"""Version 2 of the rules by which a text becomes a standardised molecule: both mirror images are a mixture.

In all else they are one, and a step that both use is copied here before it changes: a table of results holds this
version to what it said.
"""

from __future__ import annotations

from model_zoo.chemistry import molecules
from model_zoo.chemistry.molecules import InvalidMolecule, Limits, Molecule, Standardise


def parse_molecule(
    smiles: str, standardise: Standardise | None = None, limits: Limits | None = None
) -> Molecule | InvalidMolecule:
    """Parse one SMILES and standardise it; parameters and what is returned are those of `molecules.parse_molecule`.

    Examples
    --------
    >>> parse_molecule("C[C@H](N)C(=O)O.C[C@@H](N)C(=O)O").code
    'mixture'
    """
    return molecules.parse_molecule(smiles, standardise, limits, racemates=False)
