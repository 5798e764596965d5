"""Where things are: folders, addresses and ports, read from the environment.

Belongs here: every environment variable of the pipeline, in one place.
Does not belong here: anything that changes a trained model (that is configuration under `configs/`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from model_zoo.errors import ConfigError, DataError
from serving.home import home_of
from serving.machine import memory_bytes, processors

if TYPE_CHECKING:
    from model_zoo.data.sources import Source

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
SUPERVISED = "AIDRUG_SUPERVISED"
BENCHMARK_FOLDER = "AIDRUG_BENCHMARK_FOLDER"
EXECUTORS = ("processes", "ecs")
WORKER_BYTES = 3e9
TIMEOUT_MINUTES = 240
"""How long a training may take where `AIDRUG_TIMEOUT_MINUTES` says nothing: Terraform's `training_timeout_minutes`."""


@dataclass(frozen=True)
class Settings:
    """Settings of one installation."""

    root: Path
    """The checkout: relative file names in endpoint files start here."""
    code_root: Path
    """Folder that holds the first-party packages whose code is signed; the checkout but in tests."""
    configs: Path
    """Folder with `endpoints/` and `models/`."""
    home: Path
    """All state: `AIDRUG_HOME`, by default `.aidrug` in the checkout."""
    store: str
    """The bundle store, a folder or `s3://bucket/prefix`: `AIDRUG_STORE`."""
    tracking_uri: str
    """MLflow's database or server: `MLFLOW_TRACKING_URI`."""
    artifacts: str
    """Where MLflow puts artefacts when its database is ours, a folder or an S3 prefix: `AIDRUG_ARTIFACTS`."""
    ui_port: int = 3000
    service_port: int = 8000
    remote: str | None = None
    branch: str = "main"
    """`remote` and `branch`: address of a Git remote that the SHA sensor polls instead of the checkout
    (`AIDRUG_GIT_REMOTE`), and its branch (`AIDRUG_GIT_BRANCH`)."""
    service_address: str | None = None
    """Where the pipeline and the command reach the service, when that is not this machine: `AIDRUG_SERVICE_URL`."""
    ledger_copy: str | None = None
    """Where runs publish a copy of the ledger, a folder or an S3 prefix: `AIDRUG_LEDGER`."""
    backup: str | None = None
    """Where backups are kept, a folder or an S3 prefix: `AIDRUG_BACKUP`."""
    logs: str | None = None
    """Where Dagster keeps what steps print, `s3://bucket/prefix`, instead of AIDRUG_HOME: `AIDRUG_LOGS`."""
    workers: int = 1
    """How many assets are made side by side, each on its share of the cores; by default two, or one per four cores
    where there are more than eight, as far as there are 3 GB of memory for each: `AIDRUG_WORKERS`."""
    timeout_minutes: int = TIMEOUT_MINUTES
    """After how long a run is ended, as a delivery is: `AIDRUG_TIMEOUT_MINUTES`."""
    benchmark_sets: Path | None = None
    """The folder of benchmark sets, for endpoints of `kind: benchmark`: `AIDRUG_BENCHMARK_FOLDER`."""
    executor: str = "processes"
    """Where the steps of a run work: in `processes` beside it, or each in a task on `ecs`: `AIDRUG_EXECUTOR`."""
    supervised: bool = False
    """Whether another process watches the revision and reloads, one that continues when this code does not load:
    `AIDRUG_SUPERVISED`, which `aidrug up` sets for what it starts."""
    ray_address: str | None = None
    """The Ray cluster that screens run on instead of this machine: `AIDRUG_RAY_ADDRESS`."""
    bind: str = LOOPBACK
    ui_host: str = LOOPBACK
    code_host: str = LOOPBACK
    code_port: int = 4000
    mlflow_database: Path | None = None
    mlflow_hosts: tuple[str, ...] = ()
    """`bind`, `ui_host`, `code_host`, `code_port`, `mlflow_database` and `mlflow_hosts`: for `aidrug start`, one
    process per container: the address to listen on (`AIDRUG_BIND`), where the webserver and the code server are
    (`AIDRUG_UI_HOST`, `AIDRUG_CODE_HOST`, `AIDRUG_CODE_PORT`), the database of the MLflow server
    (`AIDRUG_MLFLOW_DATABASE`), and more names under which that is asked (`AIDRUG_MLFLOW_HOSTS`)."""
    postgres_host: str | None = None
    """The Postgres server that keeps the MLflow server's database instead: `AIDRUG_POSTGRES_HOST` (see
    `storage/postgres.py`)."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the environment.

        Raises
        ------
        ConfigError
            When a port, a number of workers or of minutes is none, an address not HTTP's, an executor not known, or a
            folder a file.
        """
        env = os.environ if env is None else env
        home = home_of(env)
        return cls(
            root=ROOT,
            code_root=ROOT,
            configs=_configs(env),
            home=home,
            store=env.get("AIDRUG_STORE") or str(home / "store"),
            tracking_uri=env.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
            artifacts=env.get("AIDRUG_ARTIFACTS") or str(home / "mlflow" / "artifacts"),
            ui_port=_port(env, "AIDRUG_UI_PORT", 3000),
            service_port=_port(env, "AIDRUG_SERVICE_PORT", 8000),
            remote=env.get("AIDRUG_GIT_REMOTE") or None,
            branch=env.get("AIDRUG_GIT_BRANCH") or "main",
            service_address=_address(env, "AIDRUG_SERVICE_URL"),
            ledger_copy=env.get("AIDRUG_LEDGER") or None,
            backup=env.get("AIDRUG_BACKUP") or None,
            logs=env.get("AIDRUG_LOGS") or None,
            workers=_workers(env),
            timeout_minutes=_minutes(env),
            benchmark_sets=Path(env[BENCHMARK_FOLDER]).resolve() if env.get(BENCHMARK_FOLDER) else None,
            executor=_one_of(env, "AIDRUG_EXECUTOR", EXECUTORS),
            supervised=env.get(SUPERVISED) == "true",
            ray_address=env.get("AIDRUG_RAY_ADDRESS") or None,
            bind=env.get("AIDRUG_BIND") or LOOPBACK,
            ui_host=env.get("AIDRUG_UI_HOST") or LOOPBACK,
            code_host=env.get("AIDRUG_CODE_HOST") or LOOPBACK,
            code_port=_port(env, "AIDRUG_CODE_PORT", 4000),
            mlflow_database=Path(env.get("AIDRUG_MLFLOW_DATABASE") or home / "mlflow" / "mlflow.db").resolve(),
            mlflow_hosts=tuple(filter(None, env.get("AIDRUG_MLFLOW_HOSTS", "").split(","))),
            postgres_host=env.get("AIDRUG_POSTGRES_HOST") or None,
        )

    @property
    def service_url(self) -> str:
        """Where the service answers, without a slash at the end."""
        return self.service_address or f"http://{LOOPBACK}:{self.service_port}"

    def folder_of(self, source: Source) -> Path:
        """Return the folder that the file names of a source start from.

        Raises
        ------
        DataError
            When it is a set of a benchmark, and nobody said where these are.
        """
        if source.kind != "benchmark":
            return self.root
        if self.benchmark_sets is None:
            raise DataError(
                f"benchmark set {source.set!r}: expected the environment variable {BENCHMARK_FOLDER} to name the "
                "folder that holds the sets, got nothing"
            )
        return self.benchmark_sets

    @property
    def feature_folder(self) -> Path:
        """Where features lie by content, for all endpoints and for the benchmark."""
        return self.home / "feature_cache"

    def folder(self, *parts: str) -> Path:
        """Return a folder under `home`, made when it is not there."""
        path = self.home.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True)
