"""A database that is locked for as long as a backup takes costs nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, text

from ai_drug_assets.storage.sqlite import PATIENCE_S, be_patient


def test_every_connection_waits_for_locks(tmp_path: Path) -> None:
    """Dagster's and MLflow's connections too, which wait for five seconds by themselves: a backup takes a minute.

    MLflow asks for 20 seconds in each session.
    """
    be_patient()
    engine = create_engine(f"sqlite:///{tmp_path / 'some.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 1000 * PATIENCE_S
        connection.execute(text("PRAGMA busy_timeout = 20000;"))
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 1000 * PATIENCE_S
    engine.dispose()
    assert PATIENCE_S >= 90
    with closing(sqlite3.connect(tmp_path / "some.db")) as plain:
        assert plain.execute("PRAGMA busy_timeout").fetchone() == (5000,)
