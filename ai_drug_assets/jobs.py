"""Jobs and schedules: stable targets that people and schedules name.

Belongs here: the job that makes everything, and the maintenance of Dagster's own records.
Does not belong here: when to retrain (see `automation.py`).
"""

from collections.abc import Collection
from typing import Any

import dagster as dg

from ai_drug_assets import keys
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.operations import maintenance
from ai_drug_assets.tracking import Tracking

ALL_ASSETS = "all_assets"
RETRAINING = "retraining"
REVIEW = "review"
MAINTENANCE = "maintenance"
BACKUP = "backup"


def build_jobs(asset_context: AssetContext, present: Collection[str] | None = None) -> list[Any]:
    """Make the jobs; where only some assets are `present`, those that make any of them."""
    retrained = [key for key in asset_context.catalog.nodes if present is None or key in present]
    reviewed = [f"monitoring/{name}" for name in asset_context.catalog.configs.endpoints]
    reviewed = [key for key in reviewed if present is None or key in present]
    # In the run's own process, where there is one: most of these runs make one model, and killing the run
    # ends the training.
    inside = dg.in_process_executor if asset_context.settings.executor == "processes" else None
    some = [
        dg.define_asset_job(
            RETRAINING,
            selection=dg.AssetSelection.assets(*map(keys.asset_key, retrained)),
            description="What the automation asks for: some assets, in order.",
            executor_def=inside,
        ),
        dg.define_asset_job(
            REVIEW,
            selection=dg.AssetSelection.assets(*map(keys.asset_key, reviewed)),
            description="How every champion does in use.",
            executor_def=dg.in_process_executor,
        ),
    ]
    return [
        *(job for job, wanted in zip(some, (retrained, reviewed), strict=True) if wanted),
        dg.define_asset_job(
            ALL_ASSETS, selection=dg.AssetSelection.all(), description="Every asset of every endpoint, in order."
        ),
        _maintenance_job(asset_context),
        *([_backup_job(asset_context)] if asset_context.settings.backup else []),
    ]


def build_schedules(asset_context: AssetContext) -> list[dg.ScheduleDefinition]:
    """Make the schedules."""
    nightly_backup = dg.ScheduleDefinition(
        name="nightly_backup",
        job_name=BACKUP,
        cron_schedule="47 2 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Writes a snapshot of the whole state to AIDRUG_BACKUP every night.",
    )
    return [
        *([nightly_backup] if asset_context.settings.backup else []),
        dg.ScheduleDefinition(
            name="nightly_review",
            job_name=REVIEW,
            cron_schedule="47 3 * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Reviews every champion in use, every night.",
        ),
        dg.ScheduleDefinition(
            name="nightly_maintenance",
            job_name=MAINTENANCE,
            cron_schedule="17 3 * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Prunes old runs, event logs, ticks and unused files every night.",
        ),
    ]


def _maintenance_job(asset_context: AssetContext) -> dg.JobDefinition:
    @dg.op(config_schema={}, description="Delete what is older than the retention and no longer needed.")
    def prune(context: dg.OpExecutionContext, tracking: dg.ResourceParam[Tracking]) -> dict[str, int]:
        counts = {
            "abandoned_runs": maintenance.close_abandoned_runs(context.instance),
            "abandoned_mlflow_runs": tracking.close_abandoned(),
            "runs": maintenance.prune_runs(context.instance, keep=context.run_id),
            "ticks": maintenance.prune_ticks(context.instance),
            "predictions": maintenance.prune_record(asset_context.settings.home),
            "files": maintenance.prune_files(asset_context.catalog, asset_context.ledger),
            "replaced": maintenance.prune_replaced(asset_context.settings.home),
            "feature_files": maintenance.prune_features(asset_context.settings),
            "bytes_compacted": maintenance.compact_databases(
                context.instance, asset_context.settings, keep=context.run_id
            ),
        }
        context.add_output_metadata(counts)
        return counts

    @dg.job(name=MAINTENANCE, executor_def=dg.in_process_executor, description="Prune old records and unused files.")
    def job() -> None:
        prune()

    return job


def _backup_job(asset_context: AssetContext) -> dg.JobDefinition:
    @dg.op(config_schema={}, description="Write a snapshot of the whole state.")
    def snapshot(context: dg.OpExecutionContext) -> str:
        from ai_drug_assets.operations.backup import back_up

        place = asset_context.settings.backup
        assert place is not None
        return back_up(asset_context.settings, place, context.log.info)

    @dg.job(name=BACKUP, executor_def=dg.in_process_executor, description="Back the whole state up.")
    def job() -> None:
        snapshot()

    return job
