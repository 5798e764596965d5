"""Backup and restore: the state dies, and comes back with the same champions and the same predictions."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from dagster import DagsterInstance
from litestar.testing import TestClient
from moto import mock_aws

from ai_drug_assets.operations import backup, maintenance, schema_migration, schema_upgrade, upgrade_backup
from ai_drug_assets.operations.backup import back_up, restore
from ai_drug_assets.planning.plan import make_plan
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage import sqlite
from model_zoo.bundles.pointer import Pointer, parse_pointer
from model_zoo.bundles.store import FolderStore
from model_zoo.errors import StoreError
from serving.app import create_app
from serving.settings import Settings as ServiceSettings
from tests.project_factory import Project, molecules


def silent(line: str) -> None:
    """Take what is said, and drop it."""


def predictions(settings: Settings) -> Any:
    """Ask the service of this installation."""
    asked = {"smiles": molecules()[:10]}
    with TestClient(
        create_app(ServiceSettings(store=settings.store, cache_folder=settings.home / "bundle_cache", folder=None))
    ) as client:
        answer = client.post("/v1/predict", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def backups(place: Path) -> list[Path]:
    """List the snapshots of a place."""
    return sorted((place / "snapshots").glob("*.json"))


def test_a_lost_state_comes_back_whole(made: Project, tmp_path: Path) -> None:
    """After AIDRUG_HOME is gone: same champions, same predictions, nothing stale, nothing retrained."""
    before, place = predictions(made.settings), str(tmp_path / "backups")
    fits = made.trained()
    runless = made.settings.folder("dagster", "history", "runs") / ".db"
    sqlite3.connect(runless).execute("CREATE TABLE events (id INTEGER)").connection.close()
    back_up(made.settings, place, silent)
    shutil.rmtree(made.settings.home)

    restore(made.settings, place, silent)

    assert predictions(made.settings) == before
    assert sqlite.is_database(runless)
    assert make_plan(made.catalog(), made.ledger).stale == ()
    assert made.run().made == []
    assert made.trained() == fits


def pointer_of(settings: Settings) -> Pointer:
    """Read the pointer of this installation."""
    return parse_pointer((Path(settings.store) / "current.json").read_bytes())


def test_a_restored_pointer_begins_another_lineage_once(made: Project, tmp_path: Path) -> None:
    """Services that followed the lost one follow it; restoring again changes nothing; what was replaced is aside."""
    place, before = str(tmp_path / "backups"), pointer_of(made.settings)
    back_up(made.settings, place, silent)
    (Path(made.settings.store) / "current.json").write_bytes(
        before.withdraw("greasy", by="test", reason="the assay was wrong").as_bytes()
    )
    with pytest.raises(StoreError, match="is in the way"):
        restore(made.settings, place, silent)
    restore(made.settings, place, silent, replace=True)
    after = pointer_of(made.settings)

    assert after.endpoints == before.endpoints
    assert after.lineage != before.lineage
    restore(made.settings, place, silent)
    assert pointer_of(made.settings) == after


@pytest.mark.parametrize("content", [b"", b'{"format": 2}', None])
def test_a_damaged_pointer_stops_the_backup_and_is_restored(
    made: Project, tmp_path: Path, content: bytes | None
) -> None:
    """A backup of it would push out whole ones; an earlier one brings it back."""
    place, path = str(tmp_path / "backups"), Path(made.settings.store) / "current.json"
    back_up(made.settings, place, silent, keep=1)
    before = pointer_of(made.settings)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    with pytest.raises(StoreError, match=r"the pointer current\.json"):
        back_up(made.settings, place, silent, keep=1)
    assert len(backups(Path(place))) == 1
    restore(made.settings, place, silent, replace=True)
    assert pointer_of(made.settings).endpoints == before.endpoints


def test_an_earlier_version_s_state_is_backed_up_before_it_is_changed(made: Project) -> None:
    """A run that has something to do writes a snapshot first, until the pointer is one of this version."""
    store, messages = Path(made.settings.store), list[str]()
    now = pointer_of(made.settings).model_dump(mode="json", exclude_none=True)
    ends = {name: {key: entry[key] for key in ("version", "since", "by")} for name, entry in now["endpoints"].items()}
    landed = json.dumps({"format": 1, "generation": now["generation"], "endpoints": ends}).encode()
    (store / "current.json").write_bytes(landed)
    backed_up = made.settings.home / "backups"

    assert upgrade_backup.back_up_before_upgrade(made.settings, FolderStore(store), messages.append) == str(backed_up)
    (snapshot,) = backups(backed_up)
    wanted = json.loads(snapshot.read_bytes())["files"]["home/store/current.json"]["content"]
    assert (backed_up / wanted).read_bytes() == landed
    assert "an earlier version wrote this state" in messages[0]
    (made.settings.home / "ledger" / "inference_service.json").unlink()
    made.run()
    assert len(backups(backed_up)) == 2
    FolderStore(store).update_pointer(lambda before: before.withdraw("logp", by="test", reason="to change something"))
    assert upgrade_backup.back_up_before_upgrade(made.settings, FolderStore(store), messages.append) is None


def test_databases_outside_are_part_of_it_and_come_back_while_others_write(made: Project, tmp_path: Path) -> None:
    """MLflow's database of another folder is copied while somebody writes to it, and the copy is sound."""
    database = tmp_path / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    (made.settings.home / "mlflow" / "mlflow.db").rename(database)
    settings = replace(made.settings, mlflow_database=database)
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE noise (number INTEGER)")
            while not stop.is_set():
                connection.execute("INSERT INTO noise VALUES (1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        back_up(settings, str(tmp_path / "backups"), silent)
    finally:
        stop.set()
        writer.join()
    database.unlink()
    shutil.rmtree(settings.home)
    restore(settings, str(tmp_path / "backups"), silent)

    sqlite.require_sound(database)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] > 0


