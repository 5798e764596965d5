"""The service installs alone, from `.[serve]` in an empty environment, and stays small."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.installed import install_service, megabytes

MAX_MEGABYTES = 450
ABSENT = ("dagster", "dvc", "mlflow", "pandas", "sklearn", "torch")

# Imports the whole service and what it loads bundles with; a module named `__main__` would start it.
PROBE = f"""
import importlib, importlib.util, pkgutil
import model_zoo.bundles.reader, model_zoo.bundles.store, serving
for module in pkgutil.walk_packages(serving.__path__, "serving."):
    if not module.name.endswith(("__main__", "agents.tools", "agents.stdio")):  # these need the extra `agents`
        importlib.import_module(module.name)
print([name for name in {ABSENT!r} if importlib.util.find_spec(name)])
"""


@pytest.mark.slow(sibling="test_layers::test_imports_keep_to_their_layer")
def test_the_service_installs_without_the_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An environment with only `.[serve]` imports the service, holds no training or pipeline library, and is small."""
    python = install_service(tmp_path / "venv")

    probed = subprocess.run((python, "-c", PROBE), cwd=tmp_path, capture_output=True, text=True, check=False)
    size = megabytes(tmp_path / "venv")

    assert probed.returncode == 0, probed.stderr
    assert probed.stdout.strip() == "[]"
    with capsys.disabled():
        print(f"\n.[serve] takes {size:.0f} MB")
    assert size < MAX_MEGABYTES
