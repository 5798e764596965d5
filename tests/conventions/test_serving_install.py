"""The service installs alone, from `.[serve]` in an empty environment, and stays small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MAX_MEGABYTES = 450
ABSENT = ("dagster", "dvc", "mlflow", "pandas", "sklearn", "torch")

# Imports the whole service and what it loads bundles with; a module named `__main__` would start it.
PROBE = f"""
import importlib, importlib.util, pkgutil
import model_zoo.bundle, model_zoo.store, serving
for module in pkgutil.walk_packages(serving.__path__, "serving."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print([name for name in {ABSENT!r} if importlib.util.find_spec(name)])
"""


@pytest.mark.slow
def test_the_service_installs_without_the_pipeline(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An environment with only `.[serve]` imports the service, holds no training or pipeline library, and is small."""
    uv = Path(sys.executable).with_name("uv")
    python = tmp_path / "venv" / "bin" / "python"

    def run(*command: str | Path) -> str:
        # Outside the checkout, so that nothing is importable but what was installed.
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    run(uv, "venv", "--python", sys.executable, tmp_path / "venv")
    run(uv, "pip", "install", "--python", python, "-c", root / "constraints.txt", f"{root}[serve]")

    assert run(python, "-c", PROBE).strip() == "[]"

    megabytes = sum(path.lstat().st_size for path in (tmp_path / "venv").rglob("*")) / 1e6
    with capsys.disabled():
        print(f"\n.[serve] takes {megabytes:.0f} MB")
    assert megabytes < MAX_MEGABYTES
