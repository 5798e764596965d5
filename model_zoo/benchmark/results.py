"""The results of a benchmark on disk: one small JSON file with an entry per set and board."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from model_zoo.errors import DataError
from model_zoo.io.files import atomic_write
from model_zoo.type_aliases import Json


def read_results(path: Path) -> list[dict[str, Json]]:
    """Read the finished results by set, none when there is no file yet.

    Raises
    ------
    DataError
        When the file is not one of results.
    """
    return [entry for entry in _entries(path) if entry["signature"]]


def entry_of(path: Path, name: str, board: str) -> dict[str, Json]:
    """Return one set's entry on a board, finished or not; empty when there is none."""
    return next((item for item in _entries(path) if (item["set"], item["board"]) == (name, board)), {})


def mark_stale(path: Path, stale: Collection[tuple[str, str]]) -> None:
    """Say in each finished entry whether it is stale: by set and board; replaced, an entry is not."""
    entries = _entries(path)
    for entry in entries:
        entry.pop("stale", None)
        if _place(entry) in stale and entry["signature"]:
            entry["stale"] = True
    _write(path, entries)


def store_entry(path: Path, entry: Mapping[str, Json]) -> None:
    """Replace one set's entry on its board, and the file at once: a killed run leaves the old or the new one.

    An entry without a signature is unfinished and is apart, so that `sets` holds whole results only.
    """
    others = [item for item in _entries(path) if _place(item) != _place(entry)]
    _write(path, sorted([*others, entry], key=_place))


def _write(path: Path, entries: Sequence[Mapping[str, Json]]) -> None:
    content = {"sets": [item for item in entries if item["signature"]]}
    if unfinished := [item for item in entries if not item["signature"]]:
        content["unfinished"] = unfinished
    atomic_write(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _place(entry: Mapping[str, Json]) -> tuple[str, str]:
    return str(entry["set"]), str(entry["board"])


def _entries(path: Path) -> list[dict[str, Json]]:
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [*content["sets"], *content.get("unfinished", [])]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected results of a benchmark: {error!r}. Correct or remove the file.") from error
