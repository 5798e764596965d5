"""The user's own data under DVC: add, pull, push.

Belongs here: calling DVC for the files that endpoints name. Does not belong here: reading them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from model_zoo.errors import DataError
from model_zoo.sources import DvcSource, require_pulled

from ai_drug_assets.settings import Settings

REMOTE = "storage"


def pull(source: DvcSource, root: Path) -> None:
    """Bring a source's files to what their pointers say; asks the remote only when something is missing.

    Raises
    ------
    DataError
        When DVC cannot bring them.
    """
    missing = []
    for path in source.paths(root).values():
        try:
            require_pulled(path)
        except DataError:
            if path.exists():  # present but different: pulling would overwrite somebody's work
                raise
            missing.append(f"{path}.dvc")
    if missing:
        dvc("pull", *missing, root=root)


def dvc(*arguments: str, root: Path) -> str:
    """Run one DVC command in the checkout and give what it printed.

    Raises
    ------
    DataError
        With DVC's own words, when the command fails.
    """
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().removeprefix("ERROR: ")
        raise DataError(f"dvc {' '.join(arguments)} failed: {words}")
    return done.stdout


def pull_all(settings: Settings) -> str:
    """Bring every tracked file to what its pointer says; say what was done.

    Raises
    ------
    DataError
        When DVC cannot bring them.
    """
    if not any(settings.root.glob("data/**/*.dvc")):
        return "nothing is tracked with DVC"
    return dvc("pull", root=settings.root).strip()


def add(files: Sequence[str], settings: Settings) -> str:
    """Track files with DVC and push them to the remote; say what to commit.

    The first use makes the checkout a DVC repository, with a remote in the folder AIDRUG_HOME/dvc_remote until
    `set_remote` names another one.

    Raises
    ------
    DataError
        When a file lies outside the checkout, or DVC fails.
    """
    root = settings.root
    _initialise(settings)
    for file in files:
        if not Path(file).resolve().is_relative_to(root):
            raise DataError(f"{file}: expected a file inside the checkout {root}; copy it to data/ first")
    paths = [str(Path(file).resolve().relative_to(root)) for file in files]
    dvc("add", *paths, root=root)
    dvc("push", *(f"{path}.dvc" for path in paths), root=root)
    return f"tracked {', '.join(paths)}. Now commit: git add {' '.join(f'{path}.dvc' for path in paths)}"


def set_remote(url: str, settings: Settings) -> str:
    """Make a folder or `s3://bucket/prefix` the DVC remote.

    Downloads are verified: DVC by default accepts a corrupted object from a remote and reports success.
    """
    _initialise(settings)
    local = settings.root / ".dvc" / "config.local"
    if local.is_file() and REMOTE in local.read_text(encoding="utf-8"):
        dvc("remote", "remove", "--local", REMOTE, root=settings.root)  # this machine's folder would go first
    dvc("remote", "add", "--force", "--default", REMOTE, url, root=settings.root)
    dvc("remote", "modify", REMOTE, "verify", "true", root=settings.root)
    return f"tracked data is kept at {url}. Now commit: git add .dvc/config"


def _initialise(settings: Settings) -> None:
    if (settings.root / ".dvc").is_dir():
        if not dvc("remote", "list", root=settings.root).strip():
            _local_remote(settings)
        return
    dvc("init", "--quiet", root=settings.root)
    dvc("config", "core.analytics", "false", root=settings.root)
    _local_remote(settings)


def _local_remote(settings: Settings) -> None:
    """Use a folder as remote, noted in `.dvc/config.local`, which Git ignores: it is this machine's."""
    folder = str(settings.folder("dvc_remote"))
    dvc("remote", "add", "--local", "--force", "--default", REMOTE, folder, root=settings.root)
    dvc("remote", "modify", "--local", REMOTE, "verify", "true", root=settings.root)
