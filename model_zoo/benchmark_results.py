"""The results of a benchmark on disk: one small JSON file with an entry per set.

Belongs here: reading it, and replacing one entry so that an interrupted run loses nothing.
Does not belong here: what an entry says (see `benchmark.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_zoo.errors import DataError


def read_results(path: Path) -> list[dict[str, Any]]:
    """Read the results by set, none when there is no file yet.

    Raises
    ------
    DataError
        When the file is not one of results.
    """
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["sets"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected results of a benchmark: {error!r}. Correct or remove the file.") from error


def entry_of(path: Path, name: str) -> dict[str, Any]:
    """Give one set's entry; empty when there is none."""
    return next((item for item in read_results(path) if item["set"] == name), {})


def store_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Replace one set's entry, and the file at once: a killed run leaves the old or the new one."""
    others = [item for item in read_results(path) if item["set"] != entry["set"]]
    content = {"sets": sorted([*others, entry], key=lambda item: str(item["set"]))}
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    scratch.replace(path)