def test_only_what_is_new_is_sent_and_the_oldest_go(made: Project, tmp_path: Path) -> None:
    """A second backup sends next to nothing; content that no snapshot names any more is deleted."""
    place, messages = tmp_path / "backups", list[str]()
    (made.settings.home / "store" / "note.txt").write_text("of the first snapshot only")
    back_up(made.settings, str(place), messages.append)
    (made.settings.home / "store" / "note.txt").unlink()
    contents = set((place / "contents").rglob("*"))
    back_up(made.settings, str(place), messages.append)
    assert messages[-1].endswith("0.0 MB sent")
    assert set((place / "contents").rglob("*")) == contents

    back_up(made.settings, str(place), messages.append, keep=2)

    assert messages[-1] == "1 older snapshots deleted"
    assert len(backups(place)) == 2
    assert len(contents - set((place / "contents").rglob("*"))) == 1


def test_the_way_back_from_an_upgrade_outlives_the_newest(made: Project, tmp_path: Path) -> None:
    """However many nights pass: `migrate --undo` needs the snapshot that the record of the upgrade names."""
    place, messages = str(tmp_path / "backups"), list[str]()
    database = made.settings.home / "mlflow" / "mlflow.db"
    way_back = back_up(made.settings, place, silent)
    record = schema_upgrade.Upgrade(git_sha="a" * 40, place=place, snapshot=way_back)
    (made.settings.home / schema_upgrade.RECORD).write_text(record.model_dump_json())
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE of_the_newer_schema (number INTEGER)")
    for _ in range(3):
        back_up(made.settings, place, messages.append, keep=1)

    schema_migration.undo(made.settings, silent)

    with (
        closing(sqlite3.connect(database)) as connection,
        pytest.raises(sqlite3.OperationalError, match="no such table"),
    ):
        connection.execute("SELECT number FROM of_the_newer_schema")
    assert messages.count("1 older snapshots deleted") == 2
    back_up(made.settings, place, silent, keep=1)
    assert len(backups(Path(place))) == 1


