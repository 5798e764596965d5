"""Entangled molecules are refused before any work; what chemists make is not."""

from __future__ import annotations

import time
from pathlib import Path

import networkx as nx
import pytest
from rdkit import Chem

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Limits, Molecule, parse_molecule
from model_zoo.inference.answers import Fault
from model_zoo.inference.complexity import MOST_WALKS, is_too_complex, walks
from model_zoo.inference.predictor import Predictor
from tests.bundle_factory import write
from tests.real_molecules import real

FULLERENE = (
    "c12c3c4c5c1c6c7c8c2c9c1c3c2c3c4c4c%10c5c5c6c6c7c7c%11c8c9c8c9c1c2c1c2c3c4c3c4c%10c5c5c6c6c7c7c%11c8c8c9c1c1c2c3c2"
    "c4c5c6c3c7c8c1c23"
)


def carbons(graph: nx.Graph) -> str:
    """Write a graph as a SMILES, each node a carbon."""
    mol = Chem.RWMol()
    for _ in graph.nodes:
        mol.AddAtom(Chem.Atom(6))
    place = {node: index for index, node in enumerate(graph.nodes)}
    for first, second in graph.edges:
        mol.AddBond(place[first], place[second], Chem.BondType.SINGLE)
    return str(Chem.MolToSmiles(mol))


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_walks_are_those_that_a_search_finds(degree: int) -> None:
    """Another way of counting agrees: step by step along every bond."""
    graph = nx.random_regular_graph(degree, 12, seed=degree)

    def onwards(before: int, here: int, left: int) -> int:
        return 1 + (sum(onwards(here, next_, left - 1) for next_ in graph[here] if next_ != before) if left else 0)

    found = sum(onwards(first, second, 5) for first in graph for second in graph[first])

    assert walks(Chem.MolFromSmiles(carbons(graph))) == found


@pytest.mark.parametrize(
    "graph",
    [nx.random_regular_graph(4, 60, seed=0), nx.circulant_graph(40, [1, 7]), nx.grid_2d_graph(10, 10)],
    ids=["cage", "circulant", "lattice"],
)
def test_an_entangled_molecule_is_refused_in_time(graph: nx.Graph, tmp_path: Path) -> None:
    """What held the interpreter for seconds is a fault of its own, at the price of parsing."""
    bundle = write(tmp_path / "bundle", features=("avalon_count",))
    begun = time.thread_time()
    answer, other = Predictor(Limits()).predict({"logs": bundle}, [carbons(graph), "CCO"])

    assert isinstance(answer, Fault)
    assert answer.code == "too-complex"
    assert str(MOST_WALKS) in answer.detail
    assert not isinstance(other, Fault)
    assert time.thread_time() - begun < 0.5


def test_molecules_that_exist_are_not_refused() -> None:
    """Drugs, natural products, and the most entangled molecule that chemists make in bulk."""
    entangled = sorted(real(), key=lambda text: sum(map(str.isdigit, text)))[-200:]
    for text in (*entangled, FULLERENE):
        parsed = parse_molecule(text)
        assert not isinstance(parsed, Molecule) or not is_too_complex(parsed.mol), text
    fullerene = Chem.MolFromSmiles(FULLERENE)
    assert {atom.GetDegree() for atom in fullerene.GetAtoms()} == {3}
    assert walks(fullerene) == 60 * 3 * (2**6 - 1)


def test_what_is_admitted_does_not_hold_the_interpreter() -> None:
    """The most entangled that pass cost no featurizer a tenth of a second in one step."""
    for graph in (
        nx.random_regular_graph(4, 10, seed=1),
        nx.hexagonal_lattice_graph(7, 5),
        nx.circular_ladder_graph(38),
    ):
        parsed = parse_molecule(carbons(graph))
        assert isinstance(parsed, Molecule)
        assert not is_too_complex(parsed.mol)
        begun = time.thread_time()
        featurizers.get("avalon_count").featurize([parsed])
        assert time.thread_time() - begun < 0.1
