"""Which threads the system lets go first."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

GIVEN_WAY = 5
"""A third of the time of the event loop, where both want a core. With 19 an attacked neighbour waits less; but the
system weighs a thread against all processes of a machine: beside models that train, jobs would hardly advance."""


def give_way() -> None:
    """Let the other threads of the process go first from now on, where the system schedules threads separately."""
    if sys.platform == "linux":  # elsewhere the number of a thread may be that of another process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GIVEN_WAY)