def test_the_backups_of_another_installation_are_left_alone(made: Project, tmp_path: Path) -> None:
    """A laptop does not put its state before production's, nor does a new disk on which nothing was restored yet."""
    place, key = str(tmp_path / "backups"), made.settings.folder("service") / "live.key"
    key.write_bytes(b"p" * 32)
    back_up(made.settings, place, silent, keep=1)
    theirs = backups(Path(place))
    for content in (b"l" * 32, None):
        key.unlink(missing_ok=True)
        if content:
            key.write_bytes(content)
        with pytest.raises(StoreError, match="was written by another installation, or by this one before it lost"):
            back_up(made.settings, place, silent, keep=1)
        assert backups(Path(place)) == theirs

    back_up(made.settings, str(tmp_path / "own"), silent)
    damaged = shutil.copytree(place, tmp_path / "damaged")
    backups(damaged)[0].write_bytes(b"{}")
    messages: list[str] = []
    back_up(made.settings, str(damaged), messages.append)  # its content must not be deleted as nobody's
    assert len(backups(damaged)) == 2
    assert "nothing older is deleted" in messages[-1]
    key.write_bytes(b"l" * 32)
    back_up(made.settings, place, silent, keep=1, take_over=True)
    back_up(made.settings, place, silent, keep=1)
    assert theirs[0] not in backups(Path(place))
    key.unlink()
    restore(made.settings, place, silent, replace=True)
    back_up(made.settings, place, silent)


def test_what_a_restore_moved_aside_goes_after_a_month(tmp_path: Path) -> None:
    """Its files keep their own age, so the name of the folder counts."""
    old, new = (
        tmp_path / "replaced" / f"{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%SZ}" for days in (31, 29)
    )
    for folder in (old, new):
        (folder / "mlflow").mkdir(parents=True)
        (folder / "mlflow" / "mlflow.db").touch()
    os.utime(new, (0, 0))

    assert maintenance.prune_replaced(tmp_path) == 1
    assert [path.name for path in (tmp_path / "replaced").iterdir()] == [new.name]
    assert maintenance.prune_replaced(tmp_path / "nothing was ever restored") == 0


def test_a_restore_never_overwrites(made: Project, tmp_path: Path) -> None:
    """What differs is in the way and named; with --replace it is moved aside, together with a database's own log."""
    place = str(tmp_path / "backups")
    back_up(made.settings, place, silent)
    entry = made.settings.home / "ledger" / "dataset" / "logp.json"
    entry.write_text("{}")
    database = made.settings.home / "mlflow" / "mlflow.db"
    database.write_bytes(b"SQLite format 3\0 and nothing sound")
    Path(f"{database}-wal").write_bytes(b"log of the damaged database")

    with pytest.raises(StoreError, match="is in the way, and 2 other files"):
        restore(made.settings, place, silent)
    assert entry.read_text() == "{}"

    restore(made.settings, place, silent, replace=True)

    assert make_plan(made.catalog(), made.ledger).stale == ()
    sqlite.require_sound(database)
    assert not Path(f"{database}-wal").exists()
    aside = next((made.settings.home / "replaced").iterdir())
    assert (aside / "ledger" / "dataset" / "logp.json").read_text() == "{}"
    assert (aside / "mlflow" / "mlflow.db-wal").exists()


def test_a_damaged_database_stops_the_backup_and_harms_no_earlier_one(made: Project, tmp_path: Path) -> None:
    """The message names the database; the snapshot before is still there and whole."""
    place = tmp_path / "backups"
    back_up(made.settings, str(place), silent, keep=1)
    database = made.settings.home / "mlflow" / "mlflow.db"
    content = bytearray(database.read_bytes())
    content[4096:40960] = b"\xff" * (40960 - 4096)
    database.write_bytes(bytes(content))

    with pytest.raises(StoreError, match=r"mlflow\.db"):
        back_up(made.settings, str(place), silent, keep=1)

    assert len(backups(place)) == 1
    restore(made.settings, str(place), silent, replace=True)
    sqlite.require_sound(database)


