"""The D-MPNN: its graphs and layers are Chemprop's, its ONNX graph is its network, and odd molecules pass."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo import featurizers, models
from model_zoo.chemistry.molecules import Molecule
from model_zoo.errors import TrainingError
from model_zoo.featurizers import graph
from model_zoo.fitted_models.formats import ConstantModel
from model_zoo.models import dmpnn
from tests.real_molecules import NASTY
from tests.unit.model_zoo.models import chemprop_numbers
from tests.unit.model_zoo.models.test_models import labels

REFERENCE = json.loads(chemprop_numbers.FILE.read_text(encoding="utf-8"))
SMALL = {"hidden": 8, "readout": 8, "epochs": 2, "batch_size": 8}


def molecule(smiles: str) -> Molecule:
    """Read a SMILES as it is, without standardising."""
    return Molecule(smiles, Chem.MolFromSmiles(smiles))


def packed(texts: list[str], blocks: tuple[str, ...] = ("graph", "descriptors")) -> NDArray[Any]:
    """Featurize SMILES."""
    return featurizers.featurize(blocks, [molecule(text) for text in texts])


def graphs_of(X: NDArray[Any]) -> dmpnn.Graphs:
    """Read packed rows as training does."""
    return dmpnn.Graphs.of(X, dmpnn.quantiles(X[:, graph.WIDTH :]), torch.device("cpu"))


def test_atoms_and_bonds_are_chemprops() -> None:
    """Classes, masses and ends of bonds are what Chemprop's featurizers give: metals, isotopes, lone atoms as well."""
    graphs = graphs_of(packed(list(chemprop_numbers.SMILES), ("graph",)))
    for row, expected in enumerate(REFERENCE):
        batch = graphs.batch(np.array([row]))
        assert [atom.nonzero()[:, 0].tolist() for atom in batch.atoms[:, :-1]] == expected["atoms"]
        np.testing.assert_allclose(batch.atoms[:, -1], expected["masses"], atol=1e-6)
        assert [bond.nonzero()[:, 0].tolist() for bond in batch.bonds] == expected["bonds"]
        there = list(zip(batch.source.tolist(), batch.target.tolist(), strict=True))
        assert [list(ends) for ends in there[::2]] == expected["ends"]
        assert there[1::2] == [(end, begin) for begin, end in there[::2]]


def test_the_network_is_chemprops() -> None:
    """With the same weights, on all molecules in one batch, the network gives the numbers that Chemprop gives."""
    sizes = {"hidden": chemprop_numbers.HIDDEN, "readout": chemprop_numbers.READOUT, "depth": chemprop_numbers.DEPTH}
    network = dmpnn.network(chemprop_numbers.DESCRIPTORS, dmpnn.Config.model_validate(sizes))
    with torch.no_grad():
        for phase, values in enumerate(network.parameters()):
            matrix = torch.tensor(chemprop_numbers.wave(len(values), values[0].numel(), phase))
            values.copy_(matrix.reshape(values.shape))
        graphs = graphs_of(packed(list(chemprop_numbers.SMILES), ("graph",)))
        batch = graphs.batch(np.arange(len(REFERENCE)))
        ranks = torch.tensor(chemprop_numbers.wave(len(REFERENCE), chemprop_numbers.DESCRIPTORS, 0.5))
        outputs = network(dmpnn.Batch(**{**vars(batch), "descriptors": ranks})).numpy()

    np.testing.assert_allclose(outputs, [item["output"] for item in REFERENCE], atol=1e-5)
    assert np.ptp(outputs) > 0.1


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_hostile_molecules_are_predicted(task: Any) -> None:
    """Lone atoms, metals, cages and disconnected ones train and are predicted, alone as among others."""
    X = packed(list(NASTY), ("graph", "rdkit_descriptors"))
    config = dmpnn.Config.model_validate({**SMALL, "task": task, "members": 2})
    model = dmpnn.train(X, labels(task, X[:, graph.WIDTH :]), config)
    predicted = model.predict(X)

    assert np.isfinite(predicted).all()
    assert np.ptp(predicted) > 0
    np.testing.assert_allclose([model.predict(row[None])[0] for row in X], predicted, atol=1e-4)


