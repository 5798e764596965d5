"""Dagster's instance: where what steps print goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from dagster._core.storage.compute_log_manager import ComputeIOType
from moto import mock_aws

from ai_drug_assets.execution.instance import prepare_instance
from ai_drug_assets.settings import Settings
from model_zoo.errors import ConfigError

BUCKET = "aidrug-logs-test"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a client of an S3 that lives in this process, and an environment without an installation's settings."""
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    before = set(os.environ)
    with mock_aws():
        yield boto3.client("s3")
    for name in set(os.environ) - before:
        del os.environ[name]


def talk(home: Path, **environment: str) -> tuple[dg.DagsterInstance, dg.ExecuteInProcessResult]:
    """Run a step that prints, on the instance of an installation."""

    @dg.op
    def step() -> None:
        print("what the step said")

    @dg.job
    def talking() -> None:
        step()

    prepare_instance(Settings.from_env({"AIDRUG_HOME": str(home), **environment}))
    instance = dg.DagsterInstance.get()
    return instance, talking.execute_in_process(instance=instance)


def printed(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str:
    """Read back what the run's step printed, as the UI does."""
    (event,) = [one for one in result.all_events if one.event_type_value == "LOGS_CAPTURED"]
    name = event.logs_captured_data.file_key
    key = instance.compute_log_manager.build_log_key_for_run(result.run_id, name)
    data, _ = instance.compute_log_manager.get_log_data_for_type(key, ComputeIOType.STDOUT, 0, None)
    return (data or b"").decode()


def local(home: Path) -> list[Path]:
    """List what steps printed on this disk."""
    return list((home / "dagster").rglob("*.out"))


def test_what_steps_print_stays_here_unless_a_place_in_s3_is_named(s3: Any, tmp_path: Path) -> None:
    """A laptop needs no bucket."""
    prepare_instance(Settings.from_env({"AIDRUG_HOME": str(tmp_path)}))

    section = yaml.safe_load((tmp_path / "dagster" / "dagster.yaml").read_text(encoding="utf-8"))["compute_logs"]
    assert section["class"] == "LocalComputeLogManager"
    assert section["config"] == {"base_dir": str(tmp_path / "dagster")}


def test_what_steps_print_goes_to_s3(s3: Any, tmp_path: Path) -> None:
    """Under the prefix, and off this disk; the UI reads it from there."""
    s3.create_bucket(Bucket=BUCKET)
    instance, result = talk(tmp_path, AIDRUG_LOGS=f"s3://{BUCKET}/team/dagster")
    with instance:
        assert not local(tmp_path)
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        assert all(key.startswith(f"team/dagster/storage/{result.run_id}/") for key in keys)
        assert "what the step said" in printed(instance, result)


def test_a_bucket_that_is_gone_fails_no_run_and_loses_nothing(s3: Any, tmp_path: Path) -> None:
    """The run says what went wrong; the output stays on the disk, where the UI finds it."""
    instance, result = talk(tmp_path, AIDRUG_LOGS=f"s3://{BUCKET}")
    with instance:
        assert result.success
        (fault,) = [one for one in result.all_events if "compute log" in (one.message or "")]
        assert "NoSuchBucket" in str(fault.engine_event_data.error)
        assert local(tmp_path)
        assert "what the step said" in printed(instance, result)


def test_another_place_is_refused(tmp_path: Path) -> None:
    """A folder needs no setting: AIDRUG_HOME is one."""
    with pytest.raises(ConfigError, match="AIDRUG_LOGS: expected s3://bucket/prefix, got '/srv/logs'"):
        talk(tmp_path, AIDRUG_LOGS="/srv/logs")
