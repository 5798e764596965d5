"""What is signed is what runs: byte code is compared with its source, not with its size and time stamp."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ai_drug_assets.execution.byte_code import check_sources
from ai_drug_assets.settings import ROOT

READ = "import ai_drug_assets; from model_zoo.models.rf import CHECKED_ROWS; print(CHECKED_ROWS)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a copy of the code, without byte code."""
    for package in ("model_zoo", "ai_drug_assets"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(root: Path, **environment: str) -> str:
    """Return the number that a process of its own finds."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=root,
        env={**clean, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def edit(root: Path, number: int) -> None:
    """Change the number and keep size and time stamp."""
    path = root / "model_zoo/models/rf.py"
    before = path.stat()
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [f"CHECKED_ROWS = {number}\n" if line.startswith("CHECKED_ROWS = ") else line for line in lines]
    path.write_text("".join(lines), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_an_edit_of_equal_size_and_time_stamp_runs(root: Path) -> None:
    """The next process runs what the source says, with byte code of a first process, of a second, or none written."""
    assert run(root) == "256"
    assert list(root.glob("model_zoo/models/__pycache__/rf.*"))
    edit(root, 257)
    assert run(root) == "257"
    edit(root, 258)
    assert run(root) == "258"
    edit(root, 259)
    assert run(root, PYTHONDONTWRITEBYTECODE="1") == "259"


def test_byte_code_of_the_checked_kind_is_left_alone(root: Path) -> None:
    """After a first look nothing is left to do, so that a start costs only the reading of headers."""
    run(root)
    first = check_sources(root / "model_zoo")
    assert first > 0
    assert check_sources(root / "model_zoo") == 0


def test_where_byte_code_is_not_written_none_is_trusted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte code that would be trusted goes, and none comes, where a process may write none."""
    run(root)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert check_sources(root / "model_zoo") > 0
    assert not list(root.glob("model_zoo/models/__pycache__/rf.*"))
