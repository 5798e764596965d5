"""`aidrug migrate`: bring the databases of Dagster and MLflow to the schema of the versions that are installed.

Neither library upgrades by itself: it refuses to start. `aidrug run` and `aidrug up` do this before they open anything,
a delivery before it starts the new MLflow. A library that meets a *newer* schema cannot help itself either: going back
restores the backup that was taken before the upgrade.
"""

from __future__ import annotations

import ast
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from model_zoo.errors import StoreError
from model_zoo.io.files import atomic_write

from ai_drug_assets.operations import backup
from ai_drug_assets.operations.schema_upgrade import RECORD, Upgrade, last_upgrade
from ai_drug_assets.revision import checkout_sha
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.sqlite import require_sound

SCRIPTS = {"dagster": "_core/storage/alembic", "mlflow": "store/db_migrations"}
"""Folder inside each library with its migrations."""
DAGSTER = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


@dataclass(frozen=True)
class Schema:
    """The schema of one database."""

    path: Path
    library: str
    """`dagster` or `mlflow`."""
    found: str
    head: str
    """`found` and `head`: its revision, and the one that the installed library wants."""

    @property
    def fits(self) -> bool:
        """Whether the library takes it as it is."""
        return self.found == self.head

    @property
    def is_newer(self) -> bool:
        """Whether the library has never heard of its revision."""
        return self.found not in _ancestry(self.library)


def migrate(settings: Settings, say: backup.Say) -> bool:
    """Upgrade databases of an older schema, after a backup; say whether there was one.

    Raises
    ------
    StoreError
        When one is of a newer schema, the backup cannot be written, or the upgrade did not succeed: what was there
        before is there still, or was put back.
    """
    found = schemas(settings)
    if newer := [one for one in found if one.is_newer]:
        raise StoreError(
            f"{newer[0].path} is of a newer version: {newer[0].library} {version(newer[0].library)} does not know its "
            f"schema {newer[0].found}. Go forward again to the version that wrote it, or restore the backup "
            "from before it did: aidrug migrate --undo"
        )
    older = [one for one in found if not one.fits]
    if not older:
        return False
    place = settings.backup or str(settings.home / backup.LOCAL)
    say(f"{', '.join(one.path.name for one in older)}: of an older schema, backed up to {place} and then upgraded")
    made = Upgrade(git_sha=checkout_sha(settings.root), place=place, snapshot=backup.back_up(settings, place, say))
    atomic_write(settings.home / RECORD, f"{made.model_dump_json()}\n".encode())
    try:
        _upgrade(settings, {one.library for one in older})
        for one in schemas(settings):
            require_sound(one.path)
            if not one.fits:
                raise StoreError(f"{one.path} still has the schema {one.found}, expected {one.head}")
    except Exception as error:
        undo(settings, say)
        raise StoreError(f"the upgrade did not succeed, and everything is as before: {error}") from error
    say("the databases are upgraded")
    return True


def undo(settings: Settings, say: backup.Say) -> None:
    """Go back to the backup before the last upgrade; nothing happens when there was none. Stop what works on it first.

    Raises
    ------
    StoreError
        When the backup cannot be restored.
    """
    made = last_upgrade(settings)
    if made is None:
        say("no upgrade to undo")
        return
    backup.restore(settings, made.place, say, snapshot=made.snapshot, replace=True)
    (settings.home / RECORD).unlink()


def forget(settings: Settings) -> None:
    """Forget an upgrade that another revision made: going back to it needs no way back past it."""
    made = last_upgrade(settings)
    if made is not None and made.git_sha != checkout_sha(settings.root):
        (settings.home / RECORD).unlink()


def schemas(settings: Settings) -> list[Schema]:
    """List the schemas of the databases that are there; none on Postgres."""
    if settings.postgres_host:
        return []
    found = [(settings.home / "dagster" / name, "dagster") for name in DAGSTER]
    if settings.mlflow_database is not None:
        found.append((settings.mlflow_database, "mlflow"))
    read = [(path, library, _revision(path)) for path, library in found if path.is_file()]
    return [Schema(path, library, revision, _head(library)) for path, library, revision in read if revision]


def _revision(path: Path) -> str:
    """Read a database's revision; empty when its tables were not made yet."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
        try:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return ""
    return str(row[0]) if row else ""


@cache
def _ancestry(library: str) -> Mapping[str, str | None]:
    """Read which revision follows which from the migrations' own files; to import them takes seconds."""
    spec = find_spec(library)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / SCRIPTS[library] / "versions"
    found = {}
    for path in folder.glob("*.py"):
        constants: dict[str, str | None] = {}
        for line in ast.parse(path.read_bytes()).body:
            target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
            value = getattr(line, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                constants[target.id] = value.value if isinstance(value.value, str) else None
        if revision := constants.get("revision"):
            found[revision] = constants["down_revision"]
    return found


def _head(library: str) -> str:
    found = _ancestry(library)
    (head,) = found.keys() - found.values()
    return head


def _upgrade(settings: Settings, libraries: set[str]) -> None:
    """Run the libraries' own commands, each in a process of its own: they configure logging as they please."""
    commands: Mapping[str, list[str]] = {
        "mlflow": ["mlflow", "db", "upgrade", f"sqlite:///{settings.mlflow_database}"],
        "dagster": ["dagster", "instance", "migrate"],
    }
    for library in sorted(libraries):
        done = subprocess.run(
            [sys.executable, "-m", *commands[library]],
            env={**os.environ, "DAGSTER_HOME": str(settings.home / "dagster")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or f"ended with {done.returncode}").splitlines()[-1]
            raise StoreError(f"{' '.join(commands[library][:3])}: {last}")
