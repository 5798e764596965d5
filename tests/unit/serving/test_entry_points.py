"""Whatever `python -m` starts takes no argument that it does not know, and `--help` starts nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENTRIES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for package in ("model_zoo", "serving", "ai_drug_assets")
    for path in (ROOT / package).rglob("*.py")
    if re.search(r"^if __name__ == ", path.read_text(encoding="utf-8"), re.MULTILINE)
}
BY_OTHERS = {"serving.inference.chemistry_worker", "model_zoo.chemistry.structure_search"}
"""Those that the service starts, and speaks to through stdin."""


def run(module: str, argument: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Start a module with an argument; whatever it does is over soon."""
    return subprocess.run(
        [sys.executable, "-m", module, argument],
        cwd=ROOT,
        env={**os.environ, "AIDRUG_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("module", sorted(ENTRIES))
def test_an_unknown_argument_is_refused(module: str, tmp_path: Path) -> None:
    """Nothing is started with an argument left out of account."""
    done = run(module, "--nonsense", tmp_path / "home")

    assert done.returncode not in (0, -9), done.stdout
    assert not (tmp_path / "home").exists()
    if module not in BY_OTHERS:
        assert "--nonsense" in done.stderr


@pytest.mark.parametrize("module", sorted(ENTRIES - BY_OTHERS))
def test_help_says_what_it_is_for_and_starts_nothing(module: str, tmp_path: Path) -> None:
    """It ends well, and leaves nothing behind."""
    done = run(module, "--help", tmp_path / "home")

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 5
    assert not (tmp_path / "home").exists()


def test_the_help_of_the_service_names_its_settings(tmp_path: Path) -> None:
    """As they are in the guide for operators."""
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    named = re.findall(r"AIDRUG_\w+", run("serving", "--help", tmp_path).stdout)

    assert "AIDRUG_STORE" in named
    assert all(f"| `{name}` |" in guide for name in named)
