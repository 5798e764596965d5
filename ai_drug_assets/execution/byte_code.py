"""Byte code that is what the sources say: signatures are computed from sources, and Python runs byte code.

An edit that keeps a file's size and time stamp (a revert within the second, a copy that restores times) leaves byte
code that counts as current: the plan would say that code changed, and the run would train the old code and label it as
the new. Byte code that carries its source's hash is compared with it at each import, in every process, and Python
replaces it by such again. What has no byte code yet gets some of the other kind, which the next process replaces.
"""

from __future__ import annotations

import contextlib
import py_compile
import sys
from importlib.util import cache_from_source
from pathlib import Path

HEADER = 8
BY_HASH, CHECKED = 0b01, 0b10


def check_sources(folder: Path) -> int:
    """Make Python compare the modules of a folder with their sources; give how many it would have trusted.

    Where byte code may not be written, what would have been trusted is removed; where neither can be done, nobody can
    have edited the sources.
    """
    trusted = [source for source in folder.rglob("*.py") if _is_trusted(Path(cache_from_source(str(source))))]
    for source in trusted:
        with contextlib.suppress(OSError):
            Path(cache_from_source(str(source))).unlink(missing_ok=True)
            if not sys.dont_write_bytecode:
                py_compile.compile(str(source), quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    return len(trusted)


def _is_trusted(path: Path) -> bool:
    """Return whether a file of byte code is there, and is not compared with the content of its source."""
    try:
        with path.open("rb") as file:
            header = file.read(HEADER)
    except OSError:
        return False
    return int.from_bytes(header[4:], "little") != BY_HASH | CHECKED
