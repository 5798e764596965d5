"""`python -m ai_drug_assets.execution.watched_daemon run ...`: Dagster's daemon, which ends when the clock is set back.

Belongs here: what a container's daemon needs where no `aidrug up` watches it. Who keeps the container starts it again.
Does not belong here: why (see `look_watch.py`).
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from collections.abc import Callable

from ai_drug_assets.execution.clock_watch import ClockWatch
from ai_drug_assets.execution.look_watch import forgive_looks_ahead
from ai_drug_assets.settings import Settings

EVERY_S = 2.0


def end_when_set_back(watch: ClockWatch, end: Callable[[], None], every_s: float = EVERY_S) -> None:
    """Look at the clock until it was set back, say so, and end."""
    while not (seconds := watch.set_back_by(time.monotonic())):
        time.sleep(every_s)
    print(  # noqa: T201  the container's log is where an operator looks
        f"the clock was set back by {seconds:.0f} s: the daemon ends, and begins anew", file=sys.stderr, flush=True
    )
    end()


def main() -> None:
    """Let sensors that looked in the future be due, watch the clock, and be Dagster's daemon."""
    forgive_looks_ahead(Settings.from_env(), time.time())
    arguments = (ClockWatch(), lambda: os._exit(1))
    threading.Thread(target=end_when_set_back, args=arguments, name="clock", daemon=True).start()
    runpy.run_module("dagster._daemon", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
