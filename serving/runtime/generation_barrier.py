"""Several workers change over to a new table of champions together.

Each worker has a place in a small file that all map into memory: its process and the newest generation that it has
loaded. One that has loaded a generation serves it when every other worker that is alive has loaded it too; so clients
that are answered by different workers do not see a champion come, go and come again. No clock is compared.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_PLACE = struct.Struct("=qq")
LONGEST_WAIT_SECONDS = 5.0
"""After that a worker goes ahead alone: one that is stuck must not keep the others from a better model."""
LOOK_SECONDS = 0.005


class GenerationBarrier:
    """One worker's place among the others."""

    def __init__(self, path: Path, worker: int, workers: int) -> None:
        self._worker, self._workers = worker, workers
        with path.open("a+b") as file:
            if os.fstat(file.fileno()).st_size < workers * _PLACE.size:
                os.ftruncate(file.fileno(), workers * _PLACE.size)
            self._map = mmap.mmap(file.fileno(), workers * _PLACE.size)
        self._served = False
        self._write(-1)

    def wait(self, generation: int) -> None:
        """Report that a generation is loaded, and wait until the others have it too; the first one serves at once."""
        self._write(generation)
        if not self._served:
            self._served = True
            return
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        while not self._agreed(generation) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)

    def _agreed(self, generation: int) -> bool:
        places = (_PLACE.unpack_from(self._map, number * _PLACE.size) for number in range(self._workers))
        return all(loaded >= generation or not _is_alive(process) for process, loaded in places)

    def _write(self, generation: int) -> None:
        _PLACE.pack_into(self._map, self._worker * _PLACE.size, os.getpid(), generation)


def _is_alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
