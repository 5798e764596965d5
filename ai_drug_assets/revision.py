"""Which revision of the project this is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def checkout_sha(root: Path) -> str:
    """Return the SHA of the checkout's HEAD now; of the build when the image says so; else `unknown`."""
    built = os.environ.get("AIDRUG_GIT_SHA")
    if built:
        return built
    top, _, sha = _git("rev-parse", "--show-toplevel", "HEAD", cwd=root).partition("\n")
    if not sha:
        return UNKNOWN
    if Path(top).resolve() != root.resolve() and not _git("ls-files", "--error-unmatch", "dagster.yaml", cwd=root):
        return UNKNOWN  # an archive that was unpacked inside somebody else's repository
    return sha


def remote_sha(remote: str, branch: str, root: Path) -> str:
    """Return the SHA of a branch in a remote repository; `unknown` when it cannot be asked."""
    line = _git("ls-remote", "--exit-code", remote, f"refs/heads/{branch}", cwd=root)
    return line.split()[0] if line else UNKNOWN


def _git(*arguments: str, cwd: Path) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