class PostgresServer:
    """A server of databases, made where it is asked: its password is kept nowhere."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> PostgresServer:
        """Read `AIDRUG_POSTGRES_HOST`, `_PORT`, `_USER` and `_PASSWORD`.

        Raises
        ------
        ConfigError
            When one of them is missing, or the port is none.
        """
        env = os.environ if env is None else env
        names = [f"AIDRUG_POSTGRES_{name}" for name in ("HOST", "USER", "PASSWORD")]
        if missing := [name for name in names if not env.get(name)]:
            raise ConfigError(f"{missing[0]}: not set, but AIDRUG_POSTGRES_HOST asks for a Postgres server")
        host, user, password = (env[name] for name in names)
        return cls(host, _port(env, "AIDRUG_POSTGRES_PORT", 5432), user, password)


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigError(f"{name}: expected a port from 1 to 65535, got {text!r}")
    return int(text)


def _workers(env: Mapping[str, str]) -> int:
    text = env.get("AIDRUG_WORKERS") or ""
    if not text:
        number = processors()
        return max(1, min(number, max(2, number // 4), int(memory_bytes() / WORKER_BYTES)))
    if not text.isdecimal() or not 0 < int(text) <= 256:
        raise ConfigError(f"AIDRUG_WORKERS: expected a number from 1 to 256, got {text!r}")
    return int(text)


def _minutes(env: Mapping[str, str]) -> int:
    text = env.get("AIDRUG_TIMEOUT_MINUTES") or str(TIMEOUT_MINUTES)
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"AIDRUG_TIMEOUT_MINUTES: expected minutes, such as {TIMEOUT_MINUTES}, got {text!r}")
    return int(text)


def _one_of(env: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    text = env.get(name) or values[0]
    if text not in values:
        raise ConfigError(f"{name}: expected {' or '.join(values)}, got {text!r}")
    return text


def _address(env: Mapping[str, str], name: str) -> str | None:
    text = env.get(name) or ""
    if text and not _is_address(text):
        raise ConfigError(f"{name}: expected an address like https://aidrug.example.org, got {text!r}")
    return text.rstrip("/") or None


def _is_address(text: str) -> bool:
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is not a number
        return False


def _configs(env: Mapping[str, str]) -> Path:
    folder = Path(env.get("AIDRUG_CONFIGS") or ROOT / "configs").resolve()
    if folder.is_file():
        raise ConfigError(f"AIDRUG_CONFIGS: expected a folder, got the file {folder}")
    return folder
