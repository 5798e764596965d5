"""The disk and the clock of a stack, which a fault can spoil: by a small library that is preloaded (see `shim.c`)."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
WELL, FULL, READ_ONLY = range(3)


class Host:
    """What the processes of a stack see of their machine.

    Parameters
    ----------
    folder
        Where the library and what steers it lie.
    home
        The folder whose disk can be spoilt.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._control, self._library = folder / "host", folder / "shim.so"
        self._home = home
        self._disk, self._shift = WELL, 0
        self.compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        self._write()
        if self.compiler:
            arguments = [self.compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run(arguments, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to see that; nothing where there is no compiler."""
        if not self.compiler:
            return {}
        paths = {"AIDRUG_CHAOS_CONTROL": self._control, "AIDRUG_CHAOS_HOME": self._home, "LD_PRELOAD": self._library}
        return {name: str(path) for name, path in paths.items()}

    def set_disk(self, state: int) -> None:
        """Let the disk under the home be well, full or read-only."""
        self._disk = state
        self._write()

    def set_clock(self, seconds: int) -> None:
        """Set the clock by so many seconds, forward or back, beside what it was set by before."""
        self._shift += seconds
        self._write()

    def _write(self) -> None:
        with self._control.open("r+b" if self._control.exists() else "wb") as control:  # in place: it is mapped
            control.write(struct.pack("qq", self._disk, self._shift))
