"""Cutting molecules: whatever is cut can be put together again, however the molecule was written."""

from __future__ import annotations

import random

import pytest
from rdkit import Chem

from model_zoo.chemistry.single_cuts import HYDROGEN, heavy_atoms, joined, open_positions, single_cuts
from tests.real_molecules import drugs

SMILES = [
    str(Chem.MolToSmiles(Chem.MolFromSmiles(each)))
    for each in random.Random(3).sample([s for s in drugs() if "." not in s], 60)
]


@pytest.mark.parametrize("smiles", [*SMILES, "CCO", "c1ccccc1", "C[C@H](N)C(=O)O", "F/C=C/c1ccccc1", "C"])
def test_parts_make_the_molecule_again(smiles: str) -> None:
    """Every cut joins to the molecule, configurations included; its atoms are shared out, the larger part constant."""
    mol = Chem.MolFromSmiles(smiles)
    for constant, variable in single_cuts(mol):
        assert joined(constant, variable) == smiles
        assert heavy_atoms(constant) + heavy_atoms(variable) == mol.GetNumHeavyAtoms()
        assert heavy_atoms(variable) <= heavy_atoms(constant)
    for constant in open_positions(mol):
        assert joined(constant, HYDROGEN) == smiles


def test_cuts_do_not_depend_on_how_a_molecule_is_written() -> None:
    """Atoms in another order have the same cuts and the same open positions."""
    for smiles in SMILES[:20]:
        mol = Chem.MolFromSmiles(smiles)
        order = list(range(mol.GetNumAtoms()))
        random.Random(0).shuffle(order)
        other = Chem.MolFromSmiles(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))
        assert set(single_cuts(mol)) == set(single_cuts(other))
        assert set(open_positions(mol)) == set(open_positions(other))
