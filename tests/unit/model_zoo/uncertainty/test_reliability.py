"""Expected errors and levels: earned, true to what they come from, and without a unit of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import pack
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.data.targets import Target
from model_zoo.uncertainty import property_distance
from model_zoo.uncertainty.error_model import ErrorModel, fit_error_model
from model_zoo.uncertainty.fit import OutOfFoldPredictions, Uncertainty, fit_uncertainty
from model_zoo.uncertainty.property_distance import PropertySpace
from model_zoo.uncertainty.reliability import Levels, fit_levels

REGRESSION, BINARY = Target(task="regression"), Target(task="binary")
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def hard_molecules(n: int, seed: int = 0, slope: float = 1.5) -> Arrays:
    """Make difficulties, errors whose mean grows with the first and the third, and what their mean truly is."""
    generator = np.random.default_rng(seed)
    hard = np.column_stack(
        [generator.uniform(size=n), 0.4 + 0.1 * generator.uniform(size=n), generator.gamma(2, size=n)]
    )
    true = np.exp(-1 + slope * hard[:, 0] + slope / 5 * hard[:, 2])
    return hard, generator.exponential(true), true


def test_an_expected_error_is_the_mean_of_errors() -> None:
    """Where errors do grow with the signals, what is expected is near their true mean."""
    hard, errors, _ = hard_molecules(4000)
    new, _, true = hard_molecules(2000, seed=1)
    ratio = fit_error_model(hard, errors).scale(new) / true

    assert np.quantile(ratio, [0.05, 0.95]) == pytest.approx([1, 1], abs=0.15)


def test_a_signal_never_lowers_what_is_expected() -> None:
    """Where errors fall with distance, by whatever chance, a farther molecule is not said to be safer."""
    hard, errors, _ = hard_molecules(500, slope=-1.5)
    model = fit_error_model(hard, errors)

    assert (model.weights[1], model.weights[3]) == (0, 0)
    assert min(model.weights[1:]) == 0


def test_beyond_what_was_seen_it_grows_to_the_error_of_knowing_nothing() -> None:
    """A polymer is expected to be at most as wrong as a guess; nothing falls outside of numbers."""
    hard, errors, _ = hard_molecules(500)
    ceiling = 50 * float(errors.mean())
    model = fit_error_model(hard, errors, ceiling)

    assert model.scale(np.array([[1.0, 0.5, 1e6]])) == pytest.approx([ceiling])
    assert fit_error_model(hard, errors).scale(np.array([[1.0, 0.5, 1e6]])) < ceiling


@given(st.permutations(range(60)), st.sampled_from([1e-6, 4.184, 1e9]))
def test_neither_unit_nor_order_of_rows_matters(order: list[int], unit: float) -> None:
    """Errors in another unit are expected in that unit; rows in another order lead to the same model."""
    hard, errors, _ = hard_molecules(60)
    rows = np.array(order)
    one = fit_error_model(hard, errors, 3.0).scale(hard)
    scaled = hard * np.array([1.0, unit, 1.0])
    other = fit_error_model(scaled[rows], unit * errors[rows], unit * 3.0).scale(scaled)

    np.testing.assert_allclose(other / unit, one, rtol=1e-6)


def test_levels_part_only_where_errors_do() -> None:
    """Three levels of rising error where there is one; a single level where errors do not depend on the expectation."""
    hard, errors, true = hard_molecules(2000, slope=2.0)
    levels = fit_levels(true, errors, hard)
    noise = fit_levels(true, np.random.default_rng(3).permutation(errors), hard)

    assert levels.high_below is not None
    assert levels.low_from is not None
    assert levels.usual[0] < levels.usual[1] < levels.usual[2]  # type: ignore[operator]
    places = levels.levels_of(true)
    for place in range(3):
        known = ~levels.is_far(hard) & (places == place)
        assert levels.usual[place] == pytest.approx(errors[known].mean())
    assert (noise.high_below, noise.low_from) == (None, None)
    assert set(noise.levels_of(true)) == {1}


def test_chance_seldom_earns_a_level() -> None:
    """Over many draws of errors that nothing foretells, a boundary is found in one of twenty or so."""
    stands = []
    for seed in range(100):
        hard, _, true = hard_molecules(300, seed)
        levels = fit_levels(true, np.random.default_rng(seed + 1).exponential(size=300), hard)
        stands += [levels.high_below is not None, levels.low_from is not None]

    assert np.mean(stands) < 0.06


def test_where_nothing_was_measured_no_error_is_claimed() -> None:
    """Farther than training molecules were from each other, or beyond their range: low, as if nothing was known."""
    model = ErrorModel(center=(0.0,) * 3, spread=(1.0,) * 3, weights=(0.0,) * 4, low=-1.0, high=2.0)
    levels = Levels(high_below=1.5, usual=(0.9, 6.0, None), farthest=(0.8, 2.0))
    hard = np.array([[0.1, 0.3, 0.4], [0.9, 0.3, 0.4], [0.1, 0.3, 2.1], [0.1, 0.3, 0.4]])
    expected, places, usual = levels.place(model, hard, np.array([False, False, False, True]))

    assert expected == pytest.approx([1.0, *[np.exp(2)] * 3])
    assert places.tolist() == [0, 2, 2, 2]
    np.testing.assert_array_equal(usual, [0.9, np.nan, np.nan, np.nan])


def test_a_training_molecule_is_not_beyond_itself() -> None:
    """Also in single precision; one heavy atom more than the largest is beyond."""
    known = size_and_kind(chains(2, 9))
    space = PropertySpace(known.astype(np.float32))

    assert not space.beyond(known).any()
    assert space.beyond(size_and_kind(chains(12))).all()


def chains(*lengths: int) -> list[Molecule]:
    """Return alkanes, alcohols and amines of these lengths."""
    parsed = (parse_molecule("C" * length + end) for length in lengths for end in ("", "O", "N", "(C)C", "Cl"))
    return [each for each in parsed if isinstance(each, Molecule)]


def trained(
    binary: bool = False, unit: float = 1.0, shift: float = 0.0, order: np.ndarray | None = None
) -> Uncertainty:
    """Fit the rules on small molecules, errors of which grow with their size."""
    molecules = chains(*range(2, 16))
    generator = np.random.default_rng(0)
    size = np.array([each.mol.GetNumHeavyAtoms() for each in molecules], dtype=float)
    values = size + generator.normal(size=len(size))
    wrong = generator.laplace(scale=0.05 * size)
    rows = np.arange(len(size)) if order is None else order
    rows = rows[np.argsort([molecules[row].smiles for row in rows])]  # as bundles hold them
    packed, kinds, folds = pack(molecules)[rows], size_and_kind(molecules)[rows], (np.arange(len(size)) % 5)[rows]
    measured, predicted = values, values + wrong
    if binary:
        measured, predicted = (size > 9).astype(float), 1 / (1 + np.exp(-(size - 9 + 20 * wrong)))
    held = OutOfFoldPredictions((unit * predicted + shift)[rows], (unit * measured + shift)[rows], packed, kinds, folds)
    nobody = OutOfFoldPredictions(np.empty(0), np.empty(0), packed[:0], kinds[:0], folds[:0])
    return fit_uncertainty(BINARY if binary else REGRESSION, held, nobody)[0]


@pytest.mark.parametrize("binary", [False, True])
def test_homologues_are_far_where_training_has_no_such_size(binary: bool) -> None:
    """Chains of 60 and 90 atoms show environments that are all known, and are of low reliability all the same."""
    levels = trained(binary).levels
    assert levels is not None
    space = PropertySpace(size_and_kind(chains(*range(2, 16))))
    far, near = (space.distance(size_and_kind(chains(*lengths))) for lengths in ((60, 90), (6, 12)))
    none = np.zeros((1, 2))

    assert levels.is_far(np.hstack([none.repeat(len(far), axis=0), far[:, None]])).all()
    assert not levels.is_far(np.hstack([none.repeat(len(near), axis=0), near[:, None]])).any()


def numbers(rules: Uncertainty) -> np.ndarray:
    """Return all numbers of the rules of a regression."""
    assert rules.interval is not None
    assert rules.levels is not None
    usual = [np.nan if each is None else each for each in rules.levels.usual]
    return np.array([rules.interval.factor, *rules.levels.farthest, rules.interval.weights[1], *usual])


def test_the_rules_know_neither_unit_nor_zero_nor_order() -> None:
    """In another unit usual errors change by its factor; a shifted target and rows turned round change nothing."""
    plain = numbers(trained())
    factor = np.array([1, 1, 1, 1, 1000, 1000, 1000])

    np.testing.assert_allclose(numbers(trained(unit=1000.0)), plain * factor, rtol=1e-6)
    np.testing.assert_allclose(numbers(trained(shift=-77.0)), plain, rtol=1e-6)
    np.testing.assert_allclose(numbers(trained(order=np.arange(70)[::-1])), plain, rtol=1e-6)


def test_distance_by_properties_is_that_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a plain search says, in whatever blocks; of many references evenly chosen ones, in whatever order."""
    generator = np.random.default_rng(0)
    known, asked = generator.normal(size=(40, 3)), generator.normal(size=(11, 3))
    scale = known.std(axis=0)
    plain = np.sort(np.sqrt((((asked[:, None] - known[None]) / scale) ** 2).mean(axis=2)), axis=1)[:, :5].mean(axis=1)
    monkeypatch.setattr(property_distance, "BLOCK", 4)
    np.testing.assert_allclose(PropertySpace(known).distance(asked), plain)

    monkeypatch.setattr(property_distance, "MOST", 10)
    turned = PropertySpace(known[::-1]).distance(asked)
    np.testing.assert_allclose(turned, PropertySpace(known).distance(asked))
    assert PropertySpace(np.empty((0, 3))).distance(asked).tolist() == [0.0] * 11


def test_a_model_of_another_shape_is_refused() -> None:
    """A center without a spread, or weights of other signals, are no rule."""
    with pytest.raises(ValueError, match="expected a center, a spread and a weight per signal"):
        ErrorModel(center=(0.0, 0.0, 0.0))
