"""Databases that another version of Dagster or MLflow made: upgraded after a backup, and the way back."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.operations import schema_migration, schema_upgrade
from ai_drug_assets.settings import Settings
from model_zoo.errors import StoreError

DUMMY = "0" * 12


def stamp(path: Path, revision: str) -> None:
    """Write another revision into a database."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def revision(path: Path) -> str:
    """Read the revision of a database."""
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return an installation whose MLflow database is one revision behind, with its tables as they were then."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    monkeypatch.setenv("AIDRUG_GIT_SHA", "a" * 40)
    made = Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home"), "AIDRUG_BACKUP": str(tmp_path / "backups")})
    open_instance(made).dispose()
    assert made.mlflow_database is not None
    made.mlflow_database.parent.mkdir(parents=True)
    engine = sqlalchemy.create_engine(f"sqlite:///{made.mlflow_database}")
    Base.metadata.create_all(engine)
    config = _get_alembic_config(str(engine.url))  # type: ignore[no-untyped-call]
    before = schema_migration._ancestry("mlflow")[schema_migration._head("mlflow")]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, before or "")
    engine.dispose()
    return made


@pytest.mark.slow(sibling="test_a_failed_upgrade_leaves_everything_as_it_was")
@pytest.mark.timeout(600)
def test_an_older_schema_is_backed_up_upgraded_and_taken_back(settings: Settings) -> None:
    """MLflow's tables and Dagster's, by the next command on the installation; the state before returns whole."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.utils import _verify_schema
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    assert settings.mlflow_database is not None
    runs = settings.home / "dagster" / "history" / "runs.db"
    heads = {library: schema_migration._head(library) for library in ("dagster", "mlflow")}
    before = {settings.mlflow_database: revision(settings.mlflow_database), runs: "29b539ebc72a"}
    assert before[runs] == heads["dagster"]
    before[runs] = str(schema_migration._ancestry("dagster")[heads["dagster"]])
    stamp(runs, before[runs])
    address = f"sqlite:///{settings.mlflow_database}"
    with pytest.raises(MlflowException, match="out-of-date"):
        _verify_schema(sqlalchemy.create_engine(address))  # type: ignore[no-untyped-call]

    open_instance(settings).dispose()

    assert revision(settings.mlflow_database) == heads["mlflow"]
    assert revision(runs) == heads["dagster"]
    SqlAlchemyStore(address, str(settings.home)).create_experiment("made after the upgrade")  # type: ignore[no-untyped-call]
    assert not schema_migration.migrate(settings, print)
    schema_migration.forget(settings)  # the same revision, delivered once more: the way back stays

    schema_migration.undo(settings, print)

    assert {path: revision(path) for path in before} == before


def test_a_failed_upgrade_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    """The databases are those of before, and the message says what failed."""
    made, database = small(tmp_path, monkeypatch)
    stamp(database, str(schema_migration._ancestry("mlflow")[schema_migration._head("mlflow")]))
    before = revision(database)

    def breaks(settings: Settings, libraries: set[str]) -> None:
        stamp(database, "half way")
        raise StoreError("mlflow db upgrade: no space left on device")

    monkeypatch.setattr(schema_migration, "_upgrade", breaks)
    with pytest.raises(StoreError, match="everything is as before: mlflow db upgrade: no space left"):
        schema_migration.migrate(made, messages.append)

    assert revision(database) == before
    assert not (made.home / schema_upgrade.RECORD).exists()


def test_a_newer_schema_is_refused_with_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    """Only the version that wrote it, or a backup, helps. Where there is no database there is nothing to do."""
    made, database = small(tmp_path, monkeypatch)
    stamp(database, DUMMY)

    with pytest.raises(StoreError, match=f"does not know its schema {DUMMY}.*aidrug migrate --undo"):
        schema_migration.migrate(made, messages.append)
    assert revision(database) == DUMMY
    shutil.rmtree(made.home)
    assert not schema_migration.migrate(made, messages.append)
    assert not messages


def test_another_revision_that_changed_nothing_forgets_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    """A upgrades, B does not: going back from B to A restores nothing."""
    made, database = small(tmp_path, monkeypatch)
    stamp(database, str(schema_migration._ancestry("mlflow")[schema_migration._head("mlflow")]))
    monkeypatch.setattr(schema_migration, "_upgrade", lambda *_: stamp(database, schema_migration._head("mlflow")))
    assert schema_migration.migrate(made, messages.append)
    schema_migration.forget(made)
    assert (made.home / schema_upgrade.RECORD).exists()

    monkeypatch.setenv("AIDRUG_GIT_SHA", "b" * 40)
    schema_migration.forget(made)
    messages.clear()
    schema_migration.undo(made, messages.append)

    assert messages == ["no upgrade to undo"]
    assert revision(database) == schema_migration._head("mlflow")


def test_an_empty_place_of_backups_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    """A host that only trains gets `AIDRUG_BACKUP=`, and backs up before an upgrade on its own disk."""
    _, database = small(tmp_path, monkeypatch)
    made = Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home"), "AIDRUG_BACKUP": ""})
    stamp(database, str(schema_migration._ancestry("mlflow")[schema_migration._head("mlflow")]))
    monkeypatch.setattr(schema_migration, "_upgrade", lambda *_: stamp(database, schema_migration._head("mlflow")))

    assert schema_migration.migrate(made, messages.append)

    assert len(list((made.home / "backups" / "snapshots").iterdir())) == 1
    assert not (tmp_path / "backups").exists()


@pytest.fixture
def messages() -> list[str]:
    """Collect the messages."""
    return []


def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Path]:
    """Return an installation with a database that has nothing but its revision, the newest one."""
    monkeypatch.setenv("AIDRUG_GIT_SHA", "a" * 40)
    made = Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home"), "AIDRUG_BACKUP": str(tmp_path / "backups")})
    database = made.folder("mlflow") / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (schema_migration._head("mlflow"),))
    return made, database
