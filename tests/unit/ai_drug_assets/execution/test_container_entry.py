"""`aidrug start`: what each container of a host becomes, and what it finds in place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from ai_drug_assets.cli import aidrug
from ai_drug_assets.execution import container_entry
from ai_drug_assets.operations import maintenance
from ai_drug_assets.settings import Settings


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    yield
    os.environ.clear()
    os.environ.update(before)


def arguments(name: str, tmp_path: Path, **environment: str) -> list[str]:
    """Return what a process would become."""
    settings = Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home"), **environment})
    return container_entry.PROCESSES[name](settings)


def test_webserver_and_daemon_find_the_code_server_of_another_container(tmp_path: Path) -> None:
    """Both name the code server that the settings name, and have Dagster's configuration in place."""
    for name in ("webserver", "daemon"):
        line = arguments(name, tmp_path, AIDRUG_CODE_HOST="code", AIDRUG_CODE_PORT="4100", AIDRUG_BIND="10.0.0.5")
        workspace = yaml.safe_load(Path(line[line.index("-w") + 1]).read_text(encoding="utf-8"))

        assert workspace["load_from"][0]["grpc_server"] == {
            "host": "code",
            "port": 4100,
            "location_name": "ai_drug_assets",
        }
    assert arguments("webserver", tmp_path, AIDRUG_BIND="10.0.0.5")[-4:] == ["-h", "10.0.0.5", "-p", "3000"]
    assert (tmp_path / "home" / "dagster" / "dagster.yaml").is_file()


def test_the_mlflow_server_is_small_and_answers_to_its_names_only(tmp_path: Path) -> None:
    """One worker, no job runner, its own database, and the names of the network and the operator as the only hosts."""
    os.environ["MLFLOW_TRACKING_URI"] = "http://mlflow:5000"
    named = {"AIDRUG_ARTIFACTS": "s3://bucket/mlflow", "AIDRUG_MLFLOW_HOSTS": "mlflow.example.org:5000"}
    line = arguments("mlflow", tmp_path, **named)

    assert line[line.index("--workers") + 1] == "1"
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{tmp_path / 'home' / 'mlflow' / 'mlflow.db'}"
    assert line[line.index("--artifacts-destination") + 1] == "s3://bucket/mlflow"
    hosts = line[line.index("--allowed-hosts") + 1].split(",")
    assert {"mlflow:5000", "mlflow.example.org:5000"} < set(hosts)
    assert "*" not in hosts
    assert os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_an_unknown_process_is_refused() -> None:
    """The command lists what there is."""
    result = CliRunner().invoke(aidrug, ["start", "sidecar"])

    assert result.exit_code == 2
    assert "webserver" in result.output


@pytest.mark.parametrize(("host", "closed"), [("code", 0), ("127.0.0.1", 1)])
def test_a_run_of_another_container_is_never_judged_by_its_process_number(
    host: str, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process numbers of another container mean nothing here: its runs are left alone, those of this host are ended."""
    monkeypatch.setattr(maintenance, "_pid", lambda instance, run_id: 2**22 - 1)
    with DagsterInstance.ephemeral() as instance:
        tags = {GRPC_INFO_TAG: f'{{"host": "{host}", "port": 4000}}'}
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=tags)

        assert maintenance.close_abandoned_runs(instance) == closed
        ended = instance.get_run_by_id(run.run_id)
        assert ended is not None
        assert (ended.status == DagsterRunStatus.FAILURE) == bool(closed)


def test_a_process_hears_that_it_shall_end_in_the_background_of_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell lets its background ignore SIGINT, and Dagster gives SIGTERM the same fate."""
    then: list[object] = []
    monkeypatch.setattr(os, "execv", lambda *_: then.append(signal.getsignal(signal.SIGINT)))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        container_entry.start("webserver", Settings.from_env({"AIDRUG_HOME": str(tmp_path / "home")}))
    finally:
        signal.signal(signal.SIGINT, before)
    assert then == [signal.SIG_DFL]
