"""Intervals follow the measured values that come back: to 90 %, and nowhere where they held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_zoo.data.targets import Target
from model_zoo.monitoring.calibration_rows import Decision, PredictedInterval
from model_zoo.monitoring.prediction_log import MeasurementRow, PredictionLog, PredictionRow
from model_zoo.monitoring.recalibration import FEW_ALIKE, NARROWEST, SMALLEST_STEP, WIDEST, Recalibration, recalibrate
from model_zoo.monitoring.review import FEWEST

TARGET = Target(task="regression")
HALF = math.log(10.0)
"""Of an error that is spread as Laplace's law with scale 1, nine of ten are smaller."""


def name(number: int) -> bytes:
    """Name a molecule."""
    return number.to_bytes(16, "big")


def predicted(count: int, *, similarity: float = 0.5) -> dict[bytes, PredictedInterval]:
    """Return what a version said of some molecules: zero, plus or minus what is right for nine of ten."""
    return {name(number): PredictedInterval(0.0, HALF, similarity) for number in range(count)}


def came(errors: Sequence[float], caller: str = "", start: int = 0) -> list[MeasurementRow]:
    """Return a value of each molecule, one after another."""
    return [
        MeasurementRow(1000.0 + start + place, name(start + place), None, "e", float(error), caller=caller, unit="u")
        for place, error in enumerate(errors)
    ]


def drawn(count: int, scale: float, seed: int) -> list[float]:
    """Draw errors of Laplace's law."""
    errors: list[float] = np.random.default_rng(seed).laplace(0.0, scale, count).tolist()
    return errors


def followed(errors: Sequence[float]) -> Recalibration:
    """Follow one value per molecule."""
    return recalibrate(TARGET, "u", predicted(len(errors)), came(errors))


def coverage(factor: float, scale: float) -> float:
    """Return how many new errors of a scale lie inside."""
    return 1 - math.exp(-factor * HALF / scale)


@pytest.mark.parametrize("scale", [1.7, 2.5])
def test_coverage_comes_back_after_a_shift(scale: float) -> None:
    """Where errors grew, intervals hold for 87 to 93 % again after 150 values, on average over streams."""
    held = [coverage(followed(drawn(150, scale, seed)).factor, scale) for seed in range(40)]

    assert coverage(1.0, scale) < 0.75
    assert 0.87 < np.mean(held) < 0.93
    assert np.std(held) < 0.04


def test_without_a_shift_the_width_stays() -> None:
    """Where nothing changed, the factor stays near 1: by less than a seventh in two of three streams."""
    factors = np.array([followed(drawn(150, 1.0, seed)).factor for seed in range(60)])

    assert abs(np.log(factors).mean()) < 0.04
    assert np.mean(np.abs(np.log(factors)) < 1 / 7) > 0.66


def test_the_share_that_lies_outside_is_kept_for_any_stream() -> None:
    """The guarantee takes no assumption: errors that come in waves, and that grow, stay within the bound."""
    generator = np.random.default_rng(0)
    waves = np.abs(generator.laplace(0, 1, 1200)) * (1 + 0.5 * np.sin(np.arange(1200) / 90))
    for errors in (waves, waves * np.linspace(0.9, 2.5, 1200)):
        found = followed(errors.tolist())
        assert found.online is not None
        assert abs(found.online - 0.9) <= 2 * math.log(WIDEST / NARROWEST) / (SMALLEST_STEP * len(errors))
        assert abs(found.online - 0.9) < 0.03
    shrinking = followed(np.sort(waves)[::-1].tolist())
    assert shrinking.factor == NARROWEST  # at its bound intervals hold for more, never for less
    assert shrinking.online is not None
    assert shrinking.online > 0.9


def test_too_few_values_change_nothing() -> None:
    """Below the least count they are reported and not applied."""
    few, enough = followed([9.0] * (FEWEST - 1)), followed(drawn(FEWEST, 3.0, 1))

    assert (few.factor, few.name) == (1.0, "bundle")
    assert enough.factor > 1
    assert enough.name.startswith(f"returned-{FEWEST}-")


