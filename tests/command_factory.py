"""`aidrug` in processes that a test may kill, started from a process that has the slow imports behind it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from ai_drug_assets.keys import TRAINING_POOL
from ai_drug_assets.settings import Settings
from tests.project_factory import add_model, measurements, molecules, write_csv, write_yaml

PRELOADED = ["dagster", "mlflow", "pandas", "sklearn.ensemble", "rdkit.Chem", "onnxruntime", "matplotlib"]
ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


def _command(arguments: list[str], environment: dict[str, str], log: str) -> None:
    for name in [name for name in os.environ if name.startswith(("AIDRUG_", "MLFLOW_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(environment)
    with Path(log).open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["aidrug", *arguments]
    from ai_drug_assets.cli import main

    main()


@dataclass(frozen=True)
class Command:
    """A running command and what it prints."""

    process: BaseProcess
    log: Path

    @property
    def printed(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait(self, seconds: float = 120) -> int:
        """Wait for its end; give the exit code."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.printed}")
        return self.process.exitcode


@dataclass(frozen=True)
class Installation:
    """A folder with configurations for the checkout's own code, and the state that `aidrug` keeps for them."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points `aidrug` here."""
        return {
            "AIDRUG_HOME": str(self.folder / "home"),
            "AIDRUG_CONFIGS": str(self.folder / "configs"),
            "AIDRUG_SERVICE_PORT": "9",
            "OMP_NUM_THREADS": "1",
        }

    @property
    def settings(self) -> Settings:
        """The settings that `aidrug` reads there."""
        return Settings.from_env(self.environment)

    def set_trees(self, count: int) -> None:
        """Return the forest another size: it then has another signature."""
        add_model(self.settings, "rf", config={"n_estimators": count, "max_features": 0.5})

    def start(self, *arguments: str) -> Command:
        """Start a command in a process of its own."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"
        log.touch()
        process = context.Process(target=_command, args=(list(arguments), self.environment, str(log)))
        process.start()
        return Command(process, log)

    def instance(self) -> DagsterInstance:
        """Open the Dagster instance that its first run made."""
        return DagsterInstance.from_config(str(self.settings.home / "dagster"))

    def unfinished(self) -> list[str]:
        """Return the Dagster runs that did not end, and the pool slots that somebody holds."""
        with self.instance() as instance:
            runs = [run.run_id for run in instance.get_runs(RunsFilter()) if run.status not in ENDED]
            slots = instance.event_log_storage.get_concurrency_info(TRAINING_POOL)
            return [*runs, *slots.active_run_ids, *slots.pending_run_ids]


def make_installation(folder: Path) -> Installation:
    """Write configurations of one endpoint with a baseline and a small forest."""
    made = Installation(folder)
    smiles = molecules()
    write_csv(folder / "logp.csv", list(zip(smiles, measurements("logp", smiles), strict=True)))
    content: dict[str, Any] = {
        "name": "logp",
        "title": "logp",
        "description": "logp",
        "task": "regression",
        "unit": "log10 ratio",
        "source": {"kind": "csv", "files": [str(folder / "logp.csv")]},
        "split": {"kind": "random", "folds": 3},
        "champion": {"metric": "rmse"},
    }
    write_yaml(folder / "configs" / "endpoints" / "logp.yaml", content)
    add_model(made.settings, "naive")
    made.set_trees(5)
    return made
