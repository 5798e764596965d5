"""The record of predictions and measured values: what goes in comes out, several writers, a broken file."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from model_zoo.errors import StoreError
from model_zoo.monitoring.molecule_hasher import KEY_FILE, MoleculeHasher
from model_zoo.monitoring.prediction_log import FILE, MeasurementRow, PredictionLog, PredictionRow


def prediction(number: int = 0, *, at: float = 1.0, endpoint: str = "solubility_logs") -> PredictionRow:
    """Return a prediction of one molecule."""
    return PredictionRow(
        at, bytes([number]) * 16, None, endpoint, "rf-1", "champion", True, -1.5, -2.0, -1.0, 0.4, False
    )


def test_what_goes_in_comes_out_oldest_first(tmp_path: Path) -> None:
    """What goes in comes out oldest first."""
    record = PredictionLog(tmp_path)
    late, early = prediction(1, at=9.0), prediction(2, at=3.0)
    record.append([late, early, prediction(3, endpoint="bbb_permeability")])
    assert list(record.predictions("solubility_logs")) == [early, late]
    assert list(record.predictions("solubility_logs", since=5.0)) == [late]


def test_nothing_recorded_reads_as_nothing_and_makes_no_file(tmp_path: Path) -> None:
    """Nothing recorded reads as nothing and makes no file."""
    record = PredictionLog(tmp_path)
    assert list(record.predictions("x")) == []
    assert record.measurements("x") == []
    assert not (tmp_path / FILE).exists()


def test_a_measurement_sent_again_under_its_name_is_corrected(tmp_path: Path) -> None:
    """A measurement sent again under its name is corrected."""
    record = PredictionLog(tmp_path)
    first = MeasurementRow(1.0, b"m" * 16, None, "e", -1.0, "lab", "plate 1 well A1")
    record.measure([first, MeasurementRow(2.0, b"n" * 16, None, "e", 0.5)])
    corrected = MeasurementRow(3.0, b"m" * 16, None, "e", -2.0, "lab", "plate 1 well A1")
    record.measure([corrected, MeasurementRow(4.0, b"n" * 16, None, "e", 0.5)])
    assert [row.value for row in record.measurements("e")] == [0.5, -2.0, 0.5]


def test_pruning_keeps_the_predictions_of_measured_molecules(tmp_path: Path) -> None:
    """Pruning keeps the predictions of measured molecules."""
    record = PredictionLog(tmp_path)
    record.append([prediction(1, at=1.0), prediction(2, at=1.0), prediction(3, at=10.0)])
    record.measure([MeasurementRow(5.0, bytes([2]) * 16, None, "solubility_logs", -1.0)])
    assert record.prune(before=5.0) == 1
    assert [row.molecule[0] for row in record.predictions("solubility_logs")] == [2, 3]


def _write(folder: Path, worker: int) -> None:
    record = PredictionLog(folder)
    for number in range(50):
        record.append([prediction(worker, at=float(number))] * 4)


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    """Several processes write at once and nothing is lost."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(list(PredictionLog(tmp_path).predictions("solubility_logs"))) == 3 * 50 * 4


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    """A damaged file is a clear error."""
    (tmp_path / FILE).write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="live record cannot be written"):
        PredictionLog(tmp_path).append([prediction()])
    with pytest.raises(StoreError, match="live record cannot be"):
        list(PredictionLog(tmp_path).predictions("x"))


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The key is made once and only its owner reads it."""
    name = MoleculeHasher.of(tmp_path)("CCO")
    assert MoleculeHasher.of(tmp_path)("CCO") == name
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / KEY_FILE]
    assert MoleculeHasher.of(tmp_path / "other")("CCO") != name


def test_a_broken_key_is_refused(tmp_path: Path) -> None:
    """A broken key is refused."""
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(StoreError, match="expected 32 bytes, got 5"):
        MoleculeHasher.of(tmp_path)


def test_one_caller_does_not_correct_another(tmp_path: Path) -> None:
    """A name is the sender's own: the same one of another key is another measurement."""
    record = PredictionLog(tmp_path)
    for caller, value in (("key-a", -1.0), ("key-b", -2.0), ("key-a", -1.5), ("", 7.0)):
        record.measure([MeasurementRow(1.0, b"m" * 16, None, "e", value, "lab", "A1", caller, "pIC50")])

    assert sorted((row.caller, row.value, row.unit) for row in record.measurements("e")) == [
        ("", 7.0, "pIC50"),
        ("key-a", -1.5, "pIC50"),
        ("key-b", -2.0, "pIC50"),
    ]


