"""The automation looks rarely at rest, and at once where there is reason to."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.test_utils import instance_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from ai_drug_assets.automation import NAME
from ai_drug_assets.execution import look_watch
from ai_drug_assets.execution.look_watch import APART_S, LookWatch, forgive_looks_ahead
from serving.telemetry.pipeline_state import AUTOMATION, AutomationState, tell_automation_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ai_drug_assets.settings import Settings

NOW = 1_800_000_000.0


class Clock:
    """The time of the day, and one that nobody sets."""

    def __init__(self) -> None:
        self.now, self.at = NOW, 5.0

    def __call__(self) -> float:
        """Return the time that it shows."""
        return self.now

    def passes(self, seconds: float) -> float:
        """Let time pass."""
        self.at += seconds
        self.now += seconds
        return self.at


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with a sensor that looked just now."""

    @contextmanager
    def kept(_: object) -> Iterator[dg.DagsterInstance]:
        yield here

    with instance_for_test() as here:
        monkeypatch.setattr(look_watch, "open_instance", kept)
        target = LoadableTargetOrigin(executable_path="python", python_file="x.py")
        place = ManagedGrpcPythonEnvCodeLocationOrigin(target, "here")
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(place, "all"), NAME)
        data = SensorInstigatorData(last_tick_timestamp=NOW, last_tick_start_timestamp=NOW, cursor="kept")
        here.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))
        yield here


def looked(instance: dg.DagsterInstance) -> tuple[float | None, str | None]:
    """Return when the sensor looked last, as Dagster knows it, and its cursor."""
    (state,) = instance.all_instigator_state()
    data = state.instigator_data
    assert isinstance(data, SensorInstigatorData)
    return data.last_tick_start_timestamp, data.cursor


@pytest.mark.parametrize(("ahead_s", "left"), [(3600.0, None), (0.0, NOW)])
def test_a_sensor_that_looked_in_the_future_is_due(
    instance: dg.DagsterInstance, tmp_path: Path, ahead_s: float, left: float | None
) -> None:
    """Nothing would be due before the clock shows the time of the last look again. Its cursor is kept."""
    forgive_looks_ahead(settings_of(tmp_path), NOW - ahead_s)
    assert looked(instance) == (left, "kept")


def test_the_automation_looks_at_once_where_there_is_reason_to(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """A ledger that changes, code that was loaded, and the time that the last look named; not otherwise, and not more
    often than the daemon has its turn.
    """
    settings, clock, loads = settings_of(tmp_path), Clock(), [0]
    watch = LookWatch(settings, lambda: loads[0], clock=clock)

    def asked(seconds: float = APART_S) -> bool:
        watch(clock.passes(seconds))
        (state,) = instance.all_instigator_state()
        data = state.instigator_data
        assert isinstance(data, SensorInstigatorData)
        instance.update_instigator_state(state.with_data(data._replace(last_tick_start_timestamp=clock.now)))
        return data.last_tick_start_timestamp is None

    assert [asked() for _ in range(3)] == [False] * 3
    (settings.folder("ledger", "dataset") / "toy.json").write_text("{}", encoding="utf-8")
    for folder in ("ledger", "ledger/dataset"):  # as if it were a while ago: within a tick a folder may change again
        os.utime(settings.home / folder, (NOW, NOW - 60))
    assert asked(3.0)
    loads[0] += 1
    assert not asked(3.0)  # the daemon had no turn yet
    assert [asked() for _ in range(3)] == [True, True, False]
    tell_automation_state(settings.home / "service", AutomationState(wake=clock.now + 20))
    os.utime(settings.home / "service" / AUTOMATION, (clock.now, clock.now))
    assert [asked() for _ in range(4)] == [False, False, True, True]  # until it has looked
    os.utime(settings.home / "service" / AUTOMATION, (clock.now, clock.now))
    assert not asked()


def settings_of(folder: Path) -> Settings:
    """Return settings of an installation in a folder."""
    from tests.project_factory import project_settings

    return project_settings(folder)