def test_damaged_or_missing_content_changes_nothing(made: Project, tmp_path: Path) -> None:
    """Every file is checked before the first one is put in place."""
    place = tmp_path / "backups"
    back_up(made.settings, str(place), silent)
    shutil.rmtree(made.settings.home)
    largest = max(
        (path for path in (place / "contents").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    largest.write_bytes(b"something else")

    with pytest.raises(StoreError, match="damaged"):
        restore(made.settings, str(place), silent)
    assert not (made.settings.home / "ledger").exists()
    largest.unlink()
    with pytest.raises(StoreError, match="contents"):
        restore(made.settings, str(place), silent)
    with pytest.raises(StoreError, match="holds no snapshot 'yesterday'; it holds 20"):
        restore(made.settings, str(place), silent, snapshot="yesterday")
    with pytest.raises(StoreError, match="aidrug backup --to"):
        restore(made.settings, str(tmp_path / "empty"), silent)


def test_an_interrupted_backup_leaves_no_snapshot_and_is_resumed(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut in the middle, nothing is listed; the next one sends only the rest."""
    place, messages = tmp_path / "backups", list[str]()
    real: Callable[..., Any] = backup._send
    calls = []

    def cut(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 20:
            raise StoreError("the connection was cut")
        return real(*arguments)

    monkeypatch.setattr(backup, "_send", cut)
    with pytest.raises(StoreError, match="cut"):
        back_up(made.settings, str(place), silent)
    assert backups(place) == []
    monkeypatch.undo()
    kept = {path: path.stat().st_mtime_ns for path in (place / "contents").rglob("*") if path.is_file()}

    back_up(made.settings, str(place), messages.append)

    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(backups(place)) == 1


@pytest.mark.slow(
    sibling=("test_a_lost_state_comes_back_whole", "test_s3_store::test_the_service_follows_a_store_in_s3")
)
def test_from_s3_only(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles and backups in S3: a new host with an empty disk serves the same, also after the pointer was deleted."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="bundles")
        s3.create_bucket(Bucket="backups")
        for path in (made.settings.home / "store").rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                s3.upload_file(str(path), "bundles", f"store/{path.relative_to(made.settings.home / 'store')}")
        shutil.rmtree(made.settings.home / "store")
        settings = replace(made.settings, store="s3://bundles/store")
        before = predictions(settings)
        back_up(settings, "s3://backups/aidrug", silent)
        shutil.rmtree(made.settings.home)
        s3.delete_object(Bucket="bundles", Key="store/current.json")
        messages = list[str]()

        restore(settings, "s3://backups/aidrug", messages.append)

        assert messages[-1] == "the bundle store serves 2 endpoints again"
        assert predictions(settings) == before
        assert Project(settings, made.instance).run().made == []
        restore(settings, "s3://backups/aidrug", messages.append)
        assert messages[-1] == "the bundle store serves 2 endpoints and was left as it is"


def test_databases_are_compacted_only_while_nobody_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free pages go back to the disk; a database that somebody is writing to is left alone."""
    connect = sqlite3.connect  # which would wait seconds for who is writing
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **options | {"timeout": 0.1}))
    settings = Settings(tmp_path, tmp_path, tmp_path, tmp_path / "home", "", "", "")
    database = settings.folder("mlflow") / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE rows (text TEXT)")
        connection.executemany("INSERT INTO rows VALUES (?)", [("x" * 1000,)] * 1000)
        connection.execute("DELETE FROM rows")
        with DagsterInstance.ephemeral() as instance:
            connection.execute("BEGIN IMMEDIATE")
            assert sqlite.compact(database) == 0
            connection.execute("COMMIT")
            assert maintenance.compact_databases(instance, settings) > 900_000
            assert maintenance.compact_databases(instance, settings) == 0
