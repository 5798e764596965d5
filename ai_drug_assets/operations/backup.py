"""`aidrug backup` and `aidrug restore`: the whole state at one moment, in a folder or in S3.

Belongs here: which files make up the state, snapshots, their retention, and bringing one back.
Does not belong here: what is safe elsewhere already: bundles and MLflow's artefacts in S3, data in DVC's remote; the
private keys of the proxy, which makes others.

A place of backups holds `snapshots/<time>.json`, each a list of files with their digests, and the files' contents as
`contents/<month>/<digest>`. Content that is there is not sent again, so a backup sends what is new, an interrupted one
continues where it stopped, and every month begins with a full copy. The list is written last: a snapshot is whole or
absent. SQLite databases are copied while they are in use, and each copy is checked, as the bundle store's pointer is.

A restored pointer begins another lineage: services that followed the lost one follow it, despite a lower generation.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from model_zoo.bundles.pointer import POINTER, Pointer, PointerError, parse_pointer
from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Format, Part, read_artefact
from model_zoo.io.digests import file_digest
from model_zoo.monitoring.molecule_hasher import KEY_FILE
from serving.storage.objects import Objects, open_objects

from ai_drug_assets.operations.schema_upgrade import last_upgrade
from ai_drug_assets.processes import one_at_a_time
from ai_drug_assets.revision import checkout_sha
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.bundles import open_bundle_store
from ai_drug_assets.storage.sqlite import SIDECARS, copy_database, is_database, is_sidecar, require_sound

SETTING = "AIDRUG_BACKUP"
KEEP = 30
"""Snapshots kept, the newest ones."""
LOCAL = "backups"
"""Folder of AIDRUG_HOME for the backup before an upgrade, where `AIDRUG_BACKUP` names no place."""
_TRANSIENT = {LOCAL, "bundle_cache", "dvc_cache", "feature_cache", "locks", "logs", "replaced", "scratch"}
"""Folders of AIDRUG_HOME that are not state: caches, locks, leftovers."""
_UPLOADS = Path("service/jobs")
"""Files that callers sent and their results: theirs, short-lived, large."""
_FIRST = ("store/current.json", "ledger/")
"""Copied before everything else: what they name is then in the snapshot, whatever is added meanwhile."""
_OWN = f"home/service/{KEY_FILE}"
"""A file that every installation draws for itself: snapshots with another one are another installation's."""
ASIDE, MOVED_AT = "replaced", "%Y%m%dT%H%M%SZ"
"""Where a restore moves what was in the way, in a folder that is named by when."""
MLFLOW = "mlflow.db"
DONE = "backed_up"
"""Among the locks: touched by every backup that succeeded, for monitoring."""

Say = Callable[[str], None]


class File(Part):
    """One file of a snapshot."""

    sha256: str
    bytes: int
    content: str
    database: bool = False


class Snapshot(Artefact):
    """The state at one moment."""

    NAME: ClassVar[str] = "snapshot"
    READER: ClassVar[int] = 2

    format: Format = READER
    minimum_reader: Format = READER
    at: str
    git_sha: str
    files: Mapping[str, File]
    """By name: `home/...` under AIDRUG_HOME, or `mlflow.db` when MLflow's database is elsewhere."""
    pointer: Pointer | None = None
    """Which bundles served, when the bundle store is not part of AIDRUG_HOME."""


def back_up(settings: Settings, place: str, say: Say, keep: int = KEEP, *, take_over: bool = False) -> str:
    """Write a snapshot of the state and delete all but the newest; give its name.

    The one from before the last upgrade of the schema stays: it is the way back.

    Raises
    ------
    StoreError
        When a database or the pointer is damaged, the place cannot be written, or its newest snapshot is another
        installation's and this one does not take its place (`take_over`): earlier snapshots are untouched.
    """
    objects = open_objects(place, SETTING)
    with one_at_a_time(settings.folder("locks") / "backup"):
        if not take_over:
            _require_own(settings, objects, place)
        at = datetime.now(UTC)
        there = set(objects.names("contents/"))
        store = open_bundle_store(settings)
        pointer = parse_pointer(store.read_pointer_bytes())
        files: dict[str, File] = {}
        sent = 0
        with tempfile.TemporaryDirectory(prefix="backup-", dir=settings.folder("scratch")) as scratch:
            for name, path in _state(settings):
                file = _send(path, Path(scratch) / "copy", f"{at:%Y-%m}", objects, there)
                if file is not None:
                    files[name], new = file
                    sent += new
        snapshot = Snapshot(
            at=at.isoformat(timespec="seconds"),
            git_sha=checkout_sha(settings.root),
            files=files,
            pointer=None if _pointer_file(settings) or not pointer.names else pointer,
        )
        name = f"{at:%Y%m%dT%H%M%S.%fZ}"
        objects.write(f"snapshots/{name}.json", f"{snapshot.model_dump_json()}\n".encode())
        say(f"{name}: {len(files)} files, {_size(sum(file.bytes for file in files.values()))}, {_size(sent)} sent")
        (settings.folder("locks") / DONE).touch()
        upgrade = last_upgrade(settings)
        if dropped := _forget(objects, keep, upgrade.snapshot if upgrade else "", say):
            say(f"{dropped} older snapshots deleted")
    return name


