"""Fixtures of projects: one that was never run, and one in which everything is made."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from sqlalchemy import Engine, event

from ai_drug_assets.settings import Settings
from tests.project_factory import Project, make_project, project_settings


@event.listens_for(Engine, "connect")
def _without_waiting_for_the_disk(connection: Any, _: Any) -> None:
    """No test here cuts the power: SQLite need not wait until the disk has really written."""
    if isinstance(connection, sqlite3.Connection):  # this listens for the whole session, and other tests use Postgres
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a run writes into the environment of its process ends with the test, and the developer's own stays out."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with tables and nothing in them: making one takes seconds, copying it nothing."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    from mlflow.tracking import MlflowClient

    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def settings(tmp_path: Path, empty_mlflow: Path) -> Settings:
    """Settings of a fresh project that was never run."""
    made = make_project(tmp_path / "project")
    shutil.copy(empty_mlflow, made.folder("mlflow") / "mlflow.db")
    return made


@pytest.fixture
def project(settings: Settings) -> Iterator[Project]:
    """A fresh project that was never run, with an instance in memory."""
    with DagsterInstance.ephemeral() as instance:
        yield Project(settings, instance)


@pytest.fixture(scope="session")
def _once_made(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Path:
    """A folder with a project that was run once and its instance: tests begin from copies of it."""
    folder = tmp_path_factory.mktemp("made")
    made = make_project(folder / "project")
    shutil.copy(empty_mlflow, made.folder("mlflow") / "mlflow.db")
    (folder / "instance").mkdir()
    with DagsterInstance.local_temp(str(folder / "instance")) as instance:
        report = Project(made, instance).run()
    assert not report.failed, report.failed
    return folder


@pytest.fixture
def made(tmp_path: Path, _once_made: Path) -> Iterator[Project]:
    """A project in which everything is made and nothing is stale.

    Its instance is a copied SQLite file: an instance in memory cannot be copied, and making everything again for
    each test would take most of the tests' time.
    """
    shutil.copytree(_once_made, tmp_path, dirs_exist_ok=True)
    with DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        yield Project(project_settings(tmp_path / "project"), instance)
