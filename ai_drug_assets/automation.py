"""Automation: the one owner of retraining.

Belongs here: when Dagster requests an asset by itself, and the sensor that evaluates it.
Does not belong here: noticing a new Git revision (see `sensors.py`: it reloads the code, this retrains).

The latch `(something changed).since(requested)` keeps a wish until it is granted, and grants it once: a failing model
does not loop, because only a *new* change sets the latch again. `missing().newly_true()` rather than bare
`missing()` for the same reason; no `initial_evaluation` in the reset, so that a newly added model fires. The guard
`outdated` lets a wish lapse that somebody else granted in the meantime (the command line, the UI).
"""

from __future__ import annotations

from typing import Any

import dagster as dg

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


def _inputs_changed() -> Condition:
    return dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())


def _wish(*, or_inputs_changed: bool) -> Condition:
    changed = dg.AutomationCondition.missing().newly_true() | dg.AutomationCondition.code_version_changed()
    if or_inputs_changed:
        changed = changed | _inputs_changed()
    return changed.since(dg.AutomationCondition.newly_requested())


def making_condition() -> Condition:
    """Request a dataset, features or trained model: its signature changed, and nobody else has made it.

    Upstream assets whose signature changed with it are requested in the same tick and so run in the same run.
    """
    ready = dg.AutomationCondition.all_deps_match(
        ~dg.AutomationCondition.missing() | dg.AutomationCondition.will_be_requested()
    )
    return (
        _wish(or_inputs_changed=False)
        & Outdated()
        & ready
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.any_deps_in_progress()
    ).with_label("its signature changed")


def judging_condition() -> Condition:
    """Request a leaderboard, champion or the service: what it judges is settled and differs from before.

    It waits until nothing upstream runs or is about to, in a run of its own: in the same run, one model whose
    training fails would take the leaderboard down with it.
    """
    settled = ~dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.in_progress() | dg.AutomationCondition.will_be_requested()
    )
    return (
        _wish(or_inputs_changed=True)
        & dg.AutomationCondition.any_deps_match(~dg.AutomationCondition.missing())
        & settled
        & ~dg.AutomationCondition.in_progress()
    ).with_label("what it judges changed")


def condition_for(kind: str) -> Condition:
    """Give the automation condition of a kind of asset."""
    return making_condition() if kind in ("dataset", "features", "trained_model") else judging_condition()


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
