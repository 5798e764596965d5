"""What the convention tests read: the packages' source files and the files under version control."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ai_drug_assets", "model_zoo", "serving")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """List the tracked files. Scratch files beside them are ignored."""
    # The checkout may belong to another user (a container, a mounted folder): git would refuse to list it.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"not a git checkout: {result.stderr.strip()}")
    return [name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `module` once per Python file of the three packages."""
    if "module" in metafunc.fixturenames:
        modules = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
        metafunc.parametrize("module", modules, ids=[path.relative_to(ROOT).as_posix() for path in modules])
