"""Automation: the one owner of retraining.

Belongs here: when Dagster requests an asset by itself, and the sensor that evaluates it.
Does not belong here: noticing a new Git revision (see `sensors.py`: it reloads the code, this retrains).

The latch `(something changed).since(requested)` keeps a wish until it is granted, and grants it once: a failing model
does not loop, because only a *new* change sets the latch again. `newly_true()` rather than the bare state for the same
reason; no `initial_evaluation` in the reset, so that a newly added model fires. The states `outdated` and
`judged_otherwise` do two things. What is so at the first evaluation counts as new: a revision that is loaded before the
automation first looks is not lost (the built-in `code_version_changed` compares with its own previous look). And a wish
lapses that somebody else granted in the meantime (the command line, the UI).
"""

from __future__ import annotations

from typing import Any

import dagster as dg

NIGHTLY = "47 3 * * *"
Condition = dg.AutomationCondition[Any]


class Outdated(dg.AutomationCondition[dg.AssetKey]):
    """True while the latest materialisation was made from another code version than the one loaded now."""

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Compare the code version of the latest materialisation with the asset's own."""
        view = context.asset_graph_view
        made = view.instance.get_latest_materialization_code_versions([context.key])[context.key]
        wanted = context.asset_graph.get(context.key).code_version
        return dg.AutomationResult(context, context.get_empty_subset() if made == wanted else context.candidate_subset)

    @property
    def name(self) -> str:
        """The name shown in the UI."""
        return "outdated"


class JudgedOtherwise(dg.AutomationCondition[dg.AssetKey]):
    """True while the latest materialisation was made from other data versions of its inputs than they have now."""

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Compare the input versions that the latest materialisation recorded with those of the inputs."""
        inputs = context.asset_graph.get(context.key).parent_keys
        records = context.asset_graph_view.instance.get_asset_records([context.key, *inputs])
        entries = {record.asset_entry.asset_key: record.asset_entry.last_materialization_record for record in records}
        tags = {key: entry.event_log_entry.tags or {} for key, entry in entries.items() if entry is not None}
        used = tags.get(context.key, {})
        differs = any(
            tags[key].get("dagster/data_version") != used.get(f"dagster/input_data_version/{key.to_user_string()}")
            for key in inputs
            if key in tags
        )
        return dg.AutomationResult(context, context.candidate_subset if differs else context.get_empty_subset())

    @property
    def name(self) -> str:
        """The name shown in the UI."""
        return "judged_otherwise"


def _wish(*changes: Condition) -> Condition:
    changed = Outdated().newly_true() | dg.AutomationCondition.code_version_changed()
    for change in changes:
        changed = changed | change
    return changed.since(dg.AutomationCondition.newly_requested())


def making_condition() -> Condition:
    """Request a dataset, features or trained model: its signature changed, and nobody else has made it.

    Upstream assets whose signature changed with it are requested in the same tick and so run in the same run. When
    that run fails upstream, the wish is spent; it revives when somebody repairs the upstream asset alone.
    """
    repaired = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.newly_updated() & ~dg.AutomationCondition.executed_with_root_target()
    )
    ready = dg.AutomationCondition.all_deps_match(
        ~dg.AutomationCondition.missing() | dg.AutomationCondition.will_be_requested()
    )
    return (
        _wish(repaired)
        & Outdated()
        & ready
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.any_deps_in_progress()
    ).with_label("its signature changed")


def judging_condition(levels: int) -> Condition:
    """Request a leaderboard, champion or the service: what it judges is settled and differs from before.

    It waits until nothing upstream runs or is about to, in a run of its own: in the same run, one model whose
    training fails would take the leaderboard down with it. Upstream means all `levels` above it: its signature
    changes together with a model's, and its own inputs are at rest until that model has been trained.
    """
    pending = dg.AutomationCondition.in_progress() | dg.AutomationCondition.will_be_requested()
    unsettled = dg.AutomationCondition.any_deps_match(pending)
    for _ in range(levels - 1):
        unsettled = dg.AutomationCondition.any_deps_match(pending | unsettled)
    return (
        _wish(
            JudgedOtherwise().newly_true(),
            dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed()),
        )
        & (Outdated() | JudgedOtherwise())
        & dg.AutomationCondition.any_deps_match(~dg.AutomationCondition.missing())
        & ~unsettled
        & ~dg.AutomationCondition.in_progress()
    ).with_label("what it judges changed")


def nightly_condition() -> Condition:
    """Request what reviews a champion in use: every night, once there is a champion."""
    return (
        dg.AutomationCondition.cron_tick_passed(NIGHTLY)
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("a night has passed")


def condition_for(kind: str) -> Condition:
    """Give the automation condition of a kind of asset."""
    levels = {"leaderboard": 3, "champion_model": 4, "inference_service": 5}.get(kind)
    return making_condition() if levels is None else judging_condition(levels)


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Make the sensor that evaluates the conditions, running from the start.

    In the code server, because `Outdated` is ours.
    """
    return dg.AutomationConditionSensorDefinition(
        "retrain_what_changed",
        target=dg.AssetSelection.all(),
        use_user_code_server=True,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description="Requests assets whose signature or inputs changed; the one owner of retraining.",
    )
