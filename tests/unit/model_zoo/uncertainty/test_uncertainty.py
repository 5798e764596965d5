"""Uncertainty: intervals that hold, and similarity that says how near a molecule is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import pack, tanimoto_nearest
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.uncertainty.applicability_domain import Domain, fit_domain
from model_zoo.uncertainty.conformal import conformal_half_width

SMILES = (
    "CCO", "CCN", "CCCC", "c1ccccc1", "Cc1ccccc1", "CC(=O)O", "CC(=O)Oc1ccccc1C(=O)O", "CCCCO", "c1ccncc1",
    "CC(C)O", "OCC(O)CO", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "CC(=O)Nc1ccc(O)cc1",
)  # fmt: skip


def molecules(*smiles: str) -> list[Molecule]:
    """Parse what must be molecules."""
    return [item for item in map(parse_molecule, smiles) if isinstance(item, Molecule)]


def domain_of(known: list[Molecule], folds: np.ndarray) -> Domain:
    """Build the domain of training molecules."""
    return fit_domain(pack(known), size_and_kind(known), folds)


ALL = molecules(*SMILES)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("noise", ["normal", "laplace", "exponential"])
def test_an_interval_holds_as_often_as_it_says(coverage: float, noise: str) -> None:
    """Over many calibrations on 100 residuals, new residuals fall inside as often as stated, whatever the noise."""
    generator = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        sample = getattr(generator, noise)(size=200)
        inside.append(np.mean(np.abs(sample[100:]) <= conformal_half_width(sample[:100], coverage)))

    assert np.mean(inside) == pytest.approx(coverage + 0.005, abs=0.015)


def test_the_default_interval_covers_nine_of_ten() -> None:
    """The width that bundles store is that of a 90 % interval."""
    generator = np.random.default_rng(1)
    width = conformal_half_width(generator.normal(size=5000))

    assert width == pytest.approx(1.645, abs=0.06)
    assert np.mean(np.abs(generator.normal(size=20000)) <= width) == pytest.approx(0.9, abs=0.01)


residuals = arrays.arrays(np.float64, st.integers(20, 60), elements=st.floats(-100, 100))


@given(sample=residuals, coverage=st.floats(0.05, 0.95))
def test_a_width_is_one_of_the_residuals(sample: np.ndarray, coverage: float) -> None:
    """The half width is a residual's size, covers at least its share of them, and ignores sign and order."""
    width = conformal_half_width(sample, coverage)

    assert width in np.abs(sample)
    assert np.mean(np.abs(sample) <= width) >= coverage - 1e-9
    assert width == conformal_half_width(-sample[::-1], coverage)


def test_too_few_residuals_give_no_interval() -> None:
    """Of nine residuals the largest is the width; of eight even that holds less often than nine times in ten."""
    nine = np.array([0.1, -3.0, 1.0, 0.0, 0.2, 0.3, 0.4, 0.5, 0.6])

    assert conformal_half_width(nine) == 3.0
    with pytest.raises(ValueError, match=r"expected at least 9 residuals for coverage 0.9, got 8"):
        conformal_half_width(nine[:8])


def min_max(one: Molecule, other: Molecule) -> float:
    """Return the MinMax coefficient of RDKit's own counts, which nothing of ours computes."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    counts, others = (generator.GetSparseCountFingerprint(each.mol).GetNonzeroElements() for each in (one, other))
    keys = counts.keys() | others.keys()
    both = [(counts.get(key, 0), others.get(key, 0)) for key in keys]
    return float(sum(map(min, both)) / sum(map(max, both)))


def test_similarities_are_those_of_counts() -> None:
    """All pairs are near the MinMax coefficient of unfolded counts, most similar first; chance bits cost little."""
    similarities, rows = tanimoto_nearest(pack(ALL), pack(ALL), k=len(ALL))
    for query, (values, order) in enumerate(zip(similarities, rows, strict=True)):
        expected = np.array([min_max(ALL[query], other) for other in ALL])
        np.testing.assert_allclose(values, expected[order], atol=0.06)
        assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize("unit", ["C", "CCO", "C(F)(F)", "c1ccc(cc1)", "NCC(=O)"])
def test_homologues_are_unlike(unit: str) -> None:
    """Chains that show the same environments and differ in length only are as unlike as their lengths."""
    short, double, long = molecules(*("C" + repeats * unit + "O" for repeats in (4, 8, 24)))
    packed = pack([short, double, long])
    similarities = [tanimoto_nearest(packed[:1], packed[place : place + 1])[0][0, 0] for place in (0, 1, 2)]

    assert similarities[0] == 1.0
    assert similarities[1] == pytest.approx(min_max(short, double), abs=0.06)
    assert similarities[1] < 0.75
    assert similarities[2] < 0.35


def test_a_fingerprint_does_not_know_the_order_of_atoms() -> None:
    """The same molecule, its atoms numbered otherwise, has the same bits."""
    for item in ALL:
        shuffled = np.random.default_rng(0).permutation(item.mol.GetNumAtoms()).tolist()
        other = Molecule(item.smiles, Chem.RenumberAtoms(item.mol, shuffled))
        assert (pack([other]) == pack([item])).all()
        np.testing.assert_array_equal(size_and_kind([other]), size_and_kind([item]))


bits = arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.just(2)))


@given(queries=bits, references=bits, k=st.integers(1, 8))
def test_nearest_rows_are_in_order(queries: np.ndarray, references: np.ndarray, k: int) -> None:
    """For any bits: at most as many as there are, falling from at most 1 to at least 0, equals in row order."""
    similarities, rows = tanimoto_nearest(queries, references, k)

    assert similarities.shape == rows.shape == (len(queries), min(k, len(references)))
    assert ((similarities >= 0) & (similarities <= 1)).all()
    assert (np.diff(similarities, axis=1) <= 0).all()
    assert all(len(set(row)) == len(row) for row in rows.tolist())


def test_empty_fingerprints_are_alike_to_nothing() -> None:
    """No bits in common with no bits is similarity 0, as in RDKit, and no division by zero."""
    empty = np.zeros((1, 128), dtype=np.uint8)

    assert tanimoto_nearest(empty, empty)[0].tolist() == [[0.0]]


def test_a_training_molecule_is_at_home() -> None:
    """A training molecule has similarity 1 to its own row; a foreign one is farther than the threshold."""
    domain = domain_of(ALL, np.arange(len(ALL)) % 3)
    similarities, rows = domain.nearest(pack(ALL), k=2)

    assert rows[:, 0].tolist() == list(range(len(ALL)))
    assert (similarities[:, 0] == 1).all()
    assert 0 <= domain.threshold <= 1
    assert domain.nearest(pack(molecules("FC(F)(F)S(F)(F)(F)(F)F")))[0][0, 0] <= domain.threshold


def test_the_threshold_ignores_neighbours_in_the_same_fold() -> None:
    """Twins in one fold say nothing: the threshold is what was between folds when the model was scored."""
    twins = [*molecules("CCCCCCO", "CCCCCCO", "c1ccncc1", "c1ccncc1")]
    same, apart = (domain_of(twins, np.array(folds)).threshold for folds in ([0, 0, 1, 1], [0, 1, 0, 1]))

    assert apart == 1.0
    assert same < 0.2


def test_a_single_fold_is_its_own_neighbourhood() -> None:
    """Without another fold every molecule counts as near: nothing is divided by nothing."""
    assert domain_of(ALL, np.zeros(len(ALL), dtype=int)).threshold == 1.0
