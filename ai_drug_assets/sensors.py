"""The sensor on the Git SHA: a new revision is noticed, loaded and recorded.

Belongs here: comparing the revision that is loaded with the one that is out there, and reloading the code location.
Does not belong here: launching runs. The automation owns retraining, by signature: a new SHA whose signatures did not
change launches nothing, and a revert to an old SHA is a change like any other. Under `aidrug up` somebody outside
reloads (see `execution/revision_watch.py`): this sensor lives in the code that it would reload, and is gone when that
does not load.
"""

import dagster as dg

from ai_drug_assets import keys
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.revision import UNKNOWN, checkout_sha, remote_sha
from ai_drug_assets.settings import Settings


def git_sha_sensor(asset_context: AssetContext) -> dg.SensorDefinition:
    """Make the sensor.

    It polls the checkout, or the branch of a remote where the settings name one. The remote is only reported: bringing
    its code here is a deployment's work.
    """
    settings = asset_context.settings

    @dg.sensor(
        name="git_sha",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=300 if settings.supervised else 30,
        description="Notices a new Git revision and reloads the code location; retraining follows the signatures.",
    )
    def _git_sha(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        loaded, out_there = asset_context.git_sha, checkout_sha(settings.root)
        if settings.remote:
            newest = remote_sha(settings.remote, settings.branch, settings.root)
            if newest not in (UNKNOWN, out_there):
                reason = f"the remote is at {newest[:12]}, this checkout at {out_there[:12]}: pull or deploy it"
                return dg.SensorResult(skip_reason=reason, cursor=context.cursor)
        if out_there == loaded:
            return dg.SensorResult(skip_reason=f"{loaded[:12]} is loaded", cursor=loaded)
        if context.cursor == f"reloading {out_there}":
            # A reload was asked for and this process is still the old one; ask again, it may have failed to load.
            context.log.warning(f"{out_there[:12]} is not loaded yet; the code location may show why")
        if not settings.supervised:
            reload_location(settings)
        reason = f"{out_there[:12]} is new ({loaded[:12]} is loaded): the code location reloads"
        return dg.SensorResult(skip_reason=reason, cursor=f"reloading {out_there}")

    return _git_sha


def reload_location(settings: Settings) -> None:
    """Ask the webserver to reload the code location.

    Raises
    ------
    dagster_graphql.DagsterGraphQLClientError
        When no webserver answers or it refuses; the tick then fails and shows why.
    """
    from dagster_graphql import DagsterGraphQLClient, ReloadRepositoryLocationStatus

    client = DagsterGraphQLClient(settings.ui_host, port_number=settings.ui_port)
    info = client.reload_repository_location(keys.LOCATION)
    if info.status != ReloadRepositoryLocationStatus.SUCCESS:
        raise RuntimeError(f"the code location did not reload: {info.message}")
