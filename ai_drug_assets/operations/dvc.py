"""The user's own data under DVC: add, pull, push."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from model_zoo.data.sources import DvcSource, pointer_md5, require_pulled
from model_zoo.errors import DataError
from model_zoo.io.digests import file_digest
from model_zoo.type_aliases import Json

from ai_drug_assets.processes import one_at_a_time
from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    from dvc.config import Config
    from dvc.repo import Repo

REMOTE = "storage"


def pull(source: DvcSource, root: Path) -> None:
    """Bring a source's files to what their pointers say; asks the remote only when something is missing.

    Raises
    ------
    DataError
        When DVC cannot bring them, or when a file that is here is somebody's work.
    """
    missing = []
    for path in source.paths(root).values():
        try:
            require_pulled(path)
        except DataError:
            if path.exists():  # present but different: pulling would overwrite somebody's work
                raise
            missing.append(path)
    _bring(missing, root)


@contextmanager
def _in_dvcs_words(what: str) -> Iterator[None]:
    """Turn whatever DVC raises into one error with its own words, its causes included."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        messages: list[str] = []
        cause: BaseException | None = error
        while cause is not None and (words := str(cause).strip()):
            messages += [] if words in messages else [words]
            cause = cause.__cause__
        raise DataError(f"dvc {what} failed: {': '.join(messages) or type(error).__name__}") from error


@contextmanager
def _repository(root: Path) -> Iterator[Repo]:
    """Open the checkout's DVC repository. In this process: each `dvc` command of its own takes two seconds to start.

    One after the other, for all callers: DVC locks its repository, and fails at once when somebody else does.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.repo import Repo

    with one_at_a_time(root / ".dvc" / "tmp" / "aidrug.lock"), Repo(str(root)) as repo:
        yield repo


def pull_all(settings: Settings) -> str:
    """Bring every tracked file to what its pointer says; say what was done. Deletes nothing, ever.

    A file that differs from its pointer is replaced only when DVC's cache holds what it says now, as after a
    `git pull` that moved the pointer; otherwise it is somebody's work and stays.

    Raises
    ------
    DataError
        When DVC cannot bring them, or naming the files that stayed because they are somebody's work; the others
        have been brought by then.
    """
    root = settings.root
    paths = [pointer.with_suffix("") for pointer in _pointers(root)]
    if not paths:
        return "nothing is tracked with DVC"
    wanted: list[Path] = []
    edited: list[Path] = []
    for path in paths:
        if path.is_file() and (came := file_digest(path, "md5")) != pointer_md5(path):
            (wanted if _is_cached(came, root) else edited).append(path)
        elif not path.exists() or path.is_dir():  # DVC itself looks after a folder that it tracks whole
            wanted.append(path)
    _bring(wanted, root)
    if edited:
        names = " ".join(str(path.relative_to(root)) for path in edited)
        raise DataError(
            f"{names}: expected the content that the DVC pointer records, got another that is nowhere else, so it was "
            f"left as it is. Run `aidrug data add {names}` to keep it, or delete it and pull again to take it back."
        )
    brought = [f"brought {path.relative_to(root)}" for path in wanted]
    return "\n".join([*brought, f"{len(paths)} tracked files are as their pointers say"])


def _bring(paths: Sequence[Path], root: Path) -> None:
    """Pull these files, each by its pointer, and make sure that they are there.

    Without names DVC deletes every file that it once put into the checkout and no longer finds a pointer for: after
    `git checkout` of an older revision, or where a `.gitignore` hides the folder from it (DVC issues 5396, 10461).
    """
    if not paths:
        return
    pointers = _pointer_names(paths, root)
    with _in_dvcs_words(f"pull {' '.join(pointers)}"), _repository(root) as repo:
        repo.pull(targets=[str(root / pointer) for pointer in pointers])
    for path in paths:
        if not path.is_dir():
            require_pulled(path)


def _pointer_names(paths: Sequence[Path], root: Path) -> list[str]:
    return [f"{path.relative_to(root) if path.is_relative_to(root) else path}.dvc" for path in paths]


def _pointers(root: Path) -> list[Path]:
    """Find every `.dvc` pointer of the checkout, in order; folders with a dot hold tools and state, not pointers."""
    found = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found += [Path(folder, name) for name in files if name.endswith(".dvc") and name != ".dvc"]
    return sorted(found)


def _is_cached(md5: str, root: Path) -> bool:
    """Return whether DVC's cache of this checkout holds a content, so that it can be brought back."""
    with _in_dvcs_words("cache"), _repository(root) as repo:
        return Path(repo.cache.local.oid_to_path(md5)).is_file()


def add(files: Sequence[str], settings: Settings) -> str:
    """Track files with DVC and push them to the remote; say what to commit.

    The first use makes the checkout a DVC repository, with a remote in the folder AIDRUG_HOME/dvc_remote until
    `set_remote` names another one.

    Raises
    ------
    DataError
        When a file is outside the checkout, or DVC fails.
    """
    root = settings.root
    for file in files:
        if not Path(file).resolve().is_relative_to(root):
            raise DataError(f"{file}: expected a file inside the checkout {root}; copy it to data/ first")
    paths = [Path(file).resolve().relative_to(root) for file in files]
    names = " ".join(map(str, paths))
    pointers = _pointer_names(paths, root)
    _initialise(settings)
    with _in_dvcs_words(f"add {names}"), _repository(root) as repo:
        repo.add([str(root / path) for path in paths])
    with _in_dvcs_words(f"push {' '.join(pointers)}"), _repository(root) as repo:
        repo.push(targets=[str(root / pointer) for pointer in pointers])
    return f"tracked {names}. Now commit: git add {' '.join(pointers)}"


def set_remote(url: str, settings: Settings) -> str:
    """Make a folder or `s3://bucket/prefix` the DVC remote.

    Downloads are verified: DVC by default accepts a corrupted object from a remote and reports success.

    Raises
    ------
    DataError
        When it names nothing, or DVC does not know its kind.
    """
    if not url.strip():
        raise DataError("expected a folder or s3://bucket/prefix, got an empty text")
    _initialise(settings)
    with _in_dvcs_words("config"):
        with _config(settings).edit("local") as conf:  # this machine's folder would go first
            conf["remote"].pop(REMOTE, None)
            conf["core"].pop("remote", None)
        with _config(settings).edit("repo") as conf:
            _name_remote(conf, url if "://" in url else os.path.relpath(settings.root / url))
    return f"tracked data is kept at {url}. Now commit: git add .dvc/config"


def _initialise(settings: Settings) -> None:
    """Make the checkout a DVC repository with a remote, where it is none yet."""
    if not (settings.root / ".dvc").is_dir():
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        from dvc.repo import Repo

        with _in_dvcs_words("init"):
            Repo.init(str(settings.root)).close()
            with _config(settings).edit("repo") as conf:
                conf["core"]["analytics"] = False
    with _in_dvcs_words("config"):
        config = _config(settings)
        if not config["remote"]:  # a folder, noted in `.dvc/config.local`, which Git ignores: it is this machine's
            with config.edit("local") as conf:
                _name_remote(conf, str(settings.folder("dvc_remote")))


def _config(settings: Settings) -> Config:
    from dvc.config import Config

    return Config(str(settings.root / ".dvc"))


def _name_remote(conf: dict[str, Json], url: str) -> None:
    conf["remote"][REMOTE] = {"url": url, "verify": True}
    conf["core"]["remote"] = REMOTE
