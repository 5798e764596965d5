"""A batch promises much, teaches much, and depends on nothing that means nothing: order of rows, units."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import pack, tanimoto_nearest
from model_zoo.config.desirability import Desirable
from model_zoo.data.targets import Target
from model_zoo.inference.suggestion import NOISE, WITHIN_INTERVAL, WORTHLESS, Goal, choose_batch, desirability

REGRESSION, BINARY = Target(task="regression"), Target(task="binary")
SMILES = [f"{'C' * chain}{group}" for group in ("O", "N", "c1ccccc1", "C(=O)O", "S(=O)(=O)C") for chain in (3, 4, 5)]


def packed() -> NDArray[np.uint8]:
    """Return the fingerprints of five families of three molecules that are much alike."""
    molecules = [parse_molecule(text) for text in SMILES]
    return pack([each for each in molecules if isinstance(each, Molecule)])


def test_mean_and_spread_are_those_of_drawn_values() -> None:
    """Three goals, drawn a hundred thousand times."""
    soluble = Goal(Target(task="regression", transform="log10"), Desirable(low=10.0, margin=8.0))
    potent = Goal.of(REGRESSION, None, "higher", np.linspace(4.0, 9.0, 101))
    safe = Goal.of(BINARY, None, "lower", np.array([0.0, 1.0]))
    assert potent is not None
    assert safe is not None
    goals = [soluble, potent, safe]
    mean, spread = desirability(goals, np.array([[0.8, 6.5, 0.3]]), np.array([[0.5, 1.2, 0.0]]))

    generator, draws = np.random.default_rng(0), 100_000
    logarithm = 0.8 + 0.5 / WITHIN_INTERVAL * generator.standard_normal(draws)
    pic50 = 6.5 + 1.2 / WITHIN_INTERVAL * generator.standard_normal(draws)
    toxic = generator.random(draws) < 0.3
    of_potency = np.clip((pic50 - potent.worst) / (potent.best - potent.worst), 0, 1)
    of_solubility = np.clip(1 - (10.0 - 10**logarithm) / 8.0, 0, 1)
    least = WORTHLESS + (1 - WORTHLESS) * np.array([of_solubility, of_potency, ~toxic])
    drawn = least.prod(axis=0) ** (1 / 3)
    assert mean[0] == pytest.approx(drawn.mean(), abs=0.01)
    assert spread[0] == pytest.approx(drawn.std(), abs=0.01)


def test_what_is_left_to_learn_is_what_a_gaussian_process_says() -> None:
    """With equal means the bounds of the picks are the posterior's, computed again for each of them."""
    fingerprints = packed()
    count = len(fingerprints)
    covariance = np.empty((count, count))
    for row in range(count):
        alike, order = tanimoto_nearest(fingerprints[row : row + 1], fingerprints, count)
        covariance[row, order[0]] = alike[0]
    picks = choose_batch(np.zeros(count), np.ones(count), fingerprints, 6)
    for number, pick in enumerate(picks):
        known = [each.row for each in picks[:number]]
        inner = covariance[np.ix_(known, known)] + NOISE * np.eye(number)
        left = 1 - covariance[pick.row, known] @ np.linalg.solve(inner, covariance[known, pick.row])
        assert pick.bound == pytest.approx(np.sqrt(left), abs=1e-9)
        if known:
            assert pick.similarity == pytest.approx(covariance[pick.row, known].max())
            assert covariance[pick.row, pick.like] == pick.similarity


