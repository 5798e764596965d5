"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, content: bytes) -> None:
    """Replace a file, as `draft_of` does, and make its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(path) as stream:
        stream.write(content)


@contextmanager
def draft_of(path: Path) -> Iterator[BinaryIO]:
    """Open what will replace a file, so that a reader, or a crash, finds the old content or the new, nothing between.

    The draft is beside the file under a name that begins with a dot. It takes the file's place when the block ends,
    and vanishes when that raises.

    Raises
    ------
    OSError
        When the folder is not there, or the disk does not take the content.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(0o644)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    fsync(path.parent)


def fsync(path: Path) -> None:
    """Wait until the disk has a file, or the entries of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
