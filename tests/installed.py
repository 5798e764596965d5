"""The service in an environment of its own, installed as its image installs it.

Belongs here: making that environment, and what an environment weighs.
Does not belong here: what a test or a benchmark asks of it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.server_process import ROOT


def install_service(folder: Path) -> Path:
    """Make an environment with `.[serve]` and nothing else; give its interpreter.

    Raises
    ------
    RuntimeError
        With what the installer said, when it fails.
    """
    uv = Path(sys.executable).with_name("uv")
    python = folder / "bin" / "python"
    for command in (
        (uv, "venv", "--python", sys.executable, folder),
        (uv, "pip", "install", "--python", python, "-c", ROOT / "constraints.txt", f"{ROOT}[serve]"),
    ):
        # Outside the checkout, so that nothing is importable but what was installed.
        done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the service cannot be installed alone: {done.stderr}")
    return python


def megabytes(folder: Path) -> float:
    """Return the size of everything in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6
