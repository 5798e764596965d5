"""The sets of a benchmark folder as endpoints."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_zoo.benchmark.references import Reference
from model_zoo.config.endpoint import Endpoint
from model_zoo.data.targets import Transform
from model_zoo.errors import ConfigError, DataError
from model_zoo.io.strict_yaml import check, read_yaml

TASKS = {"regression": "regression", "classification": "binary", "binary": "binary"}
METRIC_NAMES = {"MAE": "mae", "RMSE": "rmse", "Spearman": "spearman", "ROC-AUC": "auroc", "PR-AUC": "auprc"}
INDEX = "endpoints.csv"
NO_LIMIT_MS = 1e9


class Scale(BaseModel):
    """The scale on which sets of a name are learned."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    transform: Transform = "identity"
    lower: float | None = None
    upper: float | None = None


class BenchmarkConfig(BaseModel):
    """What `configs/benchmark.yaml` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(min_length=1)
    """Who competes when nobody is named."""
    further: dict[str, tuple[str, ...]] = {}
    """Who competes beside them, by patterns of set names."""
    holder: str | None = None
    """Who holds the title from the start, where it competes; nobody when omitted."""
    references: dict[str, Reference] = {}
    """Recipes that champions are compared with, by a name of their own."""
    seeds: int = Field(default=5, ge=1)
    targets: dict[str, Scale] = {}
    """By a pattern of set names (`clearance_*`); the first that fits counts."""

    def competing(self, name: str) -> tuple[str, ...]:
        """Name the models that compete on a set."""
        more = [model for pattern, models in self.further.items() if fnmatchcase(name, pattern) for model in models]
        return tuple(dict.fromkeys((*self.models, *more)))

    def scale(self, name: str) -> Scale:
        """Return the scale of a set."""
        return next((scale for pattern, scale in self.targets.items() if fnmatchcase(name, pattern)), Scale())


def load_benchmark_config(path: Path) -> BenchmarkConfig:
    """Read and check `configs/benchmark.yaml`."""
    try:
        return check(BenchmarkConfig, read_yaml(path))
    except (ConfigError, ValidationError) as error:
        raise ConfigError(f"{path}: expected the benchmark's configuration: {error}") from error


def read_sets(folder: Path, config: BenchmarkConfig, only: Sequence[str] = ()) -> list[Endpoint]:
    """Describe each set of a folder as an endpoint, in the order of its `endpoints.csv`.

    Raises
    ------
    DataError
        When the index is missing, or a set is unknown or described by something else than a known task and metric.
    """
    path = folder / INDEX
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected the index of the benchmark's sets: {error}") from error
    names = [row.get("benchmark") or "" for row in rows]
    for name in only:
        if name not in names:
            raise DataError(f"{path}: unknown set {name!r}, expected one of {', '.join(names)}")
    return [_endpoint(row, config, path) for row in rows if not only or row["benchmark"] in only]


def _endpoint(row: Mapping[str, str], config: BenchmarkConfig, path: Path) -> Endpoint:
    name, task, metric = (row.get(key) or "" for key in ("benchmark", "task", "metric"))
    if task not in TASKS or metric not in METRIC_NAMES:
        raise DataError(
            f"{path}: set {name!r}: expected a task of {', '.join(TASKS)} and a metric of {', '.join(METRIC_NAMES)}, "
            f"got {task!r} and {metric!r}"
        )
    unit = row.get("y_meaning_or_unit") or "as in the file"
    content = {
        "name": name,
        "title": name,
        "description": unit,
        "task": TASKS[task],
        "unit": "probability" if TASKS[task] == "binary" else unit,
        "source": {"kind": "benchmark", "set": name},
        "curation": {"replicates": "keep"},
        "split": {"kind": "official"},
        # No margin for ties and no limit: a latency measured on a busy machine must not decide a benchmark.
        "champion": {"metric": METRIC_NAMES[metric], "tie_margin": 0, "max_ms_per_molecule": NO_LIMIT_MS},
        **({} if TASKS[task] == "binary" else config.scale(name).model_dump()),
    }
    try:
        return Endpoint.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path}: set {name!r}: {error}") from error
