"""A copy of the checkout in a temporary folder, with one small endpoint: for tests that edit code or run processes.

The copy's own packages run (PYTHONPATH), its state is its own, and its ports are free ones.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.server_process import free_port

ROOT = Path(__file__).parents[1]
ENDPOINT = """
name: toy
title: Toy property
description: Chain length, so that there is something to learn.
task: regression
unit: atoms
source: {kind: csv, files: [toy.csv]}
split: {kind: random, folds: 3}
champion: {metric: rmse}
"""
MODEL = "name: {name}\ndescription: A model.\nfeatures: [descriptors]\nconfig: {config}\n"
MEASUREMENTS = "smiles,value\n" + "".join(f"{'C' * n}{tail},{n}\n" for n in range(1, 25) for tail in "NO")


class CheckoutCopy:
    """The copy: its folder, its environment, and what tests ask of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        for package in ("ai_drug_assets", "model_zoo", "serving"):
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, folder / name)
        self.write("configs/endpoints/toy.yaml", ENDPOINT)
        self.write("configs/models/naive.yaml", MODEL.format(name="naive", config="{}"))
        self.write("configs/models/rf.yaml", MODEL.format(name="rf", config="{n_estimators: 5}"))
        self.write("toy.csv", MEASUREMENTS)
        self.ui_port, self.service_port = free_port(), free_port()
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("AIDRUG", "DAGSTER", "MLFLOW"))}
        self.environment = {
            **kept,
            "PYTHONPATH": str(folder),
            "AIDRUG_HOME": str(self.home),
            "AIDRUG_UI_PORT": str(self.ui_port),
            "AIDRUG_SERVICE_PORT": str(self.service_port),
            "DVC_SITE_CACHE_DIR": str(folder / ".dvc_site_cache"),
        }

    def write(self, name: str, text: str) -> Path:
        """Write a file of the copy."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a file of the copy."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        self.write(name, text.replace(old, new))

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `aidrug` in the copy."""
        return [sys.executable, "-m", "ai_drug_assets", *arguments]

    def aidrug(self, *arguments: str, code: int = 0) -> str:
        """Run `aidrug` in the copy, expect its exit code, and return what it printed."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def git(self, *arguments: str) -> str:
        """Run Git in the copy, as somebody."""
        identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str = "A change") -> str:
        """Commit everything in the copy, which becomes a repository with the first commit; give the SHA."""
        if not (self.folder / ".git").exists():
            self.git("init", "--quiet")
            own = (ROOT / ".gitignore").read_text(encoding="utf-8")  # what it hides, it hides from DVC too
            self.write(".gitignore", f"{own}home/\n.dvc_site_cache/\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def trainings(self) -> dict[str, int]:
        """Count finished trainings by model."""
        with closing(sqlite3.connect(self.home / "mlflow" / "mlflow.db")) as connection:
            rows = connection.execute(
                "select t.value, count(*) from runs r join tags t on t.run_uuid = r.run_uuid "
                "where t.key = 'aidrug.model' and r.status = 'FINISHED' group by 1"
            )
            return dict(rows.fetchall())