def test_a_record_from_before_callers_is_brought_up_to_date(tmp_path: Path) -> None:
    """Nothing of it is lost, and from then on names belong to callers."""
    with closing(sqlite3.connect(tmp_path / FILE)) as old:
        old.execute(
            "CREATE TABLE measurements (id INTEGER PRIMARY KEY, received REAL NOT NULL, molecule BLOB NOT NULL, smiles"
            " TEXT, endpoint TEXT NOT NULL, value REAL NOT NULL, source TEXT NOT NULL, name TEXT,"
            " UNIQUE (endpoint, name))"
        )
        old.execute("CREATE INDEX measurements_by_molecule ON measurements (endpoint, molecule)")
        old.execute("INSERT INTO measurements VALUES (7, 1.0, x'00', 'CCO', 'e', -3.0, 'lab', 'A1')")
        old.commit()
    for turn in range(2):
        record = PredictionLog(tmp_path)
        record.measure([MeasurementRow(2.0, b"m" * 16, None, "e", float(turn), "lab", "A1", "key")])
        record.close()

    kept = PredictionLog(tmp_path).measurements("e")
    assert [(row.value, row.name, row.caller) for row in kept] == [(-3.0, "A1", ""), (1.0, "A1", "key")]


def test_a_record_from_before_bounds_is_brought_up_to_date(tmp_path: Path) -> None:
    """Everything in it was measured; bounds can be added."""
    record = PredictionLog(tmp_path)
    record.measure([MeasurementRow(1.0, b"m" * 16, None, "e", -3.0)])
    record.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as old:
        old.execute("ALTER TABLE measurements DROP COLUMN relation")
        old.commit()
    record = PredictionLog(tmp_path)
    record.measure([MeasurementRow(2.0, b"n" * 16, None, "e", 5.0, relation="<")])

    assert [(row.value, row.relation) for row in record.measurements("e")] == [(-3.0, "="), (5.0, "<")]


def test_what_is_sent_again_unchanged_keeps_its_place(tmp_path: Path) -> None:
    """The same file sent twice changes nothing but structures that are kept now; a correction has a new time."""
    record = PredictionLog(tmp_path)
    rows = [MeasurementRow(float(number), bytes([number]) * 16, None, "e", 0.5, "", f"{number}") for number in range(3)]
    record.measure(rows)
    before = record.state()
    record.measure([replace(row, received=9.0, smiles="C") for row in rows])
    assert record.state() == before
    assert [(row.received, row.smiles) for row in record.measurements("e")] == [(0.0, "C"), (1.0, "C"), (2.0, "C")]
    for change in ({"value": 0.6}, {"relation": "<"}, {"molecule": b"z" * 16}, {"unit": "u"}):
        before = record.state()
        rows[0] = replace(rows[0], received=rows[0].received + 10.0, **change)
        record.measure(rows[:1])
        assert record.state() != before
        assert record.measurements("e")[-1] == rows[0]


def test_a_molecule_that_a_challenger_answered_was_asked_for_once(tmp_path: Path) -> None:
    """In a split the champion is asked, too: the hour counts answers, not predictions."""
    record = PredictionLog(tmp_path)
    record.append([prediction(1), replace(prediction(1), role="challenger", version="b"), prediction(2)])
    assert record.use_by_hour(0.0) == {"solubility_logs": {0: (2, 0)}}
