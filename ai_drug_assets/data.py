"""The user's own data under DVC: add, pull, push.

Belongs here: calling DVC for the files that endpoints name. Does not belong here: reading them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from model_zoo.errors import DataError
from model_zoo.sources import DvcSource, require_pulled


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
    done = subprocess.run(  # noqa: S603 - our interpreter, arguments from configuration
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
