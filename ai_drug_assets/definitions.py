"""The Dagster code location: everything Dagster loads, assembled in one function.

Belongs here: assembly, and the one module-level `defs` that `workspace.yaml` names.
Does not belong here: any definition; each lives in the file of its concept.
Loading imports no model library and contacts nothing.
"""

import gc
from collections.abc import Callable, Collection

import dagster as dg

from ai_drug_assets import keys
from ai_drug_assets.assets import build_assets
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.assets.run_scope import assets_of_run
from ai_drug_assets.automation import automation_sensor
from ai_drug_assets.executors import executor_of
from ai_drug_assets.jobs import build_jobs, build_schedules
from ai_drug_assets.planning.catalog import Catalog, load_catalog
from ai_drug_assets.sensors import git_sha_sensor
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.sqlite import be_patient
from ai_drug_assets.tracking import Tracking


def build_defs(
    settings: Settings | None = None,
    *,
    catalog: Catalog | None = None,
    tracking: Tracking | None = None,
    executor: dg.ExecutorDefinition | None = None,
    watch: Callable[[str, str | None], None] | None = None,
    only: Collection[str] | None = None,
) -> dg.Definitions:
    """Assemble all definitions.

    Parameters
    ----------
    settings
        Where things are; read from the environment when omitted.
    catalog
        What there is to make; read from the files when omitted. A process that assembles definitions a second time
        passes its first catalog: the code that it runs is still that one's, whatever the files say by now.
    tracking
        The tracking resource; MLflow as the settings say when omitted.
    executor
        How steps run, by the settings when omitted; tests and the command line use the in-process one.
    watch
        Called for each asset that is done in this process, with its key, and what went wrong if anything did.
    only
        Steps that alone are executed here, see `run_scope`: the rest is left out, with all that asks for runs. Where
        none of them is one of an asset, everything is assembled.

    Raises
    ------
    ConfigError, DataError
        For a fault in configuration or sources: the code location then shows that message and does not load. A fault
        in an endpoint's file alone leaves that endpoint out, and the rest is kept.
    """
    catalog = catalog or load_catalog(settings or Settings.from_env(), keep_rest=True)
    settings = catalog.settings
    asset_context = AssetContext(catalog, watch) if watch else AssetContext(catalog)
    _ = asset_context.git_sha  # captured now, with the code that is being loaded, not when a sensor first asks
    resources = {"tracking": tracking or Tracking(settings)}
    if only is not None and (some := build_assets(asset_context, only)):
        jobs = build_jobs(asset_context, {keys.catalog_key(each.key) for each in some})
        return dg.Definitions(some, jobs=jobs, resources=resources, executor=executor or executor_of(settings))
    return dg.Definitions(
        assets=build_assets(asset_context),
        jobs=build_jobs(asset_context),
        schedules=build_schedules(asset_context),
        sensors=[automation_sensor(catalog), git_sha_sensor(asset_context)],
        resources=resources,
        executor=executor or executor_of(settings),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of this checkout."""
    be_patient()
    gc.disable()  # nothing of it is garbage, and looking through all of it again and again takes a fifth of the time
    try:
        return build_defs(only=assets_of_run())
    finally:
        gc.freeze()
        gc.enable()
