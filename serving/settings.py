"""The settings of the service, all of them environment variables.

Belongs here: every setting with its default, and clear errors for values that make no sense.
Does not belong here: settings of Dagster or of training.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from model_zoo.chemistry.molecules import Limits
from model_zoo.errors import ConfigError
from serving.home import home_of
from serving.job_settings import JobSettings
from serving.machine import memory_bytes

WORKER, SHARED, LIFELINE = "AIDRUG_WORKER", "AIDRUG_WORKER_SHARED", "AIDRUG_WORKER_LIFELINE"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


@dataclass(frozen=True)
class Worker:
    """Which of several serving processes this one is; set by their parent (see `runtime/workers.py`)."""

    number: int
    """Its place among them."""
    shared: Path
    """A folder that all of them see."""
    lifeline: int
    """A pipe that ends when the process that started them is gone."""


def quarter_of_memory() -> int:
    """Return a quarter of the memory that this process may use, in bytes."""
    return memory_bytes() // 4


@dataclass(frozen=True)
class Settings:
    """All settings of the service."""

    store: str = ".aidrug/store"
    """The bundle store: a folder, or `s3://bucket/prefix`."""
    cache_folder: Path = Path(".aidrug/bundle_cache")
    """Where bundles from S3 are kept."""
    host: str = "127.0.0.1"
    port: int = 8000
    """`host` and `port`: where the service listens."""
    poll_seconds: float = 0.5
    """How often the pointer is read."""
    max_molecules: int = 256
    max_body_bytes: int = 1_000_000
    """`max_molecules` and `max_body_bytes`: largest request accepted."""
    limits: Limits = field(default_factory=Limits)
    """Longest SMILES and largest molecule accepted."""
    cache_entries: int = 50_000
    """How many predictions (one endpoint of one molecule each) are remembered; of many endpoints those of at least
    `LEAST_MOLECULES`."""
    model_bytes: int = field(default_factory=quarter_of_memory)
    """How much memory the models of all champions may take in all workers together; those longest unused make room."""
    show_neighbours: bool = True
    """Whether callers may ask for the nearest training molecules: their structures may be confidential."""
    queue_molecules: int = 4096
    """How many molecules may wait for a thread before requests are refused."""
    insight_molecules: int = 512
    """How many molecules may wait for explanations, neighbours or alerts before requests are refused."""
    request_seconds: float = 30.0
    batch_seconds: float = 5.0
    """`request_seconds` and `batch_seconds`: how long a request may wait for its turn, and a batch of molecules may
    take before its thread is given up."""
    record: Path | None = None
    """Folder of the live record (what was predicted, what was measured); none to keep no record."""
    record_structures: bool = False
    """Whether that record may hold structures in the clear."""
    jobs: JobSettings = field(default_factory=JobSettings)
    """Limits and places of batch jobs."""
    workers: int = 1
    """Processes that serve."""
    max_connections: int = 8192
    """Connections that one process holds open at a time, as far as the system allows it open files."""
    idle_seconds: float = 30.0
    """How long a connection may be silent, the head of a request may take, and a body may pause."""
    drain_seconds: float = 25.0
    """How long the service, when it ends, waits for running requests."""
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: str = "INFO"
    """`log_format` and `log_level`: how log lines look (`auto` is text on a terminal, JSON elsewhere) and the lowest
    level written."""
    telemetry: bool = False
    """Whether requests are traced for OpenTelemetry."""
    folder: Path | None = None
    """Where the service keeps its own state: API keys and the audit log; none to keep nothing."""
    open_access: bool = False
    """Whether everybody may predict, send jobs and feedback without a key, on whatever address."""
    rate_per_minute: int = 0
    """Requests that one caller may send in a minute; zero for no limit."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, in lower case, under which the service is asked beside this machine's own. With none, a service that only
    this machine reaches answers to no other name, and one that others reach answers to any."""
    behind_proxy: bool = False
    """Whether a proxy of our own is in front, whose `X-Forwarded-For` names the caller."""
    worker: Worker | None = None
    """Which worker this process is, where several serve."""
    metrics_folder: Path | None = None
    """Where several processes count together: `PROMETHEUS_MULTIPROC_DIR`, which the metrics' library reads itself."""
    admin_token: str | None = field(default=None, repr=False)
    """A key that allows everything, when set; never part of `repr`. For installations that keep no file of keys."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `AIDRUG_*` variables; those not set, or empty, keep their defaults.

        Raises
        ------
        ConfigError
            When a variable does not hold what it should.
        """
        env = os.environ if environment is None else environment
        home = home_of(env)
        return cls(
            store=env.get("AIDRUG_STORE") or str(home / "store"),
            cache_folder=home / "bundle_cache",
            host=env.get("AIDRUG_SERVICE_HOST") or cls.host,
            port=_whole(env, "AIDRUG_SERVICE_PORT", cls.port, 1, 65_535),
            poll_seconds=_seconds(env, "AIDRUG_SERVICE_POLL_SECONDS", cls.poll_seconds),
            max_molecules=_whole(env, "AIDRUG_MAX_MOLECULES", cls.max_molecules, 1, 100_000),
            max_body_bytes=_whole(env, "AIDRUG_MAX_BODY_BYTES", cls.max_body_bytes, 1_000, 1_000_000_000),
            limits=Limits(
                max_characters=_whole(env, "AIDRUG_MAX_CHARACTERS", Limits().max_characters, 1, 10_000),
                max_heavy_atoms=_whole(env, "AIDRUG_MAX_HEAVY_ATOMS", Limits().max_heavy_atoms, 1, 1_000),
            ),
            cache_entries=_whole(env, "AIDRUG_CACHE_ENTRIES", cls.cache_entries, 0, 100_000_000),
            model_bytes=_whole(env, "AIDRUG_MODEL_BYTES", quarter_of_memory(), 1, 10**15),
            show_neighbours=bool(_whole(env, "AIDRUG_SHOW_NEIGHBOURS", 1, 0, 1)),
            queue_molecules=_whole(env, "AIDRUG_QUEUE_MOLECULES", cls.queue_molecules, 1, 10_000_000),
            insight_molecules=_whole(env, "AIDRUG_INSIGHT_MOLECULES", cls.insight_molecules, 1, 1_000_000),
            request_seconds=_seconds(env, "AIDRUG_REQUEST_SECONDS", cls.request_seconds),
            batch_seconds=_seconds(env, "AIDRUG_BATCH_SECONDS", cls.batch_seconds),
            record=home / "service" if _switch(env, "AIDRUG_RECORD", default=True) else None,
            record_structures=_switch(env, "AIDRUG_RECORD_STRUCTURES", default=False),
            jobs=JobSettings(
                folder=Path(env.get("AIDRUG_JOBS") or home / "service" / "jobs"),
                max_upload_bytes=_whole(
                    env, "AIDRUG_JOB_UPLOAD_BYTES", JobSettings.max_upload_bytes, 1_000, 100_000_000_000
                ),
                max_unpacked_bytes=_whole(
                    env, "AIDRUG_JOB_UNPACKED_BYTES", JobSettings.max_unpacked_bytes, 1_000, 1_000_000_000_000
                ),
                max_rows=_whole(env, "AIDRUG_JOB_ROWS", JobSettings.max_rows, 1, 1_000_000_000),
                max_waiting=_whole(env, "AIDRUG_JOBS_WAITING", JobSettings.max_waiting, 1, 100_000),
                keep_days=_whole(env, "AIDRUG_JOB_DAYS", JobSettings.keep_days, 1, 3650),
                max_stored_bytes=_whole(
                    env, "AIDRUG_JOBS_BYTES", JobSettings.max_stored_bytes, 1_000_000, 100_000_000_000_000
                ),
                chunk_rows=_whole(env, "AIDRUG_JOB_CHUNK_ROWS", JobSettings.chunk_rows, 1, 10_000),
                lease_seconds=_seconds(env, "AIDRUG_JOB_LEASE_SECONDS", JobSettings.lease_seconds),
            ),
            max_connections=_whole(env, "AIDRUG_MAX_CONNECTIONS", cls.max_connections, 1, 1_000_000),
            idle_seconds=_seconds(env, "AIDRUG_IDLE_SECONDS", cls.idle_seconds),
            drain_seconds=_seconds(env, "AIDRUG_DRAIN_SECONDS", cls.drain_seconds),
            workers=_whole(env, "AIDRUG_WORKERS", cls.workers, 1, 256),
            log_format=cast(
                'Literal["auto", "json", "text"]', _one_of(env, "AIDRUG_LOG_FORMAT", ("auto", "json", "text"))
            ),
            log_level=_one_of(env, "AIDRUG_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
            telemetry=_switch(env, "AIDRUG_TELEMETRY", default=False),
            folder=home / "service",
            open_access=_switch(env, "AIDRUG_OPEN_ACCESS", default=False),
            rate_per_minute=_whole(env, "AIDRUG_RATE_PER_MINUTE", 0, 0, 10_000_000),
            allowed_hosts=_hosts(env, "AIDRUG_ALLOWED_HOSTS"),
            behind_proxy=_switch(env, "AIDRUG_BEHIND_PROXY", default=False),
            worker=Worker(int(env[WORKER]), Path(env[SHARED]), int(env[LIFELINE])) if WORKER in env else None,
            metrics_folder=Path(env[MULTIPROCESS]) if env.get(MULTIPROCESS) else None,
            admin_token=(env.get("AIDRUG_ADMIN_TOKEN") or "").strip() or None,
        )

    @property
    def keys_file(self) -> Path | None:
        """Where API keys are kept, if any are."""
        return self.folder / "keys.sqlite" if self.folder is not None else None

    @property
    def audit_file(self) -> Path | None:
        """Where administrators' actions are recorded, if they are."""
        return self.folder / "audit.jsonl" if self.folder is not None else None

    @property
    def rates_file(self) -> Path | None:
        """What workers count requests in together."""
        return self.folder / "rates" if self.folder is not None else None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service.

        Examples
        --------
        >>> Settings(host="127.0.0.1").on_loopback, Settings(host="0.0.0.0").on_loopback
        (True, False)
        """
        return is_loopback(self.host)


def _hosts(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the host names of a list with commas, in lower case."""
    hosts = tuple(host.strip().lower() for host in (env.get(name) or "").split(",") if host.strip())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ConfigError(f"{name}: expected host names without scheme, port or path, got {host!r}")
    return hosts


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine only.

    Examples
    --------
    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "10.0.0.1", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _one_of(env: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    """Return a variable's value; the first of those allowed when it is not set."""
    text = env.get(name) or allowed[0]
    if text not in allowed:
        raise ConfigError(f"{name}: expected one of {', '.join(allowed)}, got {text!r}")
    return text


def _switch(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name)
    if not text:
        return default
    if text not in ("on", "off"):
        raise ConfigError(f"{name}: expected on or off, got {text!r}")
    return text == "on"


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise ConfigError(f"{name}: expected a whole number from {low} to {high}, got {text!r}")
    return number


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.01 <= number <= 3600:
        raise ConfigError(f"{name}: expected a number of seconds from 0.01 to 3600, got {text!r}")
    return number
