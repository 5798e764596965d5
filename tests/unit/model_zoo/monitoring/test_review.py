"""What the record says of a model: joins, accuracy, drift, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from model_zoo.data.targets import Task
from model_zoo.monitoring.prediction_log import MeasurementRow, PredictionRow
from model_zoo.monitoring.review import FEWEST, WEEK_SECONDS, Review, population_stability, review

DAY = 86_400.0


def name(number: int) -> bytes:
    """Return a molecule a name."""
    return number.to_bytes(16, "big")


def predicted(
    values: Iterable[float], *, version: str = "champ", at: float = DAY, similarity: float = 0.5, half: float = 1.0
) -> list[PredictionRow]:
    """Return one prediction per value, of molecules 0, 1, 2..."""
    return [
        PredictionRow(
            at, name(i), None, "e", version, "champion", True, v, v - half, v + half, similarity, similarity > 0.3
        )
        for i, v in enumerate(values)
    ]


def measured(values: Sequence[float], *, received: float = 2 * DAY) -> list[MeasurementRow]:
    """Return one measured value per molecule 0, 1, 2..."""
    return [MeasurementRow(received, name(i), None, "e", v) for i, v in enumerate(values)]


def look(
    predictions: list[PredictionRow],
    measurements: Sequence[MeasurementRow] = (),
    task: Task = "regression",
    challenger: str | None = None,
) -> Review:
    """Review the champion `champ`."""
    return review("e", task, "champ", predictions, measurements, challenger)


def test_loss_and_coverage_of_measured_molecules() -> None:
    """Loss and coverage of measured molecules."""
    made = look(predicted([0.0, 1.0, 2.0, 3.0]), measured([0.5, 1.0, 4.0]))
    assert made.accuracy.molecules == 3
    assert made.accuracy.loss == pytest.approx((0.5 + 0 + 2) / 3)
    assert made.accuracy.coverage == pytest.approx(2 / 3)


def test_molecules_that_the_model_may_have_learnt_from_are_counted_apart() -> None:
    """Molecules that the model may have learnt from are counted apart."""
    made = look(predicted([0.0, 1.0], similarity=1.0), measured([9.0, 9.0]))
    assert (made.accuracy.molecules, made.accuracy.seen, made.accuracy.loss) == (0, 2, None)


def test_repeated_measurements_count_as_one_molecule_by_their_median() -> None:
    """Repeated measurements count as one molecule by their median."""
    made = look(predicted([0.0]), [*measured([1.0]), *measured([2.0]), *measured([30.0])])
    assert (made.accuracy.molecules, made.accuracy.loss) == (1, 2.0)


def test_bounds_say_nothing_of_accuracy() -> None:
    """Where only a bound is known, no loss and no coverage is reported."""
    bounds = [replace(row, relation=sign) for row, sign in zip(measured([9.0, 1.0, 9.0]), "<=>", strict=True)]
    made = look(predicted([0.0, 1.0, 2.0]), bounds)
    assert (made.accuracy.molecules, made.accuracy.loss, made.accuracy.coverage) == (1, 0.0, 1.0)


def test_the_latest_prediction_of_a_molecule_counts() -> None:
    """The latest prediction of a molecule counts."""
    made = look([*predicted([5.0], at=1.0), *predicted([1.0], at=2.0)], measured([1.0]))
    assert (made.predictions, made.molecules, made.accuracy.loss) == (2, 1, 0.0)


def test_other_versions_do_not_count() -> None:
    """Other versions do not count."""
    made = look(predicted([5.0], version="old"), measured([1.0]))
    assert (made.predictions, made.accuracy.molecules) == (0, 0)
    assert made.weeks == ()


def test_binary_loss_is_the_brier_score_and_has_no_coverage() -> None:
    """Binary loss is the brier score and has no coverage."""
    rows = [
        PredictionRow(1.0, name(i), None, "e", "champ", "champion", True, p, None, None, 0.5, True)
        for i, p in enumerate((0.9, 0.2))
    ]
    made = look(rows, measured([1.0, 0.0]), "binary")
    assert made.metric == "brier"
    assert made.accuracy.loss == pytest.approx((0.01 + 0.04) / 2)
    assert made.accuracy.coverage is None


def test_weeks_tell_use_and_loss_over_time() -> None:
    """Weeks tell use and loss over time."""
    rows = [*predicted([0.0, 0.0], at=DAY), *predicted([0.0], at=DAY + WEEK_SECONDS, similarity=0.1)]
    made = look(rows, measured([1.0, 3.0], received=DAY + WEEK_SECONDS))
    assert [(week.predictions, week.outside, week.measured, week.loss) for week in made.weeks] == [
        (2, 0.0, 0, None),
        (1, 1.0, 2, 2.0),
    ]
    assert made.outside == 1.0


def test_a_shift_of_predictions_is_drift_and_too_few_say_nothing() -> None:
    """A shift of predictions is drift and too few say nothing."""
    rng = np.random.default_rng(1)
    before = predicted(rng.normal(0, 1, 300), at=DAY)
    calm = look([*before, *predicted(rng.normal(0, 1, 300), at=DAY + 2 * WEEK_SECONDS)]).drift
    shifted = look([*before, *predicted(rng.normal(2, 1, 300), at=DAY + 2 * WEEK_SECONDS)]).drift
    assert calm is not None
    assert calm < 0.1
    assert shifted is not None
    assert shifted > 0.25
    assert look([*before, *predicted([1.0] * (FEWEST - 1), at=DAY + 2 * WEEK_SECONDS)]).drift is None


def test_equal_values_are_no_drift() -> None:
    """Equal values are no drift."""
    same = np.full(50, 0.3)
    assert population_stability(same, same) == 0.0


@pytest.mark.parametrize(
    ("champion_error", "challenger_error", "outcome"),
    [(1.0, 0.2, "challenger better"), (0.2, 1.0, "champion better"), (0.5, 0.5, "undecided")],
)
def test_the_verdict_needs_an_interval_clear_of_zero(
    champion_error: float, challenger_error: float, outcome: str
) -> None:
    """The verdict needs an interval clear of zero."""
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 2, 120)
    rows = [
        *predicted(truth + rng.normal(0, champion_error, 120)),
        *predicted(truth + rng.normal(0, challenger_error, 120), version="new"),
    ]
    verdict = look(rows, measured(list(truth)), challenger="new").verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.molecules) == (outcome, 120)


def test_few_molecules_give_no_verdict_however_clear() -> None:
    """Few molecules give no verdict however clear."""
    n = FEWEST - 1
    rows = [*predicted([5.0] * n), *predicted([0.0] * n, version="new")]
    verdict = look(rows, measured([0.0] * n), challenger="new").verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.gain) == ("too few", 5.0)


def test_use_is_that_of_molecules_that_people_ask_for() -> None:
    """A molecule that is asked for every minute counts once, and one that was predicted when its value came not."""
    rng = np.random.default_rng(2)
    before, now = (predicted(rng.normal(0, 1, 300), at=at) for at in (DAY, DAY + 2 * WEEK_SECONDS))
    probe = [replace(now[0], value=5.0, inside=False)] * 3000
    reported = [
        replace(row, answered=False, value=9.0, inside=False, molecule=name(900 + place))
        for place, row in enumerate(now)
    ]
    calm, made = look([*before, *now]), look([*before, *now, *probe, *reported])
    assert calm.drift is not None
    assert made.drift == pytest.approx(calm.drift, abs=0.02)
    assert made.outside == pytest.approx(1 / 300)
    assert (made.predictions, made.molecules, made.latest) == (3600, 300, 300)


def test_the_latest_week_is_seven_days_and_not_what_the_calendar_began() -> None:
    """On the night after a week began, what was predicted the day before counts."""
    old = predicted([0.0] * 40, at=WEEK_SECONDS - 60.0, similarity=0.1)
    made = look([*old, *predicted([0.0], at=WEEK_SECONDS + 60.0)], measured([1.0], received=3 * WEEK_SECONDS))
    assert made.latest == 40
    assert made.outside == pytest.approx(39 / 40)


def test_an_interval_that_followed_a_value_does_not_cover_it() -> None:
    """What was predicted before the value came counts; what came after, only where there is nothing else."""
    narrow, wide = predicted([0.0, 0.0], at=DAY, half=0.5), predicted([0.0, 0.0, 0.0], at=3 * DAY, half=3.0)
    made = look([*narrow, *wide], measured([2.0, 2.0, 2.0], received=2 * DAY))
    assert made.accuracy.coverage == pytest.approx(1 / 3)


def test_as_many_0_as_1_are_no_class() -> None:
    """A molecule whose replicates contradict is left out, as it is of training data."""
    rows = [replace(row, lower=None, upper=None) for row in predicted([0.5, 0.9])]
    values = [*measured([1.0, 1.0]), *measured([0.0])]
    made = look(rows, values, "binary")
    assert made.accuracy.molecules == 1
    assert made.accuracy.loss == pytest.approx(0.01)
