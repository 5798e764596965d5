"""The pointer that a service followed last, kept beside its other state: a restart knows what came before.

All workers of a service write the same file, each after it began to serve a pointer; it is replaced at once, and one
that is slow does not put an older pointer of the lineage over a newer one. It is a memory and no state: where it cannot
be read the service begins without one, where it cannot be written (a disk that is full, or read-only) it continues, and
`/health/ready` says that a restart will not know.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from model_zoo.bundles.pointer import Pointer, PointerError, parse_pointer
from model_zoo.io.digests import content_digest
from model_zoo.io.files import atomic_write

logger = logging.getLogger(__name__)


class Remembered:
    """The file.

    Attributes
    ----------
    kept
        Whether the last pointer that was followed is in it.
    """

    def __init__(self, folder: Path | None, store: str) -> None:
        self._path = None if folder is None else folder / f"followed-{content_digest(store.encode())[:12]}.json"
        self.kept = False

    def read(self) -> tuple[Pointer | None, bytes | None]:
        """Return the pointer that was followed last, and its bytes; none where nobody knows."""
        if self._path is None:
            return None, None
        try:
            content = self._path.read_bytes()
            pointer = parse_pointer(content)
        except FileNotFoundError:
            return None, None
        except (OSError, PointerError) as error:
            logger.warning("which pointer was followed before is not known: %s", error)
            return None, None
        self.kept = True
        return pointer, content

    def keep(self, pointer: Pointer, content: bytes) -> None:
        """Keep a pointer that is followed now, as its bytes are."""
        if self._path is None:
            return
        with suppress(OSError, PointerError):
            before = parse_pointer(self._path.read_bytes())
            if before.lineage == pointer.lineage and before.generation >= pointer.generation:
                self.kept = before == pointer or before.generation > pointer.generation
                return
        try:
            atomic_write(self._path, content)
        except OSError as error:
            self.kept = False
            logger.warning("a restart will not know which pointer was followed: %s", error)
        else:
            self.kept = True
