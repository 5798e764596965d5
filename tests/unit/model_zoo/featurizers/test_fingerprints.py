from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Avalon import pyAvalonTools
from rdkit.Chem import rdReducedGraphs

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule
from tests.real_molecules import NASTY, drugs

WIDTHS = {"avalon_count": 1024, "erg": 315, "morgan_count": 1024}


def molecules(smiles: tuple[str, ...]) -> list[Molecule]:
    """Take SMILES as they are, without standardising."""
    return [Molecule(text, Chem.MolFromSmiles(text)) for text in smiles]


@pytest.mark.parametrize("name", WIDTHS)
def test_a_fingerprint_has_a_finite_row_for_every_molecule(name: str) -> None:
    """Hostile molecules get finite numbers of the promised width and type, the same each time."""
    rows = molecules(NASTY)
    matrix = featurizers.get(name).featurize(rows)

    assert matrix.shape == (len(NASTY), WIDTHS[name])
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
    assert (matrix >= 0).all()
    assert np.array_equal(featurizers.get(name).featurize(rows[::-1])[::-1], matrix)
    assert featurizers.get(name).featurize([]).shape == (0, WIDTHS[name])


def test_avalon_counts_are_rdkits() -> None:
    """Each count is the one of the Avalon toolkit for the molecule as it is, without coordinates, of real drugs and of
    hostile molecules; repeated groups count more than once.
    """
    rows = [*molecules(NASTY), *molecules(tuple(drugs()[::20])), *molecules(("OCCOCCOCCO",))]
    matrix = featurizers.get("avalon_count").featurize(rows)

    for row, molecule in zip(matrix, rows, strict=True):
        expected = pyAvalonTools.GetAvalonCountFP(molecule.mol, nBits=1024).GetNonzeroElements()
        assert {int(column): int(row[column]) for column in np.flatnonzero(row)} == expected
        assert not molecule.mol.GetNumConformers()
    assert matrix[-1].max() > 1


def test_erg_is_rdkits_with_the_published_values() -> None:
    """ErG is RDKit's own with the parameters of its paper, which are RDKit's defaults."""
    smiles = ("CC(=O)Nc1ccc(O)cc1", "NCCc1c[nH]c2ccccc12")
    expected = [rdReducedGraphs.GetErGFingerprint(Chem.MolFromSmiles(text)) for text in smiles]

    assert np.array_equal(featurizers.get("erg").featurize(molecules(smiles)), np.array(expected, dtype=np.float32))
