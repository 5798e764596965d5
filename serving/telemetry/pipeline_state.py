"""How the pipeline beside this service is, as its files say: the automation's looks, the processes of `aidrug up`.

Belongs here: both files, and what of them calls for somebody.
Does not belong here: deciding anything by them. A file that is missing or damaged says nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from model_zoo.io.files import atomic_write
from model_zoo.type_aliases import Json

AUTOMATION, PROCESSES = "automation.json", "up.json"
"""In the folder of the service, which containers share, and in the home."""
SILENT_S = 600.0
"""A look comes every ten seconds, and takes some itself."""


class AutomationState(BaseModel):
    """What the automation's last look found."""

    model_config = ConfigDict(frozen=True)

    told: str = ""
    """In words."""
    stale: int = 0
    failed: int = 0
    """`stale` and `failed`: how many assets are stale, and how many of these failed under what they are to be made
    from."""
    stale_since: float | None = None
    """Since when something has been stale without a break, in seconds since 1970; none where nothing is."""
    oldest: tuple[str, str] | None = None
    """The stale asset that was made longest ago, and when, ISO 8601; none where nothing is, or it was never made."""
    last_made: str | None = None
    """When an asset was last made, ISO 8601; none before the first."""
    wake: float | None = None
    """When it wants to look again although no file changed, in seconds since 1970."""


@dataclass(frozen=True)
class PipelineState:
    """How the pipeline is."""

    automation: AutomationState | None = None
    """What its last look found; none before the first."""
    looked: float | None = None
    """When that was, in seconds since 1970."""
    processes: Mapping[str, Mapping[str, Any]] | None = None
    """By name what `aidrug up` says of each: `state`, `restarts`, `memory_mb`; empty where none runs."""
    revision: Mapping[str, Any] | None = None
    """What it says of the revision: `loaded`, and `error` where the newest does not load."""

    @property
    def silent_s(self) -> float | None:
        """For how long the automation has not looked, in seconds; none before its first look."""
        return None if self.looked is None else max(0.0, time.time() - self.looked)

    @property
    def is_silent(self) -> bool:
        """Whether the automation has not looked for so long that something is wrong with it."""
        return (self.silent_s or 0.0) > SILENT_S


def read_pipeline_state(folder: Path | None) -> PipelineState:
    """Read how the pipeline is."""
    if folder is None:
        return PipelineState()
    up = _json(folder.parent / PROCESSES)
    path = folder / AUTOMATION
    try:
        return PipelineState(
            AutomationState.model_validate_json(path.read_bytes()),
            path.stat().st_mtime,
            up.get("processes", {}),
            up.get("revision", {}),
        )
    except (OSError, ValidationError):
        return PipelineState(processes=up.get("processes", {}), revision=up.get("revision", {}))


def tell_automation_state(folder: Path, state: AutomationState | None) -> None:
    """Write what a look found; of one that found nothing new only that it was.

    Parameters
    ----------
    folder
        The folder of the service.
    state
        What was found; what was stale before has been so without a break. None for nothing new.
    """
    path = folder / AUTOMATION
    if state is None:
        if path.exists():
            os.utime(path)
        return
    if state.stale:
        before = read_pipeline_state(folder).automation
        since = before.stale_since if before and before.stale_since else time.time()
        state = state.model_copy(update={"stale_since": since})
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(path, state.model_dump_json().encode())


def seconds(at: str | None) -> float:
    """Return a time as the ledger writes it in seconds since 1970; zero for none."""
    return datetime.fromisoformat(at).timestamp() if at else 0.0


def _json(path: Path) -> dict[str, Json]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
