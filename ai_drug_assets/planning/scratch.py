"""Folders in which something is being made: named after their process, so that those of killed ones are recognised."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from ai_drug_assets.processes import alive, this_process

SCRATCH_DAYS = 1
"""A run takes hours at most."""


def scratch_prefix(kind: str) -> str:
    """Return how the folder of an asset of a kind is named; `tempfile` adds what makes it unique."""
    return f"{kind}-{this_process().replace(':', '~')}-"


def clear_scratch(home: Path, days: float = SCRATCH_DAYS) -> int:
    """Delete the folders of processes that are gone, and any older than some days; give how many."""
    before, count = time.time() - days * 86400, 0
    for folder in (home / "scratch").glob("*/"):
        with suppress(OSError):  # its owner may remove it meanwhile
            process = folder.name.rpartition("-")[0].partition("-")[2].replace("~", ":")
            if folder.stat().st_mtime < before or (process.count(":") == 2 and not alive(process)):
                shutil.rmtree(folder)
                count += 1
    return count