def test_one_molecule_has_one_voice_however_often_it_is_sent() -> None:
    """A thousand values of one molecule count once, by the median of its senders' medians."""
    rows = came(drawn(40, 1.0, 3))
    flood = [replace(rows[0], value=50.0 + number / 1e3, received=5000.0 + number) for number in range(1000)]
    before, after = (
        recalibrate(TARGET, "u", predicted(40), rows),
        recalibrate(TARGET, "u", predicted(40), [*rows, *flood]),
    )

    assert after.values == before.values == 40
    others = [replace(row, caller=who, value=rows[0].value) for row in flood[:1] for who in ("b", "c")]
    assert recalibrate(TARGET, "u", predicted(40), [*rows, *flood, *others]).factor == before.factor


def test_a_flood_of_the_same_number_is_left_out() -> None:
    """A default that a robot sends for every molecule is not a measurement."""
    found = recalibrate(
        TARGET, "u", predicted(400), [*came(drawn(100, 1.0, 4)), *came([99.0] * 300, "robot", start=100)]
    )

    assert found.left_out == {"the same number too often": 285}
    assert found.factor < 1.8
    assert found.callers == {"": 100, "robot": 15}


def test_how_wrong_a_value_is_changes_nothing() -> None:
    """A value in another unit, a million times too large, counts as one that is outside."""
    errors = drawn(60, 1.0, 5)
    outside = [place for place, error in enumerate(errors) if abs(error) > 1.3 * HALF]
    wild = [error * 1e6 if place in outside else error for place, error in enumerate(errors)]

    assert outside
    assert followed(wild).factor == followed(errors).factor


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"relation": ">"}, "a bound"),
        ({"relation": "<"}, "a bound"),
        ({"unit": "nM"}, "another unit"),
        ({"molecule": name(999)}, "not predicted by this version"),
        ({"value": math.inf}, "no place on the scale"),
        ({"received": 10.0}, "before the restart"),
        ({"caller": "gone"}, "a caller that was left out"),
    ],
)
def test_what_says_nothing_of_this_version_does_not_count(change: dict[str, object], why: str) -> None:
    """Each such value is reported with its reason."""
    rows = came(drawn(40, 1.0, 6))
    decision = Decision(since=500.0, without=("gone",))
    found = recalibrate(TARGET, "u", predicted(40), [replace(rows[0], **change), *rows[1:]], decision)  # type: ignore[arg-type]

    assert found.left_out == {why: 1}
    assert found.values == 39


def test_what_the_model_may_have_learnt_does_not_count() -> None:
    """A molecule like a training molecule says nothing about new ones."""
    assert recalibrate(TARGET, "u", predicted(40, similarity=1.0), came(drawn(40, 9.0, 7))).left_out == {
        "like a training molecule": 40
    }


def test_a_decision_takes_effect_and_can_be_taken_back() -> None:
    """Switched off, the model's own intervals hold; on again, all is as it was, for nothing was deleted."""
    rows, intervals = came(drawn(80, 2.5, 8)), predicted(80)
    on, off = (
        recalibrate(TARGET, "u", intervals, rows),
        recalibrate(TARGET, "u", intervals, rows, Decision(active=False)),
    )

    assert on.factor > 1.2
    assert (off.factor, off.name, off.values) == (1.0, "bundle", 80)
    assert recalibrate(TARGET, "u", intervals, rows, Decision()) == on


def test_the_record_alone_decides_in_whatever_order_it_is_read() -> None:
    """Every reader of the same rows comes to the same factor under the same name."""
    rows = came(drawn(90, 2.0, 9))
    shuffled = [rows[place] for place in np.random.default_rng(1).permutation(90)]

    assert recalibrate(TARGET, "u", predicted(90), rows) == recalibrate(TARGET, "u", predicted(90), shuffled)


def test_one_batch_is_one_batch_however_its_rows_are_sorted() -> None:
    """Values that came in the same moment, sorted by value or by name, lead to the same factor under the same name."""
    rows = [replace(row, received=1000.0) for row in came(drawn(90, 2.0, 9))]
    by_value = sorted(rows, key=lambda row: row.value)

    assert recalibrate(TARGET, "u", predicted(90), rows) == recalibrate(TARGET, "u", predicted(90), by_value)
    assert recalibrate(TARGET, "u", predicted(90), rows + rows[:40]).values == 90


