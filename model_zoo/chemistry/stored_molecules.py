"""Standardised molecules kept as text: of half a million, their objects would take 17 GB, their SMILES 50 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule


class StoredMolecules(Sequence[Molecule]):
    """Molecules that are parsed when they are asked for, and not held.

    A loop over them has one at a time, in a tenth of a millisecond each; a part of them is such a sequence
    again.

    Parameters
    ----------
    smiles
        `n` standardised SMILES: reading one gives the molecule that standardising gave.

    Examples
    --------
    >>> known = StoredMolecules(["CCO", "CCN"])
    >>> [molecule.smiles for molecule in known], known[1].mol.GetNumAtoms(), len(known[1:])
    (['CCO', 'CCN'], 3, 1)
    """

    def __init__(self, smiles: Iterable[str]) -> None:
        self.smiles = tuple(smiles)

    def __len__(self) -> int:
        return len(self.smiles)

    @overload
    def __getitem__(self, place: int) -> Molecule: ...

    @overload
    def __getitem__(self, place: slice) -> StoredMolecules: ...

    def __getitem__(self, place: int | slice) -> Molecule | StoredMolecules:
        found = self.smiles[place]
        return _parsed(found) if isinstance(found, str) else StoredMolecules(found)

    def __iter__(self) -> Iterator[Molecule]:
        return map(_parsed, self.smiles)


def smiles_of(molecules: Sequence[Molecule]) -> Sequence[str]:
    """Return the SMILES of molecules, parsing none."""
    if isinstance(molecules, StoredMolecules):
        return molecules.smiles
    return [molecule.smiles for molecule in molecules]


def _parsed(smiles: str) -> Molecule:
    return Molecule(smiles, Chem.MolFromSmiles(smiles))
