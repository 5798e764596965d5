"""Stamps of files: whether anything changed since somebody last looked, without reading a byte.

A stamp holds modification time, size and inode: files here are replaced by renaming, which gives a new inode even
within one tick of the clock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_zoo.config.files import Configs
from model_zoo.data.sources import DvcSource
from model_zoo.errors import DataError

from ai_drug_assets.settings import Settings

Stamp = tuple[int, int, int]
GONE: Stamp = (0, 0, 0)


def stamp(path: str | Path) -> Stamp:
    """Give a file's modification time in nanoseconds, its size in bytes and its inode; zeros where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  thousands at a time: a Path costs more than the call
    except OSError:
        return GONE
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def stamps_in(folder: str | Path) -> Iterator[tuple[str, Stamp]]:
    """Give every file under a folder with its stamp; nothing where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from stamps_in(entry.path)
                elif entry.name[0] != ".":
                    found = entry.stat()
                    yield entry.path, (found.st_mtime_ns, found.st_size, found.st_ino)
    except OSError:  # a file that was replaced while we looked shows at the next look
        return


def folders_in(folder: str | Path) -> Iterator[tuple[str, Stamp]]:
    """Give a folder and every one under it: the stamp of each changes when a file in it comes or goes."""
    yield str(folder), stamp(folder)
    try:
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in inner:
        yield from folders_in(path)


def digest(found: Iterable[tuple[str, Stamp]]) -> str:
    """Give one digest of many stamps; their order does not matter.

    Examples
    --------
    >>> digest([("a", (1, 2, 3)), ("b", GONE)]) == digest([("b", GONE), ("a", (1, 2, 3))])
    True
    """
    return hashlib.blake2b(repr(sorted(found)).encode(), digest_size=16).hexdigest()


def source_files(configs: Configs, settings: Settings) -> list[Path]:
    """List the files whose content stands in a signature as data: measurements, and DVC's pointers to them."""
    found: list[Path] = []
    for endpoint in configs.endpoints.values():
        source = endpoint.source
        pointers = isinstance(source, DvcSource)
        try:
            paths = source.paths(settings.root).values()
        except DataError:  # a package that is not installed: the catalog says so
            continue
        found += [path.with_name(f"{path.name}.dvc") for path in paths] if pointers else paths
    return list(dict.fromkeys(found))
