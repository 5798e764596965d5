"""Dagster's instance of this installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from model_zoo.errors import ConfigError
from model_zoo.io.files import atomic_write
from model_zoo.io.s3_address import s3_address
from model_zoo.type_aliases import Json

from ai_drug_assets.operations.dagster_warnings import keep_quiet
from ai_drug_assets.operations.schema_migration import migrate
from ai_drug_assets.processes import one_at_a_time
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.sqlite import be_patient

if TYPE_CHECKING:
    import dagster as dg


def prepare_instance(settings: Settings) -> Path:
    """Write `dagster.yaml` to AIDRUG_HOME with its folders there, and set `DAGSTER_HOME`; give that folder.

    A `DAGSTER_HOME` that is set already (a production instance on Postgres) is left alone.

    Raises
    ------
    ConfigError
        When `AIDRUG_LOGS` is no prefix in S3.
    """
    home = settings.folder("dagster")
    if os.environ.get("DAGSTER_HOME", str(home)) == str(home):
        config = yaml.safe_load((settings.root / "dagster.yaml").read_text(encoding="utf-8"))
        for section in (config["storage"]["sqlite"], config["local_artifact_storage"], config["compute_logs"]):
            section.get("config", section)["base_dir"] = str(home)
        config["concurrency"]["pools"]["default_limit"] = settings.workers
        config["run_monitoring"]["max_runtime_seconds"] = settings.timeout_minutes * 60
        if settings.logs:
            config["compute_logs"] = _logs_in_s3(settings.logs, home)
        content = yaml.safe_dump(config, sort_keys=False).encode()
        target = home / "dagster.yaml"
        if not target.exists() or target.read_bytes() != content:
            atomic_write(target, content)
        os.environ["DAGSTER_HOME"] = str(home)
    os.environ["AIDRUG_HOME"] = str(settings.home)
    keep_quiet()
    return Path(os.environ["DAGSTER_HOME"])


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance, and make its tables where there are none: two processes that do so at once both fail.

    So every process that is started with the instance is started after this. Databases that an older version of Dagster
    or MLflow made are backed up and upgraded first.

    Raises
    ------
    StoreError
        When a database is of a newer version, or cannot be upgraded.
    """
    prepare_instance(settings)
    be_patient()
    import dagster as dg

    with one_at_a_time(settings.folder("locks") / "dagster"):
        migrate(settings, lambda line: print(line, file=sys.stderr))  # noqa: T201  said before anything works
        return dg.DagsterInstance.get()


def _logs_in_s3(place: str, home: Path) -> dict[str, Json]:
    """Return the section for logs in S3; while a step prints they are in AIDRUG_HOME, where the UI follows them."""
    address = s3_address(place, "AIDRUG_LOGS")
    if address is None:
        raise ConfigError(f"AIDRUG_LOGS: expected s3://bucket/prefix, got {place!r}")
    config = {"bucket": address.bucket, "prefix": address.prefix or "dagster", "local_dir": str(home)}
    return {
        "module": "dagster_aws.s3.compute_log_manager",
        "class": "S3ComputeLogManager",
        "config": {**config, "skip_empty_files": True},
    }
