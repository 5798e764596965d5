"""What `infra/ecs/monitoring.tf` counts in the log is what Dagster prints when a run fails or is lost."""

from __future__ import annotations

import json
import logging
import re
import time
from unittest import mock

import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterRunStatus, GraphDefinition, op
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.test_utils import create_run_for_test, instance_for_test
from dagster._daemon.monitoring import run_monitoring

from tests.infra.terraform_stack import ROOT


def lines_counted(metric: str, text: str) -> list[str]:
    """List the lines that a metric filter counts: those with all words of its pattern, with any when `?` is before."""
    made = (ROOT / "infra" / "ecs" / "monitoring.tf").read_text(encoding="utf-8")
    (quoted,) = re.findall(rf'^ +{metric} = .* pattern = ("(?:\\.|[^"\\])*") ', made, re.MULTILINE)
    words = re.findall(r'(\??)"([^"]+)"', json.loads(quoted))
    enough = any if words[0][0] else all
    return [line for line in text.splitlines() if enough(word in line for _, word in words)]


def test_a_failed_run_is_counted_and_another_one_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    """Once for a run in which a step failed, not at all for one that was made."""

    @op
    def breaks() -> None:
        raise ValueError("does not converge")

    @op
    def works() -> None:
        pass

    for step, times in ((breaks, 1), (works, 0)):
        GraphDefinition("made", node_defs=[step]).to_job().execute_in_process(raise_on_error=False)
        printed = "".join(capfd.readouterr())
        assert "RUN_START" in printed
        assert len(lines_counted("RunsFailed", printed)) == times, printed
        assert not lines_counted("RunsLost", printed)


@pytest.mark.parametrize("event", [DagsterEventType.RUN_START, DagsterEventType.RUN_STARTING])
def test_a_lost_run_is_counted(event: DagsterEventType, caplog: pytest.LogCaptureFixture) -> None:
    """The daemon's line, when the task ended under a run, and when none came for it in time."""
    launcher = mock.Mock(supports_check_run_worker_health=True, supports_resume_run=False)
    launcher.check_run_worker_health.return_value = CheckRunHealthResult(WorkerStatus.FAILED, "exit code 137")
    launcher.get_run_worker_debug_info.return_value = "OutOfMemoryError: container killed"
    daemon = logging.getLogger("dagster.daemon.MonitoringDaemon")
    settings = {"run_monitoring": {"enabled": True, "start_timeout_seconds": 900}}
    with instance_for_test(overrides=settings) as instance, caplog.at_level(logging.INFO, daemon.name):
        run = create_run_for_test(instance, status=DagsterRunStatus.NOT_STARTED)
        instance.report_dagster_event(DagsterEvent(event.value, run.job_name), run.run_id)
        (record,) = instance.get_run_records()
        with mock.patch.object(instance, "_run_launcher", launcher):
            if event is DagsterEventType.RUN_START:
                run_monitoring.monitor_started_run(instance, mock.Mock(), record, daemon)
            else:
                with mock.patch.object(run_monitoring, "get_current_timestamp", return_value=time.time() + 901):
                    run_monitoring.monitor_starting_run(instance, record, daemon)
        (after,) = instance.get_runs()

    assert after.status is DagsterRunStatus.FAILURE
    assert len(lines_counted("RunsLost", caplog.text)) == 1, caplog.text
