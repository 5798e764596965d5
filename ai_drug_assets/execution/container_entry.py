"""`aidrug start`: one process of the pipeline in the foreground, as a container runs it.

Belongs here: what a host whose processes live in containers runs (see `infra/compose.yaml`): the code server, the
webserver, the daemon and the MLflow server, with what must be in place before each.
Does not belong here: a laptop, where one command keeps them all (see `local_stack.py`), and the service (`python -m
serving`).

The containers share AIDRUG_HOME on one machine and differ in host name and process numbers: a run belongs to the host
name it was started under, which compose keeps for good.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from model_zoo.errors import ConfigError
from model_zoo.io.files import atomic_write

from ai_drug_assets.execution.instance import open_instance, prepare_instance
from ai_drug_assets.processes import hold_for_ever
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage import postgres

DAEMON = "daemon"
"""The lock that a daemon holds as long as it lives."""
MLFLOW_HOSTS = ("mlflow:5000", "localhost:*", "127.0.0.1:*")
"""Names under which the MLflow server may be asked; any other is refused, which keeps other sites' pages out."""


def start(name: str, settings: Settings) -> None:
    """Become one of the `PROCESSES`; does not return.

    Raises
    ------
    KeyError
        When there is no process of that name.
    """
    arguments = PROCESSES[name](settings)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell ignores it, and Dagster then SIGTERM too
    os.execv(sys.executable, [sys.executable, "-m", *arguments])  # noqa: S606  signals then reach the process itself


def code_server_arguments(host: str, port: int) -> list[str]:
    """Return the arguments of a code server that webserver and daemon share."""
    from ai_drug_assets.keys import LOCATION  # imports Dagster

    target = ("-m", "ai_drug_assets.definitions", "-a", "defs", "--location-name", LOCATION)
    return ["dagster", "code-server", "start", "-h", host, "-p", str(port), *target]


def daemon_arguments(workspace: Path) -> list[str]:
    """Return the arguments of a daemon that works with the code server of a workspace."""
    return ["ai_drug_assets.execution.watched_daemon", "run", "-w", str(workspace)]


def write_workspace(settings: Settings, host: str, port: int) -> Path:
    """Write the workspace that names the shared code server; give the file."""
    from ai_drug_assets.keys import LOCATION

    server = {"host": host, "port": port, "location_name": LOCATION}
    path = settings.folder("dagster") / "workspace.yaml"
    atomic_write(path, yaml.safe_dump({"load_from": [{"grpc_server": server}]}).encode())
    return path


def _code(settings: Settings) -> list[str]:
    """Prepare the code server: no run of this host can be alive, since its process is only about to begin."""
    from ai_drug_assets.operations import maintenance

    with open_instance(settings) as instance:
        maintenance.close_abandoned_runs(instance)
    return code_server_arguments(settings.bind, settings.code_port)


def _webserver(settings: Settings) -> list[str]:
    prepare_instance(settings)
    workspace = write_workspace(settings, settings.code_host, settings.code_port)
    return ["dagster_webserver", "-w", str(workspace), "-h", settings.bind, "-p", str(settings.ui_port)]


def _daemon(settings: Settings) -> list[str]:
    """Prepare the daemon: two of them on one home would both launch every run."""
    if not hold_for_ever(settings.folder("locks") / DAEMON):
        raise ConfigError(
            f"a daemon works on {settings.home} already: stop it first, with `aidrug up` or its container"
        )
    prepare_instance(settings)
    workspace = write_workspace(settings, settings.code_host, settings.code_port)
    return daemon_arguments(workspace)


def _mlflow(settings: Settings) -> list[str]:
    """Prepare the MLflow server: its own database, artefacts passed through it, so that clients need no S3 keys."""
    if settings.postgres_host:
        # In the environment: the password would otherwise be in the list of processes.
        os.environ["MLFLOW_BACKEND_STORE_URI"] = postgres.made("mlflow")
    else:
        assert settings.mlflow_database is not None
        settings.mlflow_database.parent.mkdir(parents=True, exist_ok=True)
        os.environ["MLFLOW_BACKEND_STORE_URI"] = f"sqlite:///{settings.mlflow_database}"
    # Job execution starts seven more processes, two gigabytes in all, for features nobody here uses.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # the server would take itself for its own client
    hosts = ",".join((*MLFLOW_HOSTS, *settings.mlflow_hosts))
    return [
        *("mlflow", "server", "--host", settings.bind, "--port", "5000", "--workers", "1"),
        *("--artifacts-destination", settings.artifacts, "--allowed-hosts", hosts),
    ]


PROCESSES: dict[str, Callable[[Settings], list[str]]] = {
    "code": _code,
    "webserver": _webserver,
    "daemon": _daemon,
    "mlflow": _mlflow,
}
