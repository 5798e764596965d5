"""The demo in the README runs, and what it claims holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow(
    sibling=(
        "test_staleness::test_one_models_code_retrains_only_that_model",
        "test_hot_swap::test_no_request_fails_while_champions_change",
    )
)
@pytest.mark.timeout(900)
def test_the_demo_holds_its_claims() -> None:
    """`make demo`: a comment retrains nothing, one edit retrains one model, the service changes over, nothing fails."""
    done = subprocess.run(
        [sys.executable, "docs/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=800
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nyes  ") == 4
