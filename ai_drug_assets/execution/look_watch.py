"""When the automation's sensor looks under `aidrug up`: once a minute at rest, and at once where there is reason to.

A tick of a sensor costs Dagster a quarter of a second of processor time in three processes, whatever the sensor does.
Reasons are a ledger that changed, code that was loaded, and a time that the last look named.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from serving.telemetry.pipeline_state import read_pipeline_state

from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.planning.stamps import Folders
from ai_drug_assets.settings import Settings

EVERY_S = 2.0
APART_S = 8.0
"""Between two looks that are asked for; the daemon has its turn every five seconds."""


class LookWatch:
    """Lets the sensors look at once when there is reason to."""

    def __init__(
        self,
        settings: Settings,
        loads: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._loads, self._clock = settings, loads, clock
        self._ledger = Folders([settings.home / "ledger"])
        self._seen: tuple[str, int] | None = None
        self._next, self._asked = 0.0, -APART_S
        self._wanted: float | None = None
        self._twice = False

    def __call__(self, at: float) -> None:
        """Look, if it is time.

        Parameters
        ----------
        at
            The time by a clock that never goes back, in seconds.
        """
        if at < self._next:
            return
        self._next = at + EVERY_S
        seen, before = (self._ledger.digest(), self._loads()), self._seen
        self._seen = seen
        if before is not None and seen != before:
            self._wanted, self._twice = at, True  # what was loaded just now may come too late for the first
        elif self._wanted is None and self._is_due():
            self._wanted = at
        if self._wanted is None or at < max(self._wanted, self._asked + APART_S):
            return
        _look_at_once(self._settings, self._clock(), always=True)
        self._asked, self._wanted, self._twice = at, at + APART_S if self._twice else None, False

    def _is_due(self) -> bool:
        """Return whether the time has come that the last look named."""
        state = read_pipeline_state(self._settings.home / "service")
        if state.automation is None or state.looked is None or state.automation.wake is None:
            return False
        return state.looked < state.automation.wake <= self._clock()


def forgive_looks_ahead(settings: Settings, now: float) -> None:
    """Let any sensor be due that looked in the future: before a clock was set back."""
    _look_at_once(settings, now, always=False)


def _look_at_once(settings: Settings, now: float, *, always: bool) -> None:
    """Let the automation's sensor be due, where that is asked for, and any that looked in the future."""
    from dagster._core.scheduler.instigation import SensorInstigatorData

    from ai_drug_assets.automation import NAME

    with open_instance(settings) as instance:
        for state in instance.all_instigator_state():
            data = state.instigator_data
            if not isinstance(data, SensorInstigatorData):
                continue
            looked = max(data.last_tick_timestamp or 0.0, data.last_tick_start_timestamp or 0.0)
            if looked > now or (looked and always and state.name == NAME):
                past = data._replace(last_tick_timestamp=None, last_tick_start_timestamp=None)
                instance.update_instigator_state(state.with_data(past))
