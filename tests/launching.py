"""Dagster's instance and code location as a container finds them, and a run that is launched there.

Belongs here: what the daemon does with a run that is due. Does not belong here: what launches it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance, DagsterRun
from dagster._core.test_utils import create_run_for_test, in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin


@contextmanager
def launched(job_name: str) -> Iterator[tuple[DagsterInstance, DagsterRun]]:
    """Load Dagster's instance as a container does, and launch a run of a job."""
    origin = LoadableTargetOrigin(executable_path="python", module_name="ai_drug_assets.definitions", attribute="defs")
    with DagsterInstance.get() as instance, in_process_test_workspace(instance, origin) as workspace:
        location = workspace.get_code_location(workspace.code_location_names[0])
        job = next(iter(location.get_repositories().values())).get_full_job(job_name)
        run = create_run_for_test(
            instance,
            job_name=job_name,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
        )
        instance.launch_run(run.run_id, workspace)
        yield instance, run