def restore(settings: Settings, place: str, say: Say, *, snapshot: str | None = None, replace: bool = False) -> None:
    """Bring the state back to a snapshot, the newest when none is named.

    Everything is fetched and checked before anything is put in place. What is in the way stops it, or, with `replace`,
    is moved to `AIDRUG_HOME/replaced`. Stop what works on the state first.

    Raises
    ------
    StoreError
        When there is no such snapshot, content is missing or damaged, or something is in the way.
    """
    objects = open_objects(place, SETTING)
    name, wanted = _find(objects, place, snapshot)
    targets = {file: _target(settings, file) for file in wanted.files}
    missing = {file for file, path in targets.items() if not _is_same(path, wanted.files[file])}
    pointer = _pointer_file(settings)
    if pointer in missing and _says_the_same(settings, objects.read(wanted.files[pointer].content)):
        missing.remove(pointer)  # it was restored before, as another lineage
    in_the_way = [path for file in sorted(missing) for path in _occupants(targets[file])]
    if in_the_way and not replace:
        raise StoreError(
            f"{in_the_way[0]} is in the way, and {len(in_the_way) - 1} other files: restore into an empty AIDRUG_HOME, "
            "or say --replace to move what is there to AIDRUG_HOME/replaced"
        )
    with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.folder("scratch")) as scratch:
        fetched = {file: Path(scratch) / str(number) for number, file in enumerate(sorted(missing))}
        for file, path in fetched.items():
            _fetch(objects, name, file, wanted.files[file], path)
        if pointer in missing:
            fetched[pointer].write_bytes(parse_pointer(fetched[pointer].read_bytes()).restored().as_bytes())
        aside = settings.home / ASIDE / f"{datetime.now(UTC):{MOVED_AT}}"
        for path in in_the_way:
            inside = path.relative_to(settings.home) if path.is_relative_to(settings.home) else path.name
            _move(path, aside / inside)
        for file, path in fetched.items():
            _move(path, targets[file])
    say(f"{name}: {len(missing)} files restored, {len(wanted.files) - len(missing)} were there already")
    if in_the_way:
        say(f"what was in the way is in {aside}")
    if wanted.pointer is not None:
        say(_restore_pointer(settings, wanted.pointer))


