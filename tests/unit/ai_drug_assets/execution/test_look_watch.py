"""The automation looks rarely at rest, and at once where there is reason to; a clock that is set back stops nothing."""

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
from ai_drug_assets.execution.look_watch import APART_S, LookWatch
from serving.telemetry.pipeline_state import AUTOMATION, AutomationState, tell_automation_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ai_drug_assets.settings import Settings

NOW = 1_800_000_000.0


class Clock:
    """A clock that is set, and one that is not."""

    def __init__(self) -> None:
        self.now, self.at = NOW, 5.0

    def __call__(self) -> float:
        """Give the time that it shows."""
        return self.now

    def passes(self, seconds: float, *, set_by: float = 0.0) -> float:
        """Let time pass, and set the clock."""
        self.at += seconds
        self.now += seconds + set_by
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
    """Give when the sensor looked last, as Dagster knows it, and its cursor."""
    (state,) = instance.all_instigator_state()
    data = state.instigator_data
    assert isinstance(data, SensorInstigatorData)
    return data.last_tick_start_timestamp, data.cursor


def test_sensors_look_at_once_when_the_clock_was_set_back(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """By an hour: nothing is due before the clock shows the time of the last look again. Its cursor is kept."""
    clock, said, restarts = Clock(), list[str](), list[float]()
    watch = LookWatch(settings_of(tmp_path), said.append, restart=lambda: restarts.append(clock.at), clock=clock)
    for _ in range(3):
        watch(clock.passes(3.0))
        assert looked(instance) == (NOW, "kept")
    watch(clock.passes(3.0, set_by=7200.0))  # forward: whatever is due is due
    assert looked(instance) == (NOW, "kept")
    watch(clock.passes(3.0, set_by=-7200.0 - 3600.0))
    assert looked(instance) == (None, "kept")
    assert restarts == [clock.at]  # the daemon, whose other parts wait just so
    assert said == ["the clock was set back by 10800 s: the automation goes on at once"]


def test_a_clock_that_was_set_back_before_is_noticed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """The first look finds a sensor that looked in the future."""
    clock = Clock()
    clock.now -= 3600.0
    LookWatch(settings_of(tmp_path), list[str]().append, clock=clock)(clock.at)
    assert looked(instance) == (None, "kept")


def test_the_automation_looks_at_once_where_there_is_reason_to(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """A ledger that changes, code that was loaded, and the time that the last look named; not otherwise, and not more
    often than the daemon has its turn.
    """
    settings, clock, loads = settings_of(tmp_path), Clock(), [0]
    watch = LookWatch(settings, list[str]().append, lambda: loads[0], clock=clock)

    def asked(seconds: float = APART_S) -> bool:
        watch(clock.passes(seconds))
        (state,) = instance.all_instigator_state()
        data = state.instigator_data
        assert isinstance(data, SensorInstigatorData)
        instance.update_instigator_state(state.with_data(data._replace(last_tick_start_timestamp=clock.now)))
        return data.last_tick_start_timestamp is None

    assert [asked() for _ in range(3)] == [False] * 3
    (settings.folder("ledger", "dataset") / "toy.json").write_text("{}", encoding="utf-8")
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
    """Give settings of an installation in a folder."""
    from tests.project_factory import project_settings

    return project_settings(folder)
