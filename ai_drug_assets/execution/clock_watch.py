"""A clock that was set back: Dagster's sensors would wait until it shows again the time of their last look."""

from __future__ import annotations

import time
from collections.abc import Callable

from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.execution.progress import Say
from ai_drug_assets.settings import Settings

JUMP_S = 5.0
"""Smaller corrections are made all the time, and delay a look by as much."""


class ClockWatch:
    """Compares the clock with one that nobody sets, and lets the sensors look at once when it was set back.

    Parameters
    ----------
    settings
        Where Dagster keeps its records.
    say
        Told of it.
    clock
        Gives the time in seconds since 1970.
    """

    def __init__(self, settings: Settings, say: Say, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._say, self._clock = settings, say, clock
        self._before: float | None = None

    def __call__(self, at: float) -> None:
        """Look; at the first look too, since the clock may have been set while nobody watched.

        Parameters
        ----------
        at
            The time by a clock that never goes back, in seconds.
        """
        apart = self._clock() - at
        back = 0.0 if self._before is None else self._before - apart
        if self._before is None or back > JUMP_S:
            if back:
                self._say(f"the clock was set back by {back:.0f} s: the automation goes on at once")
            _look_at_once(self._settings, self._clock())
        self._before = apart


def _look_at_once(settings: Settings, now: float) -> None:
    """Let no sensor have looked in the future."""
    from dagster._core.scheduler.instigation import SensorInstigatorData

    with open_instance(settings) as instance:
        for state in instance.all_instigator_state():
            data = state.instigator_data
            if not isinstance(data, SensorInstigatorData):
                continue
            looked = max(data.last_tick_timestamp or 0.0, data.last_tick_start_timestamp or 0.0)
            if looked > now:
                past = data._replace(last_tick_timestamp=None, last_tick_start_timestamp=None)
                instance.update_instigator_state(state.with_data(past))