def _state(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the files of the state by name, those that name others first."""
    home = settings.home
    named = {}
    for folder, folders, files in os.walk(home):  # tolerates what vanishes meanwhile
        inside = Path(folder).relative_to(home)
        skipped = _TRANSIENT if folder == str(home) else set()
        folders[:] = [
            name for name in folders if name not in skipped and not name.startswith(".") and (inside / name) != _UPLOADS
        ]
        for file in files:
            path = Path(folder) / file
            hidden = file.startswith(".") and file != ".db"  # Dagster's events that belong to no run are in a `.db`
            if not hidden and not is_sidecar(path) and path.is_file():
                named[f"home/{(inside / file).as_posix()}"] = path
    mlflow = settings.mlflow_database
    if mlflow is not None and mlflow.is_file() and not mlflow.is_relative_to(home):
        named[MLFLOW] = mlflow
    first = tuple(f"home/{name}" for name in _FIRST)
    yield from sorted(named.items(), key=lambda item: (not item[0].startswith(first), item[0]))


def _send(path: Path, copy: Path, month: str, objects: Objects, there: set[str]) -> tuple[File, int] | None:
    """Store a file's content if it is not there; return its entry and the bytes sent; none when it is gone."""
    try:
        database = is_database(path)
        if database:
            copy_database(path, copy)
        else:
            shutil.copyfile(path, copy)  # what is hashed and what is sent must be the same
    except FileNotFoundError:
        return None
    digest, size = file_digest(copy), copy.stat().st_size
    content = f"contents/{month}/{digest}"
    new = content not in there
    if new:
        objects.upload(content, copy)
        there.add(content)
    copy.unlink()
    return File(sha256=digest, bytes=size, content=content, database=database), size if new else 0


def _require_own(settings: Settings, objects: Objects, place: str) -> None:
    """Refuse a place whose newest snapshot another installation wrote: a restore there would bring this one's state."""
    names = objects.names("snapshots/")
    try:
        theirs = _read(objects, names[-1]).files.get(_OWN) if names else None
    except StoreError:
        return  # a damaged list says nothing, and another snapshot is needed all the more
    own = settings.home / _OWN.removeprefix("home/")
    if theirs is not None and not (own.is_file() and file_digest(own) == theirs.sha256):
        raise StoreError(
            f"the newest snapshot in {place} was written by another installation, or by this one before it lost its "
            f"state ({_OWN} differs): back up to a place of its own, or restore that one here first. If this "
            "installation takes its place for good: aidrug backup --take-over"
        )


def _forget(objects: Objects, keep: int, spared: str, say: Say) -> int:
    """Delete all but the newest snapshots, one that is spared, and content that nobody names; give how many went.

    Nothing goes while a list is damaged, because its content would look like nobody's: the new snapshot is there.
    """
    names = objects.names("snapshots/")
    doomed = [name for name in names[:-keep] if Path(name).stem != spared]
    left = [name for name in names if name not in doomed]
    try:
        needed = {file.content for name in left for file in _read(objects, name).files.values()}
    except StoreError as error:
        say(f"nothing older is deleted: {error} Put its earlier version back, or delete it.")
        return 0
    for name in doomed:  # first the lists, then what they name: a list never names what is gone
        objects.delete(name)
    for content in objects.names("contents/"):
        if content not in needed:
            objects.delete(content)
    return len(doomed)


def _find(objects: Objects, place: str, snapshot: str | None) -> tuple[str, Snapshot]:
    names = [Path(name).stem for name in objects.names("snapshots/")]
    if not names:
        raise StoreError(f"{place} holds no snapshot: `aidrug backup --to {place}` writes one")
    name = snapshot or names[-1]
    if name not in names:
        raise StoreError(f"{place} holds no snapshot {name!r}; it holds {', '.join(names)}")
    return name, _read(objects, f"snapshots/{name}.json")


def _read(objects: Objects, name: str) -> Snapshot:
    try:
        return read_artefact(Snapshot, objects.read(name) or b"", name, StoreError)
    except StoreError as error:
        raise StoreError(f"{error}. Restore another one.") from error


def _fetch(objects: Objects, snapshot: str, name: str, file: File, path: Path) -> None:
    objects.download(file.content, path)
    if file_digest(path) != file.sha256:
        raise StoreError(
            f"snapshot {snapshot}: the content of {name} is damaged. Nothing was changed; restore another."
        )
    if file.database:
        require_sound(path, Path(name))


def _target(settings: Settings, name: str) -> Path:
    if name == MLFLOW:
        assert settings.mlflow_database is not None
        return settings.mlflow_database
    target = (settings.home / name.removeprefix("home/")).resolve()
    if not target.is_relative_to(settings.home):
        raise StoreError(f"the snapshot names a file outside AIDRUG_HOME: {name!r}")
    return target


def _is_same(path: Path, file: File) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes and file_digest(path) == file.sha256


def _occupants(target: Path) -> list[Path]:
    """List what is where a file belongs, with the logs beside a database: they would be read into the new one."""
    return [path for path in (target, *(Path(f"{target}{end}") for end in SIDECARS)) if path.exists()]


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(target)
    except OSError:  # another disk
        shutil.move(path, target)


def _pointer_file(settings: Settings) -> str:
    """Name the pointer as a file of the state; empty when the store is not copied with AIDRUG_HOME."""
    if "://" in settings.store or not Path(settings.store).resolve().is_relative_to(settings.home):
        return ""
    return f"home/{Path(settings.store).resolve().relative_to(settings.home).as_posix()}/{POINTER}"


def _says_the_same(settings: Settings, saved: bytes | None) -> bool:
    try:
        now, before = parse_pointer(open_bundle_store(settings).read_pointer_bytes()), parse_pointer(saved)
    except PointerError:
        return False
    return (now.endpoints, now.withdrawn) == (before.endpoints, before.withdrawn)


def _restore_pointer(settings: Settings, saved: Pointer) -> str:
    """Put the pointer back if the store has no whole one, and what it names is there; say what was done."""
    store = open_bundle_store(settings)
    try:
        now = parse_pointer(store.read_pointer_bytes())
    except PointerError:  # damaged or gone: what was saved takes its place
        now = Pointer()
    if now.names:
        return f"the bundle store serves {len(now.endpoints)} endpoints and was left as it is"
    for endpoint, current in saved.endpoints.items():
        store.fetch_bundle(endpoint, current.version)
    store.restore_pointer(saved)
    return f"the bundle store serves {len(saved.endpoints)} endpoints again"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
