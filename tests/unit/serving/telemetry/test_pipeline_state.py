"""The service reports how the pipeline beside it is, and a sensor that fails or is gone cannot hide it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from serving.telemetry.pipeline_state import (
    AUTOMATION,
    PROCESSES,
    AutomationState,
    read_pipeline_state,
    tell_automation_state,
)
from tests.bundle_factory import publish

ALERTS = Path(__file__).parents[4] / "infra" / "alerts.yaml"
STALE = AutomationState(
    told="2 stale, 1 asked for",
    stale=2,
    failed=1,
    oldest=("trained_model/logp/rf", "2026-01-02T03:04:05+00:00"),
    last_made="2026-01-02T03:04:06+00:00",
)
UP = {
    "processes": {
        "service": {"state": "running", "restarts": 0, "memory_mb": 180},
        "daemon": {"state": "given up", "restarts": 7, "memory_mb": 0},
    },
    "revision": {"loaded": "0123456789abcdef", "error": "SyntaxError: invalid syntax"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a service, in its home."""
    made = tmp_path / "home" / "service"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def client(tmp_path: Path, folder: Path) -> Iterator[TestClient[Any]]:
    """A running service."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", value=1.0)
    with TestClient(create_app(Settings(poll_seconds=0.02, folder=folder), store)) as client:
        yield client


def gauges(client: TestClient[Any]) -> dict[str, float]:
    """Return the last value of each metric, by its name and its labels."""
    return {
        ",".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def test_since_when_something_is_stale_is_remembered(folder: Path) -> None:
    """From the first look that found it until one that finds nothing, whatever else changes; then it begins again."""
    assert read_pipeline_state(folder).automation is None
    tell_automation_state(folder, None)  # nothing is known, and nothing is written
    assert not (folder / AUTOMATION).exists()
    began = time.time()
    tell_automation_state(folder, STALE)
    first = read_pipeline_state(folder).automation
    assert first is not None
    assert first.stale_since is not None
    assert began <= first.stale_since <= time.time()
    tell_automation_state(folder, STALE.model_copy(update={"stale": 1}))
    assert read_pipeline_state(folder).automation == first.model_copy(update={"stale": 1})
    tell_automation_state(folder, AutomationState(told="nothing is stale"))
    fresh = read_pipeline_state(folder).automation
    assert fresh is not None
    assert fresh.stale_since is None


def test_a_look_that_finds_nothing_new_is_a_sign_of_life(folder: Path) -> None:
    """It changes when the last look was, and nothing that it found."""
    tell_automation_state(folder, STALE)
    found = read_pipeline_state(folder).automation
    os.utime(folder / AUTOMATION, (1, 1))
    assert read_pipeline_state(folder).is_silent
    tell_automation_state(folder, None)
    assert not read_pipeline_state(folder).is_silent
    assert read_pipeline_state(folder).automation == found


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stale": "many"}', "null"])
def test_files_that_are_damaged_say_nothing(folder: Path, content: str) -> None:
    """The service is not to fail by what the pipeline writes."""
    for path in (folder / AUTOMATION, folder.parent / PROCESSES):
        path.write_text(content, encoding="utf-8")
    state = read_pipeline_state(folder)
    assert state.automation is None
    assert not state.processes
    assert not state.is_silent


def test_metrics_and_page_tell_how_the_pipeline_is(client: TestClient[Any], folder: Path) -> None:
    """Looks, stale assets, the revision and each process; without their files nothing of it is there."""
    assert not [
        name for name in gauges(client) if name.startswith(("aidrug_automation", "aidrug_process_", "aidrug_rev"))
    ]
    assert "Pipeline" not in client.get("/operations").text
    tell_automation_state(folder, STALE)
    (folder.parent / PROCESSES).write_text(json.dumps(UP), encoding="utf-8")
    found = gauges(client)
    assert found["aidrug_automation_stale_assets"] == 2
    assert found["aidrug_automation_failed_assets"] == 1
    assert abs(found["aidrug_automation_last_look_timestamp_seconds"] - time.time()) < 60
    assert abs(found["aidrug_automation_stale_since_timestamp_seconds"] - time.time()) < 60
    assert found["aidrug_automation_last_made_timestamp_seconds"] == 1767323046
    assert found["aidrug_automation_oldest_stale_timestamp_seconds"] == 1767323045
    assert (found["aidrug_process_up,service"], found["aidrug_process_up,daemon"]) == (1, 0)
    assert found["aidrug_process_restarts,daemon"] == 7
    assert found["aidrug_process_memory_bytes,service"] == 180e6
    assert found["aidrug_revision_does_not_load"] == 1
    page = client.get("/operations").text
    for words in ("2 stale, 1 asked for", "trained_model/logp/rf", "given up", "0123456789ab", "SyntaxError"):
        assert words in page
    os.utime(folder / AUTOMATION, (1, 1))
    assert "alarming" in client.get("/operations").text


def test_alerts_ask_for_metrics_that_there_are(client: TestClient[Any], folder: Path) -> None:
    """Every name in the file of alerts is one that a service with a pipeline beside it gives."""
    tell_automation_state(folder, STALE)
    (folder.parent / PROCESSES).write_text(json.dumps(UP), encoding="utf-8")
    given = {name.partition(",")[0] for name in gauges(client)}
    rules = [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"aidrug_\w+", rule["expr"])}
    assert asked
    assert asked <= given
    assert all(rule["annotations"]["summary"].endswith(".") for rule in rules)
