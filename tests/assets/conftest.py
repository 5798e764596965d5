"""Fixtures of projects: one that was never run, and one in which everything is made."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from sqlalchemy import Engine, event

from ai_drug_assets.assets import plots
from ai_drug_assets.settings import Settings
from tests.project_factory import Project, copied, little_judging, make_project

DRAWN = plots._picture


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


@pytest.fixture(scope="session", autouse=True)
def _files_without_waiting_for_the_disk() -> Iterator[None]:
    """Nor need other files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _installed_once() -> Iterator[None]:
    """Nothing is installed while tests run: a distribution's version is read once, not once per signature."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", functools.cache(importlib.metadata.version))
        yield


@pytest.fixture(scope="session", autouse=True)
def _small_forests(without_importances: None) -> None:
    """No test here is about the importances of a forest."""


@pytest.fixture(autouse=True)
def _small_judging() -> Iterator[None]:
    """Judge little: whole runs in `make test-slow` are judged with all of it."""
    with little_judging():
        yield


@pytest.fixture
def pictures(_small_judging: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw all the same: for tests of what is drawn."""
    monkeypatch.setattr(plots, "_picture", DRAWN)


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
def _once_made(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Iterator[Project]:
    """A project that was run once, with its instance: tests begin from copies of it."""
    made = make_project(tmp_path_factory.mktemp("made") / "project")
    shutil.copy(empty_mlflow, made.folder("mlflow") / "mlflow.db")
    with DagsterInstance.ephemeral() as instance:
        project = Project(made, instance)
        with little_judging():
            report = project.run()
        assert not report.failed, report.failed
        yield project


@pytest.fixture
def made(tmp_path: Path, _once_made: Project) -> Iterator[Project]:
    """A copy of a project in which everything is made and nothing is stale."""
    with copied(_once_made, tmp_path / "project") as project:
        yield project
