"""The thread that writes the live record: everything noted is written, and it is never in the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_zoo.bundles.reader import load_bundle
from model_zoo.inference.answers import Estimate, Estimates, Fault
from model_zoo.monitoring.molecule_hasher import MoleculeHasher
from model_zoo.monitoring.prediction_log import FILE, PredictionLog
from serving.champions.champion_registry import Champion
from serving.inference import prediction_logger as module
from serving.inference.prediction_logger import Note, PredictionLogger
from tests.bundle_factory import write

SOLUBILITY = "solubility_logs"


@pytest.fixture
def champions(tmp_path: Path) -> dict[str, Champion]:
    """Return a loaded champion."""
    write(tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    return {SOLUBILITY: Champion(bundle)}


def note(champions: dict[str, Champion], smiles: str = "CCO") -> Note:
    """Return a note of one answered molecule and one bad one."""
    estimate = Estimate(smiles, -1.0, -1.8, -0.2, 0.2, inside=False)
    return Note([Estimates({SOLUBILITY: estimate}), Fault("invalid-smiles", "no")], champions)


def wait(condition: Callable[[], bool]) -> None:
    """Wait for the thread."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not happen within ten seconds"
        time.sleep(0.02)


def test_what_is_noted_is_written_by_the_end(tmp_path: Path, champions: dict[str, Champion]) -> None:
    """Stopping writes what waits; structures are named by a keyed digest, bad molecules leave no row."""
    prediction_logger = PredictionLogger(tmp_path / "live")
    prediction_logger.start()
    prediction_logger.note(note(champions))
    prediction_logger.note(note(champions, "CCN"))
    prediction_logger.stop()

    rows = list(PredictionLog(tmp_path / "live").predictions(SOLUBILITY))
    assert [row.molecule for row in rows] == [MoleculeHasher.of(tmp_path / "live")(smiles) for smiles in ("CCO", "CCN")]
    assert {row.smiles for row in rows} == {None}
    assert [(row.value, row.lower, row.upper, row.inside, row.answered) for row in rows] == [
        (-1.0, -1.8, -0.2, False, True)
    ] * 2
    assert (prediction_logger.written, prediction_logger.dropped, prediction_logger.error) == (2, 0, None)
    assert b"CCN" not in (tmp_path / "live" / FILE).read_bytes()


def test_structures_are_kept_only_when_allowed(tmp_path: Path, champions: dict[str, Champion]) -> None:
    """With the setting, the row holds the SMILES."""
    prediction_logger = PredictionLogger(tmp_path / "live", keep_smiles=True)
    prediction_logger.start()
    prediction_logger.note(note(champions))
    prediction_logger.stop()
    assert [row.smiles for row in PredictionLog(tmp_path / "live").predictions(SOLUBILITY)] == ["CCO"]


def test_notes_wait_while_the_file_cannot_be_written(
    tmp_path: Path, champions: dict[str, Champion], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault that passes costs no row, and is logged once."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.02)
    folder = tmp_path / "live"
    folder.write_text("a file where the folder should be")
    prediction_logger = PredictionLogger(folder)
    prediction_logger.start()
    prediction_logger.note(note(champions))
    wait(lambda: prediction_logger.error is not None)
    folder.unlink()
    wait(lambda: prediction_logger.written == 1)
    prediction_logger.stop()
    assert prediction_logger.error is None
    assert len(caplog.records) == 1
    assert len(list(PredictionLog(folder).predictions(SOLUBILITY))) == 1


def test_past_the_bound_notes_are_dropped_and_counted(tmp_path: Path, champions: dict[str, Champion]) -> None:
    """Memory stays bounded when nothing can be written."""
    prediction_logger = PredictionLogger(tmp_path / "live", most_waiting=2)
    for _ in range(5):
        prediction_logger.note(note(champions))
    assert prediction_logger.dropped == 3
