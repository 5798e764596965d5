"""`python -m ai_drug_assets.execution.watched_daemon run ...`: Dagster's daemon, as `aidrug` runs it.

Belongs here: what Dagster's own does not do: end when the clock was set back, so that its supervisor starts it again,
and read the definitions only when they are others.
Does not belong here: when its sensors look (see `look_watch.py`), keeping it running (see `supervisor.py`).

Dagster looks and begins runs only when the clock shows the time of its last turn again. It also reads all definitions
again every minute, of which it learns through the code server within a second anyway: a third of what it does at rest.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from collections.abc import Callable

from dagster._daemon.controller import DagsterDaemonController

from ai_drug_assets.execution.clock_watch import ClockWatch
from ai_drug_assets.execution.look_watch import forgive_looks_ahead
from ai_drug_assets.settings import Settings

EVERY_S = 2.0
READ_S = 900.0


def end_when_set_back(watch: ClockWatch, end: Callable[[], None], every_s: float = EVERY_S) -> None:
    """Look at the clock until it was set back, say so, and end."""
    while not (seconds := watch.set_back_by(time.monotonic())):
        time.sleep(every_s)
    print(  # noqa: T201  the log is where an operator looks
        f"the clock was set back by {seconds:.0f} s: the daemon ends, and is started again", file=sys.stderr, flush=True
    )
    end()


def read_rarely(controller: type[DagsterDaemonController], every_s: float = READ_S) -> None:
    """Let the daemon read definitions that nobody said to be new so often only."""
    read = controller.check_workspace_freshness

    def check(self: DagsterDaemonController, last_workspace_update_time: float) -> float:
        due = time.time() - last_workspace_update_time > every_s
        return read(self, last_workspace_update_time) if due else last_workspace_update_time

    controller.check_workspace_freshness = check  # type: ignore[method-assign]


def main() -> None:
    """Let sensors that looked in the future be due, watch the clock, and be Dagster's daemon."""
    if sys.argv[1:2] == ["run"] and "--help" not in sys.argv:  # the rest is Dagster's to answer, and changes nothing
        forgive_looks_ahead(Settings.from_env(), time.time())
        arguments = (ClockWatch(), lambda: os._exit(1))
        threading.Thread(target=end_when_set_back, args=arguments, name="clock", daemon=True).start()
        read_rarely(DagsterDaemonController)
    runpy.run_module("dagster._daemon", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