def test_nothing_but_lone_atoms_trains() -> None:
    """A batch without a single bond passes messages along none."""
    X = packed(["C", "N", "O", "[Au]", "F", "[Na+]", "[Fe+3]", "S"])
    model = dmpnn.train(X, np.arange(8.0), dmpnn.Config.model_validate(SMALL))

    assert np.isfinite(model.predict(X)).all()


def test_graphs_alone_are_enough() -> None:
    """Without descriptors the network learns from the graph: from counts of atoms here, which it must tell apart."""
    texts = [f"{'C' * length}{tail}" for length in range(1, 9) for tail in ("O", "N", "F", "Cl", "C#N")]
    X = packed(texts, ("graph",))
    y = np.array([text.count("C") + 3.0 * text.endswith("O") for text in texts])
    config = {"hidden": 32, "readout": 32, "epochs": 60, "batch_size": 8, "learning_rate": 3e-3}
    predicted = dmpnn.train(X[::2], y[::2], dmpnn.Config.model_validate(config)).predict(X[1::2])

    assert np.corrcoef(predicted, y[1::2])[0, 1] > 0.9


def test_what_is_larger_than_a_row_is_cut() -> None:
    """Curation refuses such molecules by name; should one come, its first atoms and the bonds among them are seen."""
    longer, whole = packed(["C" * (graph.MAX_ATOMS + 50), "C" * graph.MAX_ATOMS], ("graph",))

    assert (longer[: graph.MAX_ATOMS] > 0).all()
    assert np.array_equal(longer[2 * graph.MAX_ATOMS :], whole[2 * graph.MAX_ATOMS :])
    model = dmpnn.train(packed(["CCO", "CCN"] * 4), np.arange(8.0), dmpnn.Config.model_validate(SMALL))
    assert np.isfinite(model.predict(packed(["C" * 350]))).all()


def test_codes_are_exact_in_single_precision() -> None:
    """The largest code of an atom and of a bond is a number that `float32` holds."""
    largest = (np.prod(graph.ATOM_RADICES), graph.MAX_ATOMS**2 * np.prod(graph.BOND_RADICES))

    assert max(largest) < 2**24


def test_a_descriptor_of_any_size_is_brought_between_0_and_1() -> None:
    """Huge, equal, unseen and steeply rising values are ranks, and the ONNX graph ranks them like training does."""
    generator = np.random.default_rng(0)
    learnt = np.column_stack([generator.lognormal(0, 9, 99), np.full(99, 7.0), generator.integers(0, 3, 99)])
    knots = dmpnn.quantiles(learnt)
    values = np.array([[1e15, 7.0, 2.0], [-1e15, 8.0, 0.0], [1.0, -8.0, 1.0]], dtype=np.float32)
    ranks = dmpnn.ranks(values, knots)

    assert ranks[0, :2].tolist() == [1.0, 0.0]
    assert ranks[1].tolist() == [0.0, 0.0, 0.0]
    assert ((ranks[2] >= 0) & (ranks[2] <= 1)).all()
    assert 0 < ranks[2, 2] < ranks[0, 2] <= 1


def test_equal_values_are_a_constant() -> None:
    """There is nothing to learn from equal values."""
    model = dmpnn.train(packed(["CCO", "CCN"]), np.full(2, 2.5), dmpnn.Config())

    assert isinstance(model, ConstantModel)
    assert model.value == 2.5


def test_features_without_a_graph_are_refused() -> None:
    """A YAML without the featurizer `graph` ends in what was expected."""
    with pytest.raises(TrainingError, match="dmpnn: expected the features `graph` first, 960 columns, got 20"):
        dmpnn.train(np.zeros((4, 20)), np.arange(4.0), dmpnn.Config())


def test_training_leaves_the_global_generator_of_torch() -> None:
    """A fit neither moves the random state of PyTorch nor depends on it."""
    X, y = packed(["CCO", "CCN", "CCF", "CCCl"] * 4), np.arange(16.0)
    config = dmpnn.Config.model_validate({**SMALL, "dropout": 0.2})
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one = models.get("dmpnn").train(X, y, config).predict(X)
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(dmpnn.train(X, y, config).predict(X), one)
