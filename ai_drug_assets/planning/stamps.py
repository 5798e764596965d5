"""Stamps of files: whether anything changed since somebody last looked, without reading a byte.

A stamp holds modification time, size and inode: files here are replaced by renaming, which gives a new inode even
within one tick of the clock.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_zoo.config.files import Configs
from model_zoo.data.sources import DvcSource
from model_zoo.errors import DataError

from ai_drug_assets.settings import Settings

Stamp = tuple[int, int, int]
GONE: Stamp = (0, 0, 0)
TICK_NS = 50_000_000
"""Longer than the resolution of any file system's clock."""


def stamp(path: str | Path) -> Stamp:
    """Return a file's modification time in nanoseconds, its size in bytes and its inode; zeros where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  thousands at a time: a Path costs more than the call
    except OSError:
        return GONE
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def stamps_in(folder: str | Path) -> Iterator[tuple[str, Stamp]]:
    """Yield every file under a folder with its stamp; nothing where there is no folder."""
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


class Folders:
    """Some folders with every one under them: the stamp of each changes when a file in it comes, goes or is replaced.

    A look takes one `stat` for each; a folder is read again only when its stamp is another one.
    """

    def __init__(self, roots: Iterable[str | Path]) -> None:
        self._roots = [str(root) for root in roots]
        self._inner: dict[str, tuple[Stamp, list[str]]] = {}

    def digest(self) -> str:
        """Return one digest of the stamps of all.

        A folder that was changed just now may be changed again within the same tick of the file system's clock: a
        digest then equals no later one.
        """
        at, found, waiting = time.time_ns(), [], self._roots[::-1]
        fresh = False
        while waiting:
            path = waiting.pop()
            mark = stamp(path)
            known = self._inner.get(path)
            if known is None or known[0] != mark:
                known = self._inner[path] = (mark, _folders_in(path))
            found.append((path, mark))
            waiting += known[1]
            if 0 <= at - mark[0] < TICK_NS:
                fresh = True
                del self._inner[path]
        if fresh:
            found.append(("looked at", (at, 0, 0)))
        return _hashed(found)


def _folders_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def digest(found: Iterable[tuple[str, Stamp]]) -> str:
    """Return one digest of many stamps; their order does not matter.

    Examples
    --------
    >>> digest([("a", (1, 2, 3)), ("b", GONE)]) == digest([("b", GONE), ("a", (1, 2, 3))])
    True
    """
    return _hashed(sorted(found))


def _hashed(found: list[tuple[str, Stamp]]) -> str:
    return hashlib.blake2b(repr(found).encode(), digest_size=16).hexdigest()


def source_files(configs: Configs, settings: Settings) -> list[Path]:
    """List the files whose content is in a signature as data: measurements, and DVC's pointers to them."""
    found: list[Path] = []
    for endpoint in configs.endpoints.values():
        source = endpoint.source
        pointers = isinstance(source, DvcSource)
        try:
            paths = source.paths(settings.folder_of(source)).values()
        except DataError:  # a package that is not installed: the catalog says so
            continue
        found += [path.with_name(f"{path.name}.dvc") for path in paths] if pointers else paths
    return list(dict.fromkeys(found))