@pytest.mark.parametrize("salt", [0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D])
def test_one_batch_is_one_batch_whatever_key_named_its_molecules(salt: int) -> None:
    """The names of molecules change with the installation's key; the factor and its name do not, a flood or not."""
    errors = [*drawn(60, 2.5, 3), *[3.0] * (FEW_ALIKE + 20)]
    said = {name(number): PredictedInterval(number / 100, HALF, 0.5) for number in range(len(errors))}
    rows = [replace(row, received=1000.0) for row in came(errors)]

    def other(molecule: bytes) -> bytes:
        return name(int.from_bytes(molecule, "big") * salt % 2**32)

    there = {other(molecule): interval for molecule, interval in said.items()}
    moved = [replace(row, molecule=other(row.molecule)) for row in rows]

    here = recalibrate(TARGET, "u", said, rows)
    assert here == recalibrate(TARGET, "u", there, moved)
    assert here == recalibrate(TARGET, "u", there, sorted(moved, key=lambda row: row.molecule))
    assert here.left_out == {"the same number too often": 20}


def test_a_laboratory_that_measures_higher_is_covered_after_its_values_came_back() -> None:
    """An offset of a whole half width leaves half of the values outside; of later ones nine of ten are inside again."""
    held = []
    for seed in range(20):
        errors = [each + HALF for each in drawn(400, 1.0, seed)]
        factor = followed(errors[:150]).factor
        held.append(np.mean([abs(each) <= factor * HALF for each in errors[150:]]))
        assert np.mean([abs(each) <= HALF for each in errors]) < 0.6
    assert 0.86 < np.mean(held) < 0.94


def test_a_unit_changes_nothing() -> None:
    """The same errors on a scale a thousand times as large lead to the same factor."""
    errors = drawn(70, 1.8, 10)
    intervals = {molecule: replace(row, half_width=row.half_width * 1000) for molecule, row in predicted(70).items()}

    assert (
        recalibrate(TARGET, "u", intervals, came([1000 * error for error in errors])).factor == followed(errors).factor
    )


def test_a_record_of_an_earlier_version_is_read_and_written(tmp_path: Path) -> None:
    """Rows that know no half width say nothing of intervals; new ones beside them do."""
    import sqlite3

    row = PredictionRow(1.0, name(1), None, "e", "v", "champion", True, 0.0, -1.0, 1.0, 0.5, True)
    log = PredictionLog(tmp_path)
    log.append([row])
    log.close()
    with sqlite3.connect(tmp_path / "live.db") as connection:
        for column in ("raw", "half_width"):
            connection.execute(f"ALTER TABLE predictions DROP COLUMN {column}")
        connection.execute("DROP TABLE decisions")
    log.measure([MeasurementRow(2.0, name(number), None, "e", 0.1, name=str(number)) for number in (1, 2)])
    log.append([replace(row, molecule=name(2), raw=0.0, half_width=1.0)])

    assert log.predicted_intervals("e", "v") == {name(2): PredictedInterval(0.0, 1.0, 0.5)}
    assert [each.half_width for each in log.predictions("e")] == [None, 1.0]
    before = log.state()
    assert log.withdraw("e", "", ["2", "never"]) == ["2"]
    assert log.state() != before
    log.decide("e", Decision(active=False, since=3.0, without=("a",)), "admin", 4.0)
    assert log.decision("e") == Decision(active=False, since=3.0, without=("a",))
    log.close()


def test_one_molecule_may_have_the_same_number_often() -> None:
    """A standard that is measured in every run hides neither its own values nor another molecule's."""
    rows = came(drawn(40, 1.0, 7))
    standard = [replace(rows[0], value=value, received=2000.0 + run) for run in range(14) for value in (5.0,)]
    others = [replace(rows[0], value=0.1 + run / 100, received=3000.0 + run) for run in range(12)]
    found = recalibrate(TARGET, "u", predicted(41), [*rows, *standard, *others, *came([5.0], start=40)])
    assert (found.values, found.left_out) == (41, {})
