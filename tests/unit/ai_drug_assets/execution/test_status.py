"""`aidrug status`: what it says when nothing ran, when something was killed, and when a file is at fault."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from ai_drug_assets.execution.status import status
from ai_drug_assets.execution.supervisor import FILE
from ai_drug_assets.planning.ledger import Failure, Ledger, now
from ai_drug_assets.processes import this_process
from ai_drug_assets.settings import Settings
from serving.telemetry.pipeline_state import AUTOMATION, AutomationState, tell_automation_state
from tests.project_factory import make_project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project that was never run."""
    return make_project(tmp_path / "project")


def test_before_the_first_run(settings: Settings) -> None:
    """Nothing runs, everything is stale, and that is not well."""
    found = status(settings)
    assert not found.is_well
    assert found.processes == {}
    assert found.last_made is None
    assert "trained_model/logp/rf" in found.stale
    assert "`aidrug up` does not run here" in found.as_text()
    json.dumps(found.as_json())


def test_what_a_killed_up_left_is_told(settings: Settings) -> None:
    """Its processes may live on and nobody watches them: it says what to do."""
    dead = {"up": f"{socket.gethostname()}:0:0", "processes": {}}
    (settings.folder() / FILE).write_text(json.dumps(dead), encoding="utf-8")
    assert "was killed" in status(settings).as_text()


def test_an_automation_that_no_longer_looks_is_told(settings: Settings) -> None:
    """Its daemon runs, and its sensor has not come to an end of a look for long: that is not well, and it says so."""
    running = {"process": this_process(), "state": "running", "restarts": 0, "memory_mb": 100}
    report = {"up": this_process(), "processes": {"daemon": running}, "revision": {}}
    (settings.folder() / FILE).write_text(json.dumps(report), encoding="utf-8")
    folder = settings.folder("service")
    tell_automation_state(folder, AutomationState(told="nothing is stale"))
    assert "nothing is stale" in status(settings).as_text()
    assert status(settings).faults == ()
    os.utime(folder / AUTOMATION, (1_700_000_000,) * 2)
    (fault,) = status(settings).faults
    assert "has not looked since 2023-11-14" in fault


def test_failures_and_faults_stand_out(settings: Settings) -> None:
    """A model that failed is named with its reason, an endpoint whose file is at fault with file and key."""
    failure = Failure(signature="0" * 64, error="old", run_id="", at=now())
    Ledger(settings.home / "ledger").record_failure("trained_model/logp/naive", failure)
    path = settings.configs / "endpoints" / "greasy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("champion:", "champoin:"), encoding="utf-8")
    found = status(settings)
    assert found.stale["trained_model/logp/naive"] is None  # it failed under another signature
    assert any("champoin" in fault for fault in found.faults)
    assert not any("greasy" in key for key in found.stale)