def test_no_two_picks_are_for_the_same() -> None:
    """Of five families that promise the same, each gives one; without exploration the best as they are are picked."""
    mean = np.full(len(SMILES), 0.5)
    picks = choose_batch(mean, np.full(len(SMILES), 0.2), packed(), 5)
    assert sorted(pick.row // 3 for pick in picks) == [0, 1, 2, 3, 4]

    mean[[4, 5, 7]] = 0.7, 0.9, 0.8
    greedy = choose_batch(mean, np.full(len(SMILES), 0.2), packed(), 4, exploration=0)
    assert [pick.row for pick in greedy] == [5, 7, 4, 0]


def test_the_order_of_rows_changes_nothing() -> None:
    """The same molecules are picked, in the same order."""
    generator = np.random.default_rng(1)
    mean, spread, fingerprints = generator.random(len(SMILES)), generator.random(len(SMILES)), packed()
    order = generator.permutation(len(SMILES))
    first = [pick.row for pick in choose_batch(mean, spread, fingerprints, 8)]
    second = [int(order[pick.row]) for pick in choose_batch(mean[order], spread[order], fingerprints[order], 8)]
    assert first == second


def test_the_unit_changes_nothing() -> None:
    """A direction is worth the same in kcal and in kJ, upside down too, and on a scale of training."""
    measured, values, widths = np.linspace(-3, 5, 50), np.array([[-1.0], [4.0]]), np.array([[1.0], [2.0]])
    expected = desirability([wanted(REGRESSION, "higher", measured)], values, widths)
    in_kj = desirability([wanted(REGRESSION, "higher", 4.184 * measured)], 4.184 * values, 4.184 * widths)
    mirrored = desirability([wanted(REGRESSION, "lower", -measured)], -values, widths)
    decades = wanted(Target(task="regression", transform="log10"), "higher", 10.0**measured)
    for other in (in_kj, mirrored, desirability([decades], values, widths)):
        assert np.allclose(expected, other)


def wanted(target: Target, direction: str, measured: NDArray[np.float64]) -> Goal:
    """Return a goal that must be there."""
    goal = Goal.of(target, None, direction, measured)  # type: ignore[arg-type]
    assert goal is not None
    return goal


@pytest.mark.parametrize(
    ("direction", "measured"), [("none", [1.0, 2.0]), ("higher", []), ("lower", [2.0, 2.0])], ids=str
)
def test_nothing_is_wanted_where_nobody_says_what(direction: str, measured: list[float]) -> None:
    """Nor where a direction has no measure."""
    assert Goal.of(REGRESSION, None, direction, np.array(measured)) is None  # type: ignore[arg-type]


def test_a_better_one_counts_beyond_all_that_was_measured() -> None:
    """And below the worst all are worth nothing."""
    goal = wanted(REGRESSION, "higher", np.linspace(4, 8, 101))
    scores = goal.score(np.array([3.0, 8.0, 8.5, 9.0]))
    assert scores[0] == WORTHLESS
    assert scores[1] < scores[2] < scores[3] < 1


def test_a_direction_has_a_measure_where_nearly_all_values_are_the_same() -> None:
    """As at a limit of an assay: the common value has a desirability, and those near it have one near to that."""
    for direction, sign in (("higher", 1), ("lower", -1)):
        goal = wanted(REGRESSION, direction, sign * np.array([5.0] * 399 + [9.0]))
        scores = goal.score(sign * np.array([4.0, 5.0, 5.1, 9.0, 11.0]))
        assert np.all(np.isfinite(scores))
        assert scores[0] == scores[1] == WORTHLESS
        assert scores[1] < scores[2] < 0.1 < scores[3] < scores[4] == 1


def test_what_is_hopeless_in_one_respect_is_told_apart_by_the_others() -> None:
    """And worth less than what is fair in all."""
    goals = [Goal(REGRESSION, Desirable(low=5.0, margin=1.0)), Goal(REGRESSION, Desirable(low=2.0, margin=4.0))]
    mean, _ = desirability(goals, np.array([[0.0, 1.0], [0.0, 2.0], [4.5, 0.0]]), np.full((3, 2), 0.1))
    assert 0 < mean[0] < mean[1] < mean[2]


def test_fewer_candidates_than_asked_for_are_all_picked() -> None:
    """Each once; none of none."""
    assert sorted(pick.row for pick in choose_batch(np.zeros(15), np.zeros(15), packed(), 99)) == list(range(15))
    assert choose_batch(np.empty(0), np.empty(0), packed()[:0], 3) == []
