"""The sensor on the Git SHA: a new revision is noticed, loaded and recorded.

Belongs here: comparing the revision that is loaded with the one that is out there, and reloading the code location.
Does not belong here: launching runs. The automation owns retraining, by signature: a new SHA whose signatures did not
change launches nothing, and a revert to an old SHA is a change like any other. Under `aidrug up` somebody outside
reloads (see `execution/revision_watch.py`): this sensor lives in the code that it would reload, and is gone when that
does not load.
"""

import os

import dagster as dg

from ai_drug_assets import keys
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.revision import UNKNOWN, checkout_sha, remote_sha

SUPERVISED = "AIDRUG_SUPERVISED"


def git_sha_sensor(asset_context: AssetContext) -> dg.SensorDefinition:
    """Make the sensor.

    It polls the checkout, or a remote branch when `AIDRUG_GIT_REMOTE` names one (`AIDRUG_GIT_BRANCH`, `main` by
    default). The remote is only reported: bringing its code here is a deployment's work.
    """
    settings = asset_context.settings

    @dg.sensor(
        name="git_sha",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=300 if is_supervised() else 30,
        description="Notices a new Git revision and reloads the code location; retraining follows the signatures.",
    )
    def _git_sha(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        loaded, out_there = asset_context.git_sha, checkout_sha(settings.root)
        if settings.remote:
            newest = remote_sha(settings.remote, os.environ.get("AIDRUG_GIT_BRANCH") or "main", settings.root)
            if newest not in (UNKNOWN, out_there):
                reason = f"the remote is at {newest[:12]}, this checkout at {out_there[:12]}: pull or deploy it"
                return dg.SensorResult(skip_reason=reason, cursor=context.cursor)
        if out_there == loaded:
            return dg.SensorResult(skip_reason=f"{loaded[:12]} is loaded", cursor=loaded)
        if context.cursor == f"reloading {out_there}":
            # A reload was asked for and this process is still the old one; ask again, it may have failed to load.
            context.log.warning(f"{out_there[:12]} is not loaded yet; the code location may show why")
        if not is_supervised():
            reload_location(settings.ui_port)
        reason = f"{out_there[:12]} is new ({loaded[:12]} is loaded): the code location reloads"
        return dg.SensorResult(skip_reason=reason, cursor=f"reloading {out_there}")

    return _git_sha


def is_supervised() -> bool:
    """Say whether another process watches the revision and reloads: one that goes on when this code does not load."""
    return os.environ.get(SUPERVISED) == "true"


def reload_location(ui_port: int) -> None:
    """Ask the webserver on this host to reload the code location.

    Raises
    ------
    dagster_graphql.DagsterGraphQLClientError
        When no webserver answers or it refuses; the tick then fails and shows why.
    """
    from dagster_graphql import DagsterGraphQLClient, ReloadRepositoryLocationStatus

    host = os.environ.get("AIDRUG_UI_HOST") or "127.0.0.1"
    info = DagsterGraphQLClient(host, port_number=ui_port).reload_repository_location(keys.LOCATION)
    if info.status != ReloadRepositoryLocationStatus.SUCCESS:
        raise RuntimeError(f"the code location did not reload: {info.message}")
