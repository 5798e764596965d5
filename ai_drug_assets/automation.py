"""Automation: the one owner of retraining.

Belongs here: the sensor that looks, and asks for runs.
Does not belong here: what it asks for (see `retraining.py`), noticing a new Git revision (see `sensors.py`: it reloads
the code, this retrains).

A plain sensor, not declarative conditions: these are evaluated asset by asset, which costs seconds per look at a few
endpoints, and Dagster refuses more than 500 assets (30 endpoints) of conditions that live here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg
from serving.telemetry.pipeline_state import tell_automation_state

from ai_drug_assets import keys
from ai_drug_assets.jobs import RETRAINING
from ai_drug_assets.operations import maintenance
from ai_drug_assets.planning.catalog import Catalog
from ai_drug_assets.planning.cursor import Cursor
from ai_drug_assets.planning.scratch import clear_scratch
from ai_drug_assets.retraining import Retraining
from ai_drug_assets.sensors import reload_location

NAME = "retrain_what_changed"
EVERY_S, AT_REST_S = 10, 60
"""How often it looks; under `aidrug up` only so often, and at once where there is reason to (see `look_watch.py`)."""
TAGS = {keys.RUN_TAG_RETRAINING: "true", "dagster/max_retries": "0"}
"""Dagster retries none of these runs: what one left unmade is still stale, and is asked for again."""


def automation_sensor(catalog: Catalog, clock: Callable[[], float] = time.time) -> dg.SensorDefinition:
    """Make the sensor, running from the start."""
    retraining, watched = Retraining(catalog), catalog.settings.home / "service"

    @dg.sensor(
        name=NAME,
        job_name=RETRAINING,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=AT_REST_S if catalog.settings.supervised else EVERY_S,
        description="Asks for what is stale, in the order of `aidrug run`; the one owner of retraining.",
    )
    def _retrain(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor, at = Cursor.read(context.cursor), clock()
        if retraining.sources_changed():
            if not catalog.settings.supervised:
                reload_location(catalog.settings)
            return dg.SensorResult(skip_reason="measurements changed: the code location reloads", cursor=context.cursor)
        if maintenance.close_abandoned_runs(context.instance):
            clear_scratch(catalog.settings.home)
        if retraining.quiet(cursor, at):
            tell_automation_state(watched, None)
            return dg.SensorResult(skip_reason=cursor.told, cursor=context.cursor)
        look = retraining.look(context.instance, cursor, at)
        tell_automation_state(watched, look.state)
        requests = [
            dg.RunRequest(asset_selection=[keys.asset_key(key) for key in wanted], tags=TAGS)
            for wanted in look.requests
        ]
        new_cursor = look.cursor.model_dump_json()
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=new_cursor)
        return dg.SensorResult(skip_reason=look.cursor.told, cursor=new_cursor)

    return _retrain
